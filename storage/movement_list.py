"""Refunds, disputes and domain events as pages, by what merchants ask for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvalidInput
from storage.listing import PageOf, Position, read_page
from storage.tables import DISPUTES, PAYMENT_EVENTS, REFUNDS

MAX_SEQUENCE_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementFilter:
    """What a refund or dispute must be like; None asks for nothing. The times are the gateway's own of its creation.

    `created_before` is excluded, `created_from` included.
    """

    account: str
    payment_id: str | None = None
    status: str | None = None
    gateway: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementRecord:
    """A refund or a dispute as it stands, under the gateway's name for it; the amount in minor units."""

    gateway: str
    account: str
    reference: str
    payment_id: str
    status: str
    amount_minor: int
    currency: str
    reason: str | None
    created_at: datetime
    updated_at: datetime
    evidence_due_at: datetime | None = None


# A refund that a command asked for is told by the facts that were taken in with the command's result. Answers may tell
# of other refunds too; the one of the command has its amount, or none where it has failed at once, and is the newest.
_REFUND_OF_COMMAND = text(
    "select refund.* from inbox fact join refunds refund on refund.gateway = fact.gateway"
    " and refund.account = fact.account and refund.reference = fact.movement_reference"
    " where fact.payment_id = :payment_id and refund.payment_id = :payment_id and fact.recorded_at = :completed_at"
    " and fact.kind in ('refund_pending', 'refunded', 'refund_failed') and refund.amount_minor in (:amount_minor, 0)"
    " order by refund.created_at desc, refund.reference desc limit 1"
)


class MovementList:
    """Reads refunds, disputes and events of accounts."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def refunds(
        self, wanted: MovementFilter, *, limit: int, after: Position | None = None, ascending: bool = False
    ) -> tuple[list[MovementRecord], Position | None]:
        """A page of refunds, in the order of their creation."""
        return await self._page(REFUNDS, wanted, limit=limit, after=after, ascending=ascending)

    async def disputes(
        self, wanted: MovementFilter, *, limit: int, after: Position | None = None, ascending: bool = False
    ) -> tuple[list[MovementRecord], Position | None]:
        """A page of disputes, in the order of their creation."""
        return await self._page(DISPUTES, wanted, limit=limit, after=after, ascending=ascending)

    async def refund(self, account: str, gateway: str, reference: str) -> MovementRecord | None:
        """Return one refund."""
        return await self._one(REFUNDS, account, gateway, reference)

    async def dispute(self, account: str, gateway: str, reference: str) -> MovementRecord | None:
        """Return one dispute."""
        return await self._one(DISPUTES, account, gateway, reference)

    async def refund_of_command(
        self, payment_id: str, amount_minor: int, completed_at: datetime
    ) -> MovementRecord | None:
        """Return the refund that a command led to; None while the gateway has not told of it."""
        values = {"payment_id": payment_id, "amount_minor": amount_minor, "completed_at": completed_at}
        row = (await self._connection.execute(_REFUND_OF_COMMAND, values)).first()
        return None if row is None else _record(row)

    async def events(
        self, payment_id: str, *, limit: int, after: Position | None = None, ascending: bool = False
    ) -> PageOf:
        """A page of a payment's domain events, in the order of their sequence numbers."""
        sequence = PAYMENT_EVENTS.c.sequence
        statement = select(PAYMENT_EVENTS).where(PAYMENT_EVENTS.c.payment_id == payment_id)
        if after is not None:
            last = _sequence_of(after)
            statement = statement.where(sequence > last if ascending else sequence < last)
        statement = statement.order_by(sequence.asc() if ascending else sequence.desc()).limit(limit + 1)
        found = list(await self._connection.execute(statement))
        rows = found[:limit]
        following = Position(rows[-1].recorded_at, str(rows[-1].sequence)) if len(found) > limit else None
        return PageOf(rows, following)

    async def _page(
        self, table: Table, wanted: MovementFilter, *, limit: int, after: Position | None, ascending: bool
    ) -> tuple[list[MovementRecord], Position | None]:
        # Two gateways may use the same name.
        name = (table.c.gateway + ":" + table.c.reference).label("name")
        page = await read_page(
            self._connection,
            select(table, name).where(*_conditions(table, wanted)),
            table.c.created_at,
            name,
            limit=limit,
            after=after,
            ascending=ascending,
        )
        return [_record(row) for row in page.rows], page.next

    async def _one(self, table: Table, account: str, gateway: str, reference: str) -> MovementRecord | None:
        columns = table.c
        statement = select(table).where(
            columns.account == account, columns.gateway == gateway, columns.reference == reference
        )
        row = (await self._connection.execute(statement)).first()
        return None if row is None else _record(row)


def _conditions(table: Table, wanted: MovementFilter) -> list[ColumnElement[bool]]:
    columns = table.c
    equal = {
        columns.account: wanted.account,
        columns.payment_id: wanted.payment_id,
        columns.status: wanted.status,
        columns.gateway: wanted.gateway,
    }
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    if wanted.created_from is not None:
        conditions.append(columns.created_at >= wanted.created_from)
    if wanted.created_before is not None:
        conditions.append(columns.created_at < wanted.created_before)
    return conditions


def _sequence_of(position: Position) -> int:
    if not (position.id.isascii() and position.id.isdigit() and len(position.id) <= MAX_SEQUENCE_DIGITS):
        raise InvalidInput("this is the cursor of another list", field="cursor")
    return int(position.id)


def _record(row: Row[Any]) -> MovementRecord:
    return MovementRecord(
        gateway=row.gateway,
        account=row.account,
        reference=row.reference,
        payment_id=row.payment_id,
        status=row.status,
        amount_minor=row.amount_minor,
        currency=row.currency,
        reason=row.reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
        evidence_due_at=getattr(row, "evidence_due_at", None),
    )
