"""Manual payments of an account as pages, each with what the person said who made it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.payment import Status
from storage.listing import Position, read_page
from storage.manual_payments import Invoice
from storage.payments import PaymentRecord, record_of
from storage.tables import INVOICES, MANUAL_PAYMENTS, PAYMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualPaymentRecord:
    """A manual payment: the payment, how it was made, who says so, and who decided."""

    payment: PaymentRecord
    method: str
    transaction_reference: str
    notes: str | None
    submitted_by: str
    submitted_at: datetime
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRecord:
    """An invoice, and when it became known."""

    invoice: Invoice
    created_at: datetime


async def list_manual_payments(
    connection: AsyncConnection,
    account: str,
    status: Status | None,
    *,
    limit: int,
    after: Position | None = None,
    ascending: bool = False,
) -> tuple[list[ManualPaymentRecord], Position | None]:
    """Read a page of an account's manual payments, in the order of their submission; of one status if asked for."""
    statement = _manual_payments(account)
    if status is not None:
        statement = statement.where(PAYMENTS.c.status == status)
    page = await read_page(
        connection,
        statement,
        PAYMENTS.c.created_at,
        PAYMENTS.c.id,
        limit=limit,
        after=after,
        ascending=ascending,
    )
    return [_record(row) for row in page.rows], page.next


async def get_manual_payment(connection: AsyncConnection, account: str, payment_id: str) -> ManualPaymentRecord | None:
    """Read one manual payment of an account."""
    row = (await connection.execute(_manual_payments(account).where(PAYMENTS.c.id == payment_id))).first()
    return None if row is None else _record(row)


async def get_invoice(connection: AsyncConnection, account: str, invoice_id: str) -> InvoiceRecord | None:
    """Read an account's invoice without locking it."""
    columns = INVOICES.c
    statement = select(INVOICES).where(columns.account == account, columns.id == invoice_id)
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    invoice = Invoice(account=row.account, id=row.id, amount_minor=row.amount_minor, currency=row.currency)
    return InvoiceRecord(invoice=invoice, created_at=row.created_at)


def _manual_payments(account: str) -> Select[Any]:
    said = [column for column in MANUAL_PAYMENTS.c if column.name != "payment_id"]
    joined = PAYMENTS.join(MANUAL_PAYMENTS, MANUAL_PAYMENTS.c.payment_id == PAYMENTS.c.id)
    return select(PAYMENTS, *said).select_from(joined).where(PAYMENTS.c.account == account)


def _record(row: Row[Any]) -> ManualPaymentRecord:
    return ManualPaymentRecord(
        payment=record_of(row),
        method=row.method,
        transaction_reference=row.transaction_reference,
        notes=row.notes,
        submitted_by=row.submitted_by,
        submitted_at=row.submitted_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
