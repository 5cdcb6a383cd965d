"""The inbox: every fact exactly once. Its primary key is the dedupe that every money effect hangs on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import Fact, FactKind
from storage.bulk import BulkInsert
from storage.payments import Reference
from storage.tables import INBOX

Disposition = Literal["applied", "ignored", "orphaned"]
FactKey = tuple[str, str, str]
"""(gateway, account, gateway_event_id)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """A fact, what became of it, and where its raw callback lies (None for answers of a gateway's API)."""

    fact: Fact
    digest: str
    payment_id: str | None
    disposition: Disposition
    raw_partition: int | None = None
    raw_offset: int | None = None


def key_of(fact: Fact) -> FactKey:
    """The dedupe key of a fact."""
    return (fact.gateway, fact.account, fact.gateway_event_id)


_INSERT = BulkInsert(
    "inbox",
    {
        "gateway": "text",
        "account": "text",
        "gateway_event_id": "text",
        "digest": "text",
        "kind": "text",
        "provider_reference": "text",
        "related_references": "text > text[]",
        "movement_reference": "text",
        "amount_minor": "bigint",
        "currency": "text",
        "claimed_payment_id": "text",
        "payment_id": "text",
        "disposition": "text",
        "reason": "text",
        "receipt_url": "text",
        "occurred_at": "timestamptz",
        "raw_partition": "integer",
        "raw_offset": "bigint",
        "recorded_at": "timestamptz",
        "evidence_due_at": "timestamptz",
    },
    "on conflict do nothing returning gateway, account, gateway_event_id",
)
_DIGESTS = text(
    "select gateway, account, gateway_event_id, digest from inbox join"
    " unnest(cast(:gateways as text[]), cast(:accounts as text[]), cast(:event_ids as text[]))"
    " as wanted (gateway, account, gateway_event_id) using (gateway, account, gateway_event_id)"
)
WAITING_FACTS = text(
    # Facts that waited for a payment of this name, and contradictions of such facts, which are folded as anomalies.
    # First by the index `inbox_waiting_names`, whose condition this repeats, and only what is found by gateway too.
    "with waiting as materialized (select gateway, account, gateway_event_id,"
    " array_append(related_references, provider_reference) as names from inbox where payment_id is null"
    " and (disposition = 'orphaned' or (disposition = 'ignored' and reason = 'event_id_conflict'))"
    " and array_append(related_references, provider_reference) && cast(:references as text[]))"
    " select gateway, account, gateway_event_id, min(payment_id) as payment_id from waiting"
    " join unnest(cast(:gateways as text[]), cast(:accounts as text[]), cast(:references as text[]),"
    " cast(:payment_ids as text[])) as named (gateway, account, reference, payment_id) using (gateway, account)"
    " where named.reference = any(waiting.names) group by gateway, account, gateway_event_id"
)
_ADOPT = text(
    "update inbox set payment_id = waiting.payment_id,"
    " disposition = case disposition when 'orphaned' then 'applied' else disposition end"
    " from unnest(cast(:gateways as text[]), cast(:accounts as text[]), cast(:event_ids as text[]),"
    " cast(:payment_ids as text[])) as waiting (gateway, account, gateway_event_id, payment_id)"
    " where inbox.gateway = waiting.gateway and inbox.account = waiting.account"
    " and inbox.gateway_event_id = waiting.gateway_event_id and inbox.payment_id is null returning inbox.*"
)
_AUTHORIZATION = text(
    "select movement_reference from inbox where payment_id = :payment_id and disposition = 'applied'"
    # An order under review, or one that waits for its payer, is named by that until it is authorized.
    " and kind in ('authorized', 'processing', 'requires_action') and movement_reference is not null"
    " order by kind, occurred_at desc, recorded_at desc limit 1"
)
_HINTED_REFUNDS = text(
    "select distinct movement_reference from inbox where payment_id = :payment_id and gateway_event_id like 'hint:%'"
    " and kind in ('refund_pending', 'refunded', 'refund_failed') and movement_reference is not null"
    " order by movement_reference limit 20"
)


