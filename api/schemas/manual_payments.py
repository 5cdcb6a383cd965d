"""Payments that people make by hand and other people confirm."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from api.schemas.base import ResponseModel
from api.schemas.payments import PaymentResponse, payment_response
from api.schemas.purchases import PurchaseRequest
from storage.manual_payment_list import ManualPaymentRecord
from topics.commands import CommandResult
from topics.safe_text import SafeReference, SafeText

ManualMethod = Literal["bank_transfer", "local_wallet", "check", "money_order"]


class SubmitManualPaymentRequest(PurchaseRequest):
    """A payment that was made outside of any gateway's API.

    With the resource type `invoice`, the resource id is that of an invoice that was registered, and amount and currency
    must be what is left to pay of it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "method": "bank_transfer",
                    "transaction_reference": "TRX-20260102-1",
                    "amount_minor": 12000,
                    "currency": "EUR",
                    "resource_type": "invoice",
                    "resource_id": "inv-2026-17",
                }
            ]
        }
    )

    method: ManualMethod
    transaction_reference: SafeReference = Field(description="The bank's or the payer's own name of the transfer.")
    notes: SafeText | None = None


class ManualPaymentResponse(ResponseModel):
    """A manual payment: how it was made, who says so and who decided, and the payment itself.

    It is decided with `POST /v1/payments/{payment_id}/approve` or `…/reject`, never by whoever submitted it.
    """

    payment_id: str
    object: Literal["manual_payment"] = "manual_payment"
    method: ManualMethod
    transaction_reference: str
    notes: str | None
    submitted_by: str
    submitted_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    payment: PaymentResponse


def manual_payment_response(manual: ManualPaymentRecord, result: CommandResult | None = None) -> ManualPaymentResponse:
    """Show a manual payment, with what the command that has just submitted it told for the payer."""
    return ManualPaymentResponse.model_validate(
        {
            "payment_id": manual.payment.id,
            "method": manual.method,
            "transaction_reference": manual.transaction_reference,
            "notes": manual.notes,
            "submitted_by": manual.submitted_by,
            "submitted_at": manual.submitted_at,
            "decided_by": manual.decided_by,
            "decided_at": manual.decided_at,
            "payment": payment_response(manual.payment, result),
        }
    )
