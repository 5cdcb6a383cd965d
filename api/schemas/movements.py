"""Refunds and disputes as they are asked for and shown."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas.base import OptionalAmountRequest, ResponseModel, decimal_of
from services.movement_queries import movement_id
from storage.movement_list import MovementRecord
from topics.message import Identifier
from topics.safe_text import SafeText

RefundStatus = Literal["pending", "succeeded", "failed"]
DisputeStatus = Literal["opened", "won", "lost"]


class CreateRefundRequest(OptionalAmountRequest):
    """A refund of a payment: of all that is left when no amount is given."""

    payment_id: Identifier = Field(examples=["pay_0b1d3c"])
    reason: SafeText | None = None


class MovementResponse(ResponseModel):
    """What refunds and disputes have in common."""

    id: str
    account: str
    payment_id: str
    gateway: str
    reference: str = Field(description="The gateway's own name for it.")
    amount_minor: int = Field(description="In minor units of `currency`.")
    amount: str = Field(description="The amount in major units.", examples=["4.00"])
    currency: str
    reason: str | None
    created_at: datetime = Field(description="When it began at the gateway.")
    updated_at: datetime


class RefundResponse(MovementResponse):
    """Money on its way back to the payer, or back already."""

    object: Literal["refund"] = "refund"
    status: RefundStatus


class RefundRequestResponse(ResponseModel):
    """A refund that was asked for and that the gateway has not told of yet.

    `unknown`: the gateway did not answer, and is asked until it is known what became of the refund. `pending`: it has
    accepted the refund. The refund is in the list of the payment's refunds as soon as the gateway has told of it.
    """

    object: Literal["refund_request"] = "refund_request"
    payment_id: str
    gateway: str
    status: Literal["pending", "unknown"]
    amount_minor: int | None = Field(description="In minor units of `currency`.")
    currency: str


class DisputeResponse(MovementResponse):
    """A payer's complaint to their bank; the money is held back until it is decided."""

    object: Literal["dispute"] = "dispute"
    status: DisputeStatus
    evidence_due_at: datetime | None = Field(description="Until when it may be answered at the gateway.")


def refund_response(refund: MovementRecord) -> RefundResponse:
    """Show a refund."""
    return RefundResponse.model_validate({"id": movement_id("refund", refund), **_shown(refund)})


def dispute_response(dispute: MovementRecord) -> DisputeResponse:
    """Show a dispute."""
    own = {"id": movement_id("dispute", dispute), "evidence_due_at": dispute.evidence_due_at}
    return DisputeResponse.model_validate({**own, **_shown(dispute)})


def _shown(movement: MovementRecord) -> dict[str, object]:
    return {
        "account": movement.account,
        "payment_id": movement.payment_id,
        "gateway": movement.gateway,
        "reference": movement.reference,
        "status": movement.status,
        "amount_minor": movement.amount_minor,
        "amount": decimal_of(movement.amount_minor, movement.currency),
        "currency": movement.currency,
        "reason": movement.reason,
        "created_at": movement.created_at,
        "updated_at": movement.updated_at,
    }
