"""Reading invoices, and what has been paid of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.errors import NotFound
from services.commands.manual_handlers import INVOICE
from storage.manual_payment_list import get_invoice
from storage.manual_payments import Invoice
from storage.unit_of_work import Database

InvoiceStatus = Literal["open", "partially_paid", "paid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice and what payments for it have brought and kept, in minor units."""

    invoice: Invoice
    paid_minor: int
    created_at: datetime

    @property
    def left_minor(self) -> int:
        """What is left to pay."""
        return max(0, self.invoice.amount_minor - self.paid_minor)

    @property
    def status(self) -> InvoiceStatus:
        """Whether it is paid: as a whole, in part, or not at all."""
        if not self.left_minor:
            return "paid"
        return "partially_paid" if self.paid_minor > 0 else "open"


async def read_invoice(database: Database, account: str, invoice_id: str) -> InvoiceView:
    """Return an invoice of an account, as it is known. Raises NotFound."""
    async with database.transaction() as transaction:
        known = await get_invoice(transaction.connection, account, invoice_id)
        if known is None:
            raise NotFound(f"there is no invoice {invoice_id!r}", field="invoice_id")
        paid_minor = await transaction.payments.paid_for(account, INVOICE, invoice_id)
    return InvoiceView(invoice=known.invoice, paid_minor=paid_minor, created_at=known.created_at)
