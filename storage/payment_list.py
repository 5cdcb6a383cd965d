"""Payments of an account as pages, by what merchants ask for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.payment import Status
from storage.listing import Position, read_page
from storage.payments import PaymentRecord, record_of
from storage.tables import PAYMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """What a payment must be like; None asks for nothing. `created_before` is excluded, `created_from` included."""

    account: str
    status: Status | None = None
    gateway: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    user_id: str | None = None
    currency: str | None = None
    provider_reference: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None


async def list_payments(
    connection: AsyncConnection,
    wanted: PaymentFilter,
    *,
    limit: int,
    after: Position | None = None,
    ascending: bool = False,
) -> tuple[list[PaymentRecord], Position | None]:
    """Read a page of payments, in the order of their creation."""
    page = await read_page(
        connection,
        select(PAYMENTS).where(*_conditions(wanted)),
        PAYMENTS.c.created_at,
        PAYMENTS.c.id,
        limit=limit,
        after=after,
        ascending=ascending,
    )
    return [record_of(row) for row in page.rows], page.next


def _conditions(wanted: PaymentFilter) -> list[ColumnElement[bool]]:
    columns = PAYMENTS.c
    equal = {
        columns.account: wanted.account,
        columns.status: wanted.status,
        columns.gateway: wanted.gateway,
        columns.resource_type: wanted.resource_type,
        columns.resource_id: wanted.resource_id,
        columns.user_id: wanted.user_id,
        columns.currency: wanted.currency,
        columns.provider_reference: wanted.provider_reference,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.created_from is not None:
        conditions.append(columns.created_at >= wanted.created_from)
    if wanted.created_before is not None:
        conditions.append(columns.created_at < wanted.created_before)
    return conditions
