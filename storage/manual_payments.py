"""Manual payments and the invoices they are for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound, Refused


@dataclass(frozen=True, slots=True)
class Invoice:
    """What is to be paid, in minor units."""

    account: str
    id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class ManualPayment:
    """How a person paid, who said so, and who decided."""

    payment_id: str
    method: str
    transaction_reference: str
    submitted_by: str
    decided_by: str | None


_ADD = text(
    "insert into manual_payments (payment_id, method, transaction_reference, notes, submitted_by, submitted_at)"
    " values (:payment_id, :method, :transaction_reference, :notes, :submitted_by, :now)"
)
_GET = text(
    "select payment_id, method, transaction_reference, submitted_by, decided_by from manual_payments"
    " where payment_id = :payment_id for update"
)
_DECIDE = text("update manual_payments set decided_by = :by, decided_at = :now where payment_id = :payment_id")
_ADD_INVOICE = text(
    "insert into invoices (account, id, amount_minor, currency, created_at)"
    " values (:account, :id, :amount_minor, :currency, :now) on conflict do nothing"
)
_GET_INVOICE = text(
    "select account, id, amount_minor, currency from invoices where account = :account and id = :id for update"
)


class ManualPayments:
    """Reads and writes manual payments."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(
        self,
        payment_id: str,
        *,
        method: str,
        transaction_reference: str,
        notes: str | None,
        submitted_by: str,
        now: datetime,
    ) -> None:
        """Record how a payment was made."""
        values = {"method": method, "transaction_reference": transaction_reference, "notes": notes}
        await self._connection.execute(
            _ADD, {**values, "payment_id": payment_id, "submitted_by": submitted_by, "now": now}
        )

    async def get(self, payment_id: str) -> ManualPayment | None:
        """Read and lock one."""
        row = (await self._connection.execute(_GET, {"payment_id": payment_id})).first()
        return None if row is None else ManualPayment(*row)

    async def decide(self, payment_id: str, *, by: str, now: datetime) -> None:
        """Record who decided. The database refuses the submitter."""
        await self._connection.execute(_DECIDE, {"payment_id": payment_id, "by": by, "now": now})

    async def add_invoice(self, account: str, invoice_id: str, amount_minor: int, currency: str, now: datetime) -> None:
        """Keep an invoice; raises Refused when it is known with another amount."""
        values = {"account": account, "id": invoice_id, "amount_minor": amount_minor, "currency": currency}
        await self._connection.execute(_ADD_INVOICE, {**values, "now": now})
        known = await self.get_invoice(account, invoice_id)
        if (known.amount_minor, known.currency) != (amount_minor, currency):
            raise Refused(
                f"invoice {invoice_id!r} is known with {known.amount_minor} {known.currency}",
                code="invoice_conflict",
                field="amount_minor",
            )

    async def get_invoice(self, account: str, invoice_id: str) -> Invoice:
        """Read and lock an invoice. Raises NotFound when the account has none of that id."""
        row = (await self._connection.execute(_GET_INVOICE, {"account": account, "id": invoice_id})).first()
        if row is None:
            raise NotFound(f"account {account!r} has no invoice {invoice_id!r}", field="resource_id")
        return Invoice(*row)
