"""Everything that is recorded of one payment, one statement for each kind of record."""

from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

_FACTS = text(
    "select gateway, gateway_event_id, kind, provider_reference, movement_reference, amount_minor, currency,"
    " disposition, reason, raw_partition, raw_offset, evidence_due_at, occurred_at, recorded_at from inbox"
    " where payment_id = :payment_id order by occurred_at, gateway_event_id"
)
_TRANSITIONS = text(
    "select from_status, to_status, gateway_event_id, occurred_at, recorded_at from transitions"
    " where payment_id = :payment_id order by id"
)
_LEDGER = text(
    "select moved.id, moved.cause, moved.reference, moved.currency, moved.occurred_at, moved.recorded_at,"
    " jsonb_agg(jsonb_build_object('ledger_account', posting.ledger_account, 'amount_minor', posting.amount_minor)"
    " order by posting.line) as postings"
    " from ledger_transactions moved join ledger_postings posting on posting.transaction_id = moved.id"
    " where moved.payment_id = :payment_id group by moved.id order by moved.recorded_at, moved.occurred_at, moved.id"
)
_EVENTS = text(
    "select sequence, event_id, type, payload, occurred_at, recorded_at from payment_events"
    " where payment_id = :payment_id order by sequence"
)
_COMMANDS = text(
    # The subject of a command about a mandate is a mandate, which may bear the same id.
    "select id, kind, actor, state, amount_minor, result, started_at, finished_at from commands"
    " where subject_id = :payment_id and jsonb_exists(content, 'payment_id')"
    " and account = (select account from payments where id = :payment_id) order by started_at, id"
)
_ENTRIES = text(
    "select entry.id, entry.recipient_type, entry.recipient_id, entry.currency, entry.cause, entry.gross_minor,"
    " entry.fee_minor, entry.net_minor, entry.occurred_at, entry.recorded_at, entry.payout_batch_id, entry.counted,"
    " counting.window_start, counting.window_end, counting.closed_at, counting.payout_batch_id as window_batch_id"
    " from settlement_entries entry left join settlement_windows counting on entry.counted"
    " and counting.account = entry.account and counting.recipient_type = entry.recipient_type"
    " and counting.recipient_id = entry.recipient_id and counting.currency = entry.currency"
    " and entry.occurred_at >= counting.window_start and entry.occurred_at < counting.window_end"
    " where entry.payment_id = :payment_id order by entry.recorded_at, entry.occurred_at, entry.id"
)
_CHANGES = text(
    "select log.id, log.subject_type, log.subject_id, log.action, log.actor, log.request_id, log.before, log.after,"
    " log.recorded_at from audit_log log join ("
    " select 'refund' as subject_type, concat_ws(':', gateway, account, reference) as subject_id from refunds"
    " where payment_id = :payment_id"
    " union all select 'dispute', concat_ws(':', gateway, account, reference) from disputes"
    " where payment_id = :payment_id"
    " union all select 'manual_payment', payment_id from manual_payments where payment_id = :payment_id"
    " union all select 'payment_link', payment_id from payment_links where payment_id = :payment_id"
    " union all select 'reconciliation_case', id::text from reconciliation_cases where payment_id = :payment_id"
    " or command_id in (select id from commands where subject_id = :payment_id)"
    " union all select distinct 'payout_batch', payout_batch_id::text from settlement_entries"
    " where payment_id = :payment_id and payout_batch_id is not null"
    ") as concerned using (subject_type, subject_id) order by log.id"
)


class TimelineQueries:
    """Reads what was recorded of a payment."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def facts(self, payment_id: str) -> list[Row[Any]]:
        """What gateways said, with what became of it and where the raw callback lies."""
        return await self._of(_FACTS, payment_id)

    async def transitions(self, payment_id: str) -> list[Row[Any]]:
        """Changes of status."""
        return await self._of(_TRANSITIONS, payment_id)

    async def ledger(self, payment_id: str) -> list[Row[Any]]:
        """Ledger transactions, each with its postings."""
        return await self._of(_LEDGER, payment_id)

    async def events(self, payment_id: str) -> list[Row[Any]]:
        """Domain events."""
        return await self._of(_EVENTS, payment_id)

    async def commands(self, payment_id: str) -> list[Row[Any]]:
        """What the payment's own account asked for."""
        return await self._of(_COMMANDS, payment_id)

    async def entries(self, payment_id: str) -> list[Row[Any]]:
        """Settlement entries, each with the window that counted it."""
        return await self._of(_ENTRIES, payment_id)

    async def changes(self, payment_id: str) -> list[Row[Any]]:
        """The audit log of refunds, disputes, manual payment, link, cases and payout batches of the payment."""
        return await self._of(_CHANGES, payment_id)

    async def _of(self, statement: TextClause, payment_id: str) -> list[Row[Any]]:
        return list(await self._connection.execute(statement, {"payment_id": payment_id}))