class Inbox:
    """Writes facts and says which are new."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def insert(self, rows: Sequence[InboxRow], now: datetime) -> set[FactKey]:
        """Insert facts and return the keys of those that were not there; sorted, so that inserts cannot deadlock."""
        values = sorted((_values(row, now) for row in rows), key=lambda value: value[:3])
        return {(row[0], row[1], row[2]) for row in await _INSERT.execute(self._connection, values)}

    async def authorization_reference(self, payment_id: str) -> str | None:
        """The gateway's name of the payment's latest authorization; None where it has no name of its own."""
        found = (await self._connection.execute(_AUTHORIZATION, {"payment_id": payment_id})).scalar_one_or_none()
        return None if found is None else str(found)

    async def hinted_refunds(self, payment_id: str) -> tuple[str, ...]:
        """The gateway's names of refunds that unproven callbacks told of."""
        rows = await self._connection.execute(_HINTED_REFUNDS, {"payment_id": payment_id})
        return tuple(row.movement_reference for row in rows)

    async def digests(self, keys: Collection[FactKey]) -> dict[FactKey, str]:
        """Return the digests of facts that are there."""
        if not keys:
            return {}
        gateways, accounts, event_ids = map(list, zip(*keys, strict=True))
        rows = await self._connection.execute(
            _DIGESTS, {"gateways": gateways, "accounts": accounts, "event_ids": event_ids}
        )
        return {(row[0], row[1], row[2]): row[3] for row in rows}

    async def adopt_orphans(self, named: Collection[tuple[Reference, str]]) -> list[tuple[str, Fact]]:
        """Give facts that waited for these names to the payments that have them now; returns each with its payment."""
        if not named:
            return []
        rows = [(*reference, payment_id) for reference, payment_id in named]
        gateways, accounts, references, payment_ids = map(list, zip(*rows, strict=True))
        values = {"gateways": gateways, "accounts": accounts, "references": references, "payment_ids": payment_ids}
        waiting = list(await self._connection.execute(WAITING_FACTS, values))
        if not waiting:
            return []
        gateways, accounts, event_ids, payment_ids = map(list, zip(*waiting, strict=True))
        values = {"gateways": gateways, "accounts": accounts, "event_ids": event_ids, "payment_ids": payment_ids}
        return [(row.payment_id, fact_of(row)) for row in await self._connection.execute(_ADOPT, values)]

    async def of_payment(self, payment_id: str) -> list[Fact]:
        """Every applied fact of a payment, in order of event time."""
        statement = (
            select(INBOX)
            .where(INBOX.c.payment_id == payment_id, INBOX.c.disposition == "applied")
            .order_by(INBOX.c.occurred_at, INBOX.c.gateway_event_id)
        )
        return [fact_of(row) for row in await self._connection.execute(statement)]


def _values(row: InboxRow, now: datetime) -> tuple[Any, ...]:
    fact = row.fact
    return (
        fact.gateway,
        fact.account,
        fact.gateway_event_id,
        row.digest,
        fact.kind,
        fact.provider_reference,
        _array_literal(fact.related_references),
        fact.movement_reference,
        fact.amount_minor,
        fact.currency,
        fact.payment_id,
        row.payment_id,
        row.disposition,
        fact.reason,
        fact.receipt_url,
        fact.occurred_at,
        row.raw_partition,
        row.raw_offset,
        now,
        fact.evidence_due_at,
    )


def _array_literal(values: Sequence[str]) -> str:
    """PostgreSQL's text form of an array; an array of arrays of unequal length cannot travel through unnest."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"


def fact_of(row: Row[Any]) -> Fact:
    """Read a row of the table `inbox` as a proven fact; whether it was only a hint, its disposition says."""
    return Fact(
        gateway=row.gateway,
        account=row.account,
        gateway_event_id=row.gateway_event_id,
        kind=FactKind(row.kind),
        provider_reference=row.provider_reference,
        related_references=tuple(row.related_references),
        movement_reference=row.movement_reference,
        amount_minor=row.amount_minor,
        currency=row.currency,
        payment_id=row.claimed_payment_id,
        reason=row.reason,
        receipt_url=row.receipt_url,
        occurred_at=row.occurred_at,
        evidence_due_at=row.evidence_due_at,
    )
