"""Invoices that manual payments are checked against."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from api.schemas.base import AmountRequest, ResponseModel, decimal_of
from services.invoice_queries import InvoiceStatus, InvoiceView
from topics.safe_text import SafeIdentifier


class RegisterInvoiceRequest(AmountRequest):
    """An invoice of yours, by your own id."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"invoice_id": "inv-2026-17", "amount_minor": 12000, "currency": "EUR"}]}
    )

    invoice_id: SafeIdentifier


class InvoiceResponse(ResponseModel):
    """An invoice, and what payments for it have brought and kept. All `*_minor` are minor units of `currency`."""

    id: str
    object: Literal["invoice"] = "invoice"
    account: str
    status: InvoiceStatus
    amount_minor: int
    amount: str = Field(description="The amount in major units.", examples=["120.00"])
    currency: str
    paid_minor: int
    left_minor: int
    created_at: datetime


def invoice_response(view: InvoiceView) -> InvoiceResponse:
    """Show an invoice."""
    invoice = view.invoice
    return InvoiceResponse(
        id=invoice.id,
        account=invoice.account,
        status=view.status,
        amount_minor=invoice.amount_minor,
        amount=decimal_of(invoice.amount_minor, invoice.currency),
        currency=invoice.currency,
        paid_minor=view.paid_minor,
        left_minor=view.left_minor,
        created_at=view.created_at,
    )
