"""The live books as one snapshot has them: what a rebuild needs of them, and what it is compared with.

A rebuild takes from here what never was a callback: that a payment was created, on which terms and under which names;
what gateways answered when they were asked; and facts of callbacks that are outside the range or no longer kept.
"""

import json
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, text

from domain.facts import FactKind, Trust
from domain.payment import PaymentState, status_of
from services.apply_events import ReceivedFact
from services.audit.topic_reader import Position
from services.replay.scope import COVERED, Coverage, ReplayRequest
from storage.inbox import FactKey, fact_of
from storage.payments import Reference
from storage.unit_of_work import Transaction

PAGE_SIZE = 250

_BLANK = {
    "steps": [],
    "authorized_minor": 0,
    "captured_minor": 0,
    "refunded_minor": 0,
    "refund_pending_minor": 0,
    "disputed_minor": 0,
    "paid_at": None,
    "refunded_at": None,
    "failed_at": None,
    "failure_reason": None,
    "receipt_url": None,
    "sync_due_at": None,
    "quiet_since": None,
    "event_sequence": 1,
}
"""A payment to which nothing has happened yet but its creation."""

_IN_RANGE = (
    "{column} >= coalesce(cast(:since as timestamptz), '-infinity')"
    " and {column} < coalesce(cast(:until as timestamptz), 'infinity')"
)
SCOPE = (
    "(cast(:payment_id as text) is null or payments.id = :payment_id)"
    " and (cast(:account as text) is null or payments.account = :account)"
    f" and (cast(:payment_id as text) is not null or ({_IN_RANGE.format(column='payments.created_at')})"
    " or exists (select from inbox where inbox.payment_id = payments.id"
    f" and {_IN_RANGE.format(column='inbox.recorded_at')}))"
)
"""SQL that holds for a payment that a request is about; its values are `ReplayRequest.values`."""

_PAYMENTS = text(f"select id from payments where id > :after and {SCOPE} order by id limit :limit")  # noqa: S608 - literals of this file
_ROWS = text(
    "select coalesce(jsonb_agg(to_jsonb(payments) || cast(:blank as jsonb) || jsonb_build_object('status',"
    " case when awaiting_approval then cast(:awaiting as text) else cast(:pending as text) end)), '[]')::text"
    " from payments where id = any(:ids) and (cast(:account as text) is null or account = :account)"
)
_REFERENCES = text(
    "select coalesce(jsonb_agg(to_jsonb(payment_references)), '[]')::text from payment_references"
    " where payment_id = any(:ids)"
)
_STORED = text(
    f"select * from inbox where payment_id = any(:ids) and not {COVERED}"  # noqa: S608 - a literal
    " order by recorded_at, occurred_at, gateway_event_id"
)
_STORED_AT = text(
    "select inbox.* from inbox join unnest(cast(:partitions as integer[]), cast(:offsets as bigint[]))"
    " as wanted (raw_partition, raw_offset) using (raw_partition, raw_offset)"
    " order by recorded_at, occurred_at, gateway_event_id"
)
_KNOWN = text(
    "select gateway, account, gateway_event_id, payment_id, raw_partition, raw_offset from inbox join"
    " unnest(cast(:gateways as text[]), cast(:accounts as text[]), cast(:event_ids as text[]))"
    " as wanted (gateway, account, gateway_event_id) using (gateway, account, gateway_event_id)"
)


@dataclass(frozen=True, slots=True)
class KnownFact:
    """Whose a recorded fact is, and which callback brought it; None where a gateway was asked."""

    payment_id: str | None
    position: Position | None


class LiveBooks:
    """Reads from an open snapshot. Nothing here writes."""

    def __init__(self, snapshot: Transaction, coverage: Coverage, request: ReplayRequest) -> None:
        self.connection = snapshot.connection
        self.coverage = coverage
        self._request = request
        self._payments = snapshot.payments

    async def payment_pages(self) -> AsyncIterator[list[str]]:
        """Yield the ids of the payments that the request is about, in their order, a page at a time."""
        after = ""
        while True:
            values = {**self._request.values, "after": after, "limit": PAGE_SIZE}
            page = list(await self.connection.scalars(_PAYMENTS, values))
            if not page:
                return
            yield page
            after = page[-1]

    async def blank_payments(self, ids: Sequence[str]) -> str:
        """Rows of payments as they were when they were created, as a JSON array; none of another account's."""
        values = {
            "ids": ids,
            "account": self._request.account,
            "blank": json.dumps(_BLANK),
            "pending": status_of(PaymentState()),
            "awaiting": status_of(PaymentState(awaiting_approval=True)),
        }
        return str((await self.connection.execute(_ROWS, values)).scalar_one())

    async def references(self, ids: Sequence[str]) -> str:
        """Rows of the names that gateways have for payments, as a JSON array."""
        return str((await self.connection.execute(_REFERENCES, {"ids": ids})).scalar_one())

    async def stored_facts(self, ids: Sequence[str]) -> list[ReceivedFact]:
        """The facts of payments that no replayed callback can bring."""
        rows = await self.connection.execute(_STORED, {"ids": ids, **self.coverage.values})
        return [_received(row) for row in rows]

    async def stored_at(self, positions: Sequence[Position]) -> list[ReceivedFact]:
        """The facts that callbacks at these positions brought."""
        partitions, offsets = [each[0] for each in positions], [each[1] for each in positions]
        rows = await self.connection.execute(_STORED_AT, {"partitions": partitions, "offsets": offsets})
        return [_received(row) for row in rows]

    async def known(self, keys: Collection[FactKey]) -> dict[FactKey, KnownFact]:
        """What is recorded under these keys."""
        if not keys:
            return {}
        gateways, accounts, event_ids = map(list, zip(*keys, strict=True))
        values = {"gateways": gateways, "accounts": accounts, "event_ids": event_ids}
        rows = await self.connection.execute(_KNOWN, values)
        return {
            (row.gateway, row.account, row.gateway_event_id): KnownFact(row.payment_id, position_of(row))
            for row in rows
        }

    async def owners(self, references: Collection[Reference]) -> dict[Reference, str]:
        """The payments that these names mean."""
        return await self._payments.resolve(references)


def position_of(row: Row[Any]) -> Position | None:
    """Where the callback lies that brought a fact."""
    return None if row.raw_partition is None else (row.raw_partition, row.raw_offset)


def _received(row: Row[Any]) -> ReceivedFact:
    """A recorded fact as it came: what was recorded as ignored and means something was a hint."""
    fact = fact_of(row)
    if row.disposition == "ignored" and fact.kind is not FactKind.IGNORED:
        fact = replace(fact, trust=Trust.HINT, gateway_event_id=fact.gateway_event_id.removeprefix("hint:"))
    return ReceivedFact(fact=fact, raw_partition=row.raw_partition, raw_offset=row.raw_offset)
