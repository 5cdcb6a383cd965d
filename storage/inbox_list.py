"""Received callbacks of an account as pages: the facts that came of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import FactKind
from storage.inbox import Disposition
from storage.listing import Position, read_page
from storage.tables import INBOX


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFilter:
    """What a fact must be like; None asks for nothing. `recorded_before` is excluded, `recorded_from` included."""

    account: str
    gateway: str | None = None
    gateway_event_id: str | None = None
    kind: FactKind | None = None
    disposition: Disposition | None = None
    payment_id: str | None = None
    provider_reference: str | None = None
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFact:
    """A fact that a callback brought, what became of it, and where the raw callback lies."""

    gateway: str
    account: str
    gateway_event_id: str
    kind: FactKind
    disposition: Disposition
    payment_id: str | None
    provider_reference: str
    movement_reference: str | None
    amount_minor: int | None
    currency: str | None
    reason: str | None
    occurred_at: datetime
    recorded_at: datetime
    raw_partition: int
    raw_offset: int


_COLUMNS = INBOX.c
_PLACE = (_COLUMNS.gateway + ":" + _COLUMNS.gateway_event_id).label("place")
"""Unique in an account: the name of a gateway has no colon."""


async def list_received(
    connection: AsyncConnection,
    wanted: ReceivedFilter,
    *,
    limit: int,
    after: Position | None = None,
    ascending: bool = False,
) -> tuple[list[ReceivedFact], Position | None]:
    """Read a page of facts that callbacks brought, in the order they were recorded."""
    page = await read_page(
        connection,
        select(INBOX, _PLACE).where(*_conditions(wanted)),
        _COLUMNS.recorded_at,
        _PLACE,
        limit=limit,
        after=after,
        ascending=ascending,
    )
    return [_received(row) for row in page.rows], page.next


def _conditions(wanted: ReceivedFilter) -> list[ColumnElement[bool]]:
    equal = {
        _COLUMNS.account: wanted.account,
        _COLUMNS.gateway: wanted.gateway,
        _COLUMNS.gateway_event_id: wanted.gateway_event_id,
        _COLUMNS.kind: wanted.kind,
        _COLUMNS.disposition: wanted.disposition,
        _COLUMNS.payment_id: wanted.payment_id,
        _COLUMNS.provider_reference: wanted.provider_reference,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    conditions.append(_COLUMNS.raw_offset.is_not(None))
    if wanted.recorded_from is not None:
        conditions.append(_COLUMNS.recorded_at >= wanted.recorded_from)
    if wanted.recorded_before is not None:
        conditions.append(_COLUMNS.recorded_at < wanted.recorded_before)
    return conditions


def _received(row: Row[Any]) -> ReceivedFact:
    return ReceivedFact(
        gateway=row.gateway,
        account=row.account,
        gateway_event_id=row.gateway_event_id,
        kind=FactKind(row.kind),
        disposition=row.disposition,
        payment_id=row.payment_id,
        provider_reference=row.provider_reference,
        movement_reference=row.movement_reference,
        amount_minor=row.amount_minor,
        currency=row.currency,
        reason=row.reason,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        raw_partition=row.raw_partition,
        raw_offset=row.raw_offset,
    )
