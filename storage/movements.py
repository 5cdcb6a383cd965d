"""Refunds, disputes and domain events as rows of their own, for reading; the fold's steps stay the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.bulk import BulkInsert
from storage.tables import DISPUTES, PAYMENT_EVENTS, REFUNDS


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementRow:
    """A refund or a dispute as it stands, under the gateway's name for it; amounts in minor units.

    `changed_by` and `request_id` say to the audit log who said so, and in which of its events.
    """

    gateway: str
    account: str
    reference: str
    payment_id: str
    status: str
    amount_minor: int
    currency: str
    reason: str | None
    evidence_due_at: datetime | None
    occurred_at: datetime
    changed_by: str = "unknown"
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A domain event as it was told."""

    payment_id: str
    sequence: int
    event_id: str
    type: str
    payload: str
    occurred_at: datetime


_COLUMNS = {
    "gateway": "text",
    "account": "text",
    "reference": "text",
    "payment_id": "text",
    "status": "text",
    "amount_minor": "bigint",
    "currency": "text",
    "reason": "text",
    "changed_by": "text",
    "request_id": "text",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
}
_UPSERT = (
    "on conflict (gateway, account, reference) do update set status = excluded.status,"
    " amount_minor = greatest({table}.amount_minor, excluded.amount_minor),"
    " reason = coalesce({table}.reason, excluded.reason), changed_by = excluded.changed_by,"
    " request_id = excluded.request_id, updated_at = excluded.updated_at{more}"
    # The same thing told again is no change, and the audit log tells changes alone.
    " where {table}.status <> excluded.status or {table}.amount_minor < excluded.amount_minor"
    " or ({table}.reason is null and excluded.reason is not null){or_more}"
)
_DEADLINE = ", evidence_due_at = coalesce(excluded.evidence_due_at, disputes.evidence_due_at)"
_OTHER_DEADLINE = (
    " or disputes.evidence_due_at is distinct from coalesce(excluded.evidence_due_at, disputes.evidence_due_at)"
)
_REFUNDS = BulkInsert("refunds", _COLUMNS, _UPSERT.format(table="refunds", more="", or_more=""))
_DISPUTES = BulkInsert(
    "disputes",
    {**_COLUMNS, "evidence_due_at": "timestamptz"},
    _UPSERT.format(table="disputes", more=_DEADLINE, or_more=_OTHER_DEADLINE),
)
_EVENTS = BulkInsert(
    "payment_events",
    {
        "payment_id": "text",
        "sequence": "integer",
        "event_id": "text",
        "type": "text",
        "payload": "text > jsonb",
        "occurred_at": "timestamptz",
        "recorded_at": "timestamptz",
    },
)


class Movements:
    """Writes and reads refunds, disputes and events."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def save_refunds(self, rows: Sequence[MovementRow], now: datetime) -> None:
        """Insert or update refunds, each at most once in the rows."""
        await _REFUNDS.execute(self._connection, sorted((_values(row, now) for row in rows), key=_key))

    async def save_disputes(self, rows: Sequence[MovementRow], now: datetime) -> None:
        """Insert or update disputes, each at most once in the rows."""
        values = sorted(((*_values(row, now), row.evidence_due_at) for row in rows), key=_key)
        await _DISPUTES.execute(self._connection, values)

    async def add_events(self, rows: Sequence[EventRow], now: datetime) -> None:
        """Append domain events."""
        await _EVENTS.execute(
            self._connection,
            [(r.payment_id, r.sequence, r.event_id, r.type, r.payload, r.occurred_at, now) for r in rows],
        )

    async def refunds_of(self, payment_id: str) -> list[Row[Any]]:
        """A payment's refunds, oldest first."""
        statement = select(REFUNDS).where(REFUNDS.c.payment_id == payment_id).order_by(REFUNDS.c.created_at)
        return list(await self._connection.execute(statement))

    async def disputes_of(self, payment_id: str) -> list[Row[Any]]:
        """A payment's disputes, oldest first."""
        statement = select(DISPUTES).where(DISPUTES.c.payment_id == payment_id).order_by(DISPUTES.c.created_at)
        return list(await self._connection.execute(statement))

    async def events_of(self, payment_id: str) -> list[Row[Any]]:
        """A payment's domain events, in order."""
        events = PAYMENT_EVENTS
        statement = select(events).where(events.c.payment_id == payment_id).order_by(events.c.sequence)
        return list(await self._connection.execute(statement))


def _key(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values[:3]


def _values(row: MovementRow, now: datetime) -> tuple[Any, ...]:
    return (
        row.gateway,
        row.account,
        row.reference,
        row.payment_id,
        row.status,
        row.amount_minor,
        row.currency,
        row.reason,
        row.changed_by,
        row.request_id,
        row.occurred_at,
        now,
    )
