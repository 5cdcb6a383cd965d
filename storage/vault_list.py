"""Mandates, saved payment methods and payment links of an account as pages, and one by one without locks."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, TypeVar

from sqlalchemy import ColumnElement, Row, Select, Table, false, literal, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.api_tables import CHECKOUT_PAGES
from storage.listing import Position, read_page
from storage.payments import PaymentRecord, record_of
from storage.tables import MANDATES, PAYMENT_LINKS, PAYMENT_METHODS, PAYMENTS

MandateStatus = Literal["started", "pending", "active", "failed", "revoked"]
MethodStatus = Literal["started", "active"]
LinkHost = Literal["gateway", "paystream"]
StoredLinkStatus = Literal["started", "active", "cancelled"]

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateRecord:
    """A mandate as stored; the references are the gateway's tokens."""

    id: str
    account: str
    gateway: str
    customer_id: str
    currency: str
    max_amount_minor: int | None
    status: MandateStatus
    provider_reference: str | None
    customer_reference: str | None
    payment_method_reference: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedMethodRecord:
    """A saved payment method as stored: the gateway's tokens, and what a person may see of it."""

    id: str
    account: str
    gateway: str
    customer_id: str
    status: MethodStatus
    provider_reference: str | None
    customer_reference: str | None
    kind: str | None
    brand: str | None
    last_four: str | None
    expires: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRecord:
    """A payment link, whoever hosts its page. Its id is that of the payment it was made for.

    The address of a page of ours is not stored: it holds a secret.
    """

    id: str
    account: str
    gateway: str
    hosted_by: LinkHost
    status: StoredLinkStatus
    reusable: bool
    url: str | None
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateFilter:
    """What a mandate must be like; None asks for nothing."""

    account: str
    customer_id: str | None = None
    gateway: str | None = None
    status: MandateStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFilter:
    """What a payment link must be like; None asks for nothing."""

    account: str
    gateway: str | None = None
    hosted_by: LinkHost | None = None


_LINKS = union_all(
    select(
        PAYMENT_LINKS.c.payment_id.label("id"),
        PAYMENT_LINKS.c.account,
        PAYMENT_LINKS.c.gateway,
        literal("gateway").label("hosted_by"),
        PAYMENT_LINKS.c.status,
        PAYMENT_LINKS.c.reusable,
        PAYMENT_LINKS.c.url,
        PAYMENT_LINKS.c.expires_at,
        PAYMENT_LINKS.c.created_at,
    ),
    select(
        CHECKOUT_PAGES.c.payment_id,
        CHECKOUT_PAGES.c.account,
        PAYMENTS.c.gateway,
        literal("paystream"),
        literal("active"),
        false(),
        null(),
        CHECKOUT_PAGES.c.expires_at,
        CHECKOUT_PAGES.c.created_at,
    ).join_from(CHECKOUT_PAGES, PAYMENTS, PAYMENTS.c.id == CHECKOUT_PAGES.c.payment_id),
).subquery("links")


class VaultList:
    """Reads what is kept for later payments."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def mandates(
        self, wanted: MandateFilter, *, limit: int, after: Position | None, ascending: bool
    ) -> tuple[list[MandateRecord], Position | None]:
        """A page of mandates, in the order of their creation."""
        columns = MANDATES.c
        page = await read_page(
            self._connection,
            select(MANDATES).where(*_equal(columns, wanted)),
            columns.created_at,
            columns.id,
            limit=limit,
            after=after,
            ascending=ascending,
        )
        return [_read(MandateRecord, row) for row in page.rows], page.next

    async def mandate(self, account: str, mandate_id: str) -> MandateRecord | None:
        """One mandate of an account."""
        row = await self._first(_own(MANDATES, account, mandate_id))
        return None if row is None else _read(MandateRecord, row)

    async def methods(
        self, account: str, customer_id: str, *, limit: int, after: Position | None, ascending: bool
    ) -> tuple[list[SavedMethodRecord], Position | None]:
        """A page of a customer's saved payment methods, in the order of their creation."""
        columns = PAYMENT_METHODS.c
        statement = select(PAYMENT_METHODS).where(
            columns.account == account, columns.customer_id == customer_id, columns.status == "active"
        )
        page = await read_page(
            self._connection,
            statement,
            columns.created_at,
            columns.id,
            limit=limit,
            after=after,
            ascending=ascending,
        )
        return [_read(SavedMethodRecord, row) for row in page.rows], page.next

    async def method(self, account: str, customer_id: str, method_id: str) -> SavedMethodRecord | None:
        """One payment method of a customer, saved or about to be."""
        statement = _own(PAYMENT_METHODS, account, method_id).where(PAYMENT_METHODS.c.customer_id == customer_id)
        row = await self._first(statement)
        return None if row is None else _read(SavedMethodRecord, row)

    async def links(
        self, wanted: LinkFilter, *, limit: int, after: Position | None, ascending: bool
    ) -> tuple[list[LinkRecord], Position | None]:
        """A page of payment links, in the order of their creation."""
        columns = _LINKS.c
        page = await read_page(
            self._connection,
            select(_LINKS).where(*_equal(columns, wanted)),
            columns.created_at,
            columns.id,
            limit=limit,
            after=after,
            ascending=ascending,
        )
        return [_read(LinkRecord, row) for row in page.rows], page.next

    async def link(self, account: str, link_id: str) -> LinkRecord | None:
        """One payment link of an account."""
        row = await self._first(select(_LINKS).where(_LINKS.c.id == link_id, _LINKS.c.account == account))
        return None if row is None else _read(LinkRecord, row)

    async def payments(self, account: str, payment_ids: Collection[str]) -> dict[str, PaymentRecord]:
        """Those of the payments that the account has, by id."""
        statement = select(PAYMENTS).where(PAYMENTS.c.id.in_(payment_ids), PAYMENTS.c.account == account)
        rows = await self._connection.execute(statement)
        return {row.id: record_of(row) for row in rows}

    async def _first(self, statement: Select[Any]) -> Row[Any] | None:
        found: Row[Any] | None = (await self._connection.execute(statement)).first()
        return found


def _own(table: Table, account: str, identifier: str) -> Select[Any]:
    return select(table).where(table.c.id == identifier, table.c.account == account)


def _equal(columns: Any, wanted: MandateFilter | LinkFilter) -> list[ColumnElement[bool]]:  # noqa: ANN401 - a table's or a subquery's
    """The filter's fields are named after the columns."""
    said = {one.name: getattr(wanted, one.name) for one in fields(wanted)}
    return [columns[name] == value for name, value in said.items() if value is not None]


def _read(kind: type[Record], row: Row[Any]) -> Record:
    """Read a row as a record, whose fields are named after the columns."""
    return kind(**{name: getattr(row, name) for name in kind.__dataclass_fields__})  # type: ignore[attr-defined]  # every record here is a dataclass
