"""Payments as they are asked for and shown."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from api.pagination import Page
from api.schemas.base import AmountRequest, OptionalAmountRequest, RequestModel, ResponseModel, decimal_of
from api.schemas.movements import DisputeResponse, RefundResponse
from api.schemas.payment_history import EventResponse, TimelineResponse
from domain.fees import BASIS
from domain.payment import Status
from storage.payments import PaymentRecord
from topics.commands import CommandResult
from topics.message import Name, PositiveMinor
from topics.safe_text import Metadata, RedirectParameters, ReturnUrl, SafeName, SafeReference, SafeText, Token

EXAMPLE: dict[str, JsonValue] = {
    "amount_minor": 1099,
    "currency": "USD",
    "gateway": "stripe",
    "resource_type": "order",
    "resource_id": "order-1001",
    "description": "Two coffees",
    "return_url": "https://shop.example/orders/1001",
}

PaymentId = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,255}$", examples=["pay_0b1d3c"])]


class SplitRequest(RequestModel):
    """A partner's part of a payment: an amount, or a share of the whole. What is left over is the account's own."""

    recipient_id: SafeName
    amount_minor: PositiveMinor | None = Field(default=None, description="In minor units.", examples=[300])
    share_basis_points: Annotated[int, Field(strict=True, gt=0, le=BASIS)] | None = Field(
        default=None, description="Of the payment's amount, instead of `amount_minor`; 10000 is all of it."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.amount_minor is None) == (self.share_basis_points is None):
            raise ValueError("give `amount_minor` or `share_basis_points`, and not both")
        return self


class NewPaymentRequest(AmountRequest):
    """What every new payment says about itself."""

    resource_type: SafeName = Field(description="What is paid for, such as `order` or `invoice`.")
    resource_id: SafeReference
    user_id: SafeReference | None = None
    user_name: SafeText | None = None
    description: SafeText | None = None
    manual_capture: bool = Field(default=False, description="Authorize only; capture by a call of its own.")
    return_url: ReturnUrl | None = Field(default=None, description="Where the payer's browser goes after paying.")
    payment_method: SafeName | None = Field(default=None, description="One of the gateway's payment methods.")
    splits: Annotated[tuple[SplitRequest, ...], Field(max_length=50)] = ()
    metadata: Metadata = Field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """What goes into the command that makes the payment; where it is made is added by the caller."""
        return {
            **self.model_dump(exclude={"amount", "amount_minor", "splits", "gateway", "country"}),
            "amount_minor": self.minor(),
            "splits": [{"recipient_type": "partner", **part.model_dump()} for part in self.splits],
        }


class CreatePaymentRequest(NewPaymentRequest):
    """A new payment, which is set up at its gateway at once unless `set_up_at_gateway` is false."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    gateway: Name
    set_up_at_gateway: bool = True


class UpdatePaymentRequest(RequestModel):
    """What may change about a payment; what is left out stays as it is."""

    description: SafeText | None = None
    user_name: SafeText | None = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("say what is to change")
        return self


class SetUpRequest(RequestModel):
    """A payment to set up at its gateway."""

    return_url: ReturnUrl | None = None
    payment_method: SafeName | None = None


class AuthorizeRequest(RequestModel):
    """The payer's payment method, as the gateway's token. Card numbers are refused."""

    payment_method_token: Token
    return_url: ReturnUrl | None = None


class MovementRequest(OptionalAmountRequest):
    """How much to capture or refund; all that is left when no amount is given."""


class RefundRequest(OptionalAmountRequest):
    """How much to refund, and why."""

    reason: SafeText | None = None


class IncrementRequest(OptionalAmountRequest):
    """The new total of an authorization, in the payment's currency; exactly one of the two ways to say it."""

    @model_validator(mode="after")
    def _names_a_total(self) -> Self:
        if self.amount_minor is None and self.amount is None:
            raise ValueError("give `amount_minor` or `amount`")
        return self


class ReasonRequest(RequestModel):
    """Why."""

    reason: SafeText | None = None


class RejectRequest(RequestModel):
    """Why a manual payment is refused."""

    reason: SafeText


class CompleteRequest(RequestModel):
    """The payment's name at its gateway, which is asked whether the payment is complete."""

    provider_reference: SafeReference


class VerifyRedirectRequest(RequestModel):
    """The parameters that the payer's browser brought back."""

    parameters: RedirectParameters = Field(default_factory=dict)


class EmptyRequest(RequestModel):
    """Nothing needs to be said, and nothing else may be."""


class SplitResponse(ResponseModel):
    """A recipient's part of a payment, in minor units."""

    recipient_type: Literal["tenant", "partner"]
    recipient_id: str
    amount_minor: int


class ExpandedResponse(ResponseModel):
    """What belongs to a payment, as far as `expand` asked for it: first pages, newest first, and the timeline."""

    refunds: Page[RefundResponse] | None = None
    disputes: Page[DisputeResponse] | None = None
    events: Page[EventResponse] | None = None
    timeline: TimelineResponse | None = None


class PaymentResponse(ResponseModel):
    """A payment. All `*_minor` are minor units of `currency`."""

    id: str
    object: Literal["payment"] = "payment"
    account: str
    gateway: str
    provider_reference: str | None
    status: Status
    amount_minor: int
    amount: str = Field(description="The amount in major units.", examples=["10.99"])
    currency: str
    authorized_minor: int
    captured_minor: int
    refunded_minor: int
    refund_pending_minor: int
    refundable_minor: int
    disputed_minor: int
    resource_type: str
    resource_id: str
    user_id: str | None
    user_name: str | None
    description: str | None
    manual_capture: bool
    splits: list[SplitResponse]
    metadata: dict[str, str]
    receipt_url: str | None
    failure_reason: str | None
    paid_at: datetime | None
    refunded_at: datetime | None
    created_at: datetime
    updated_at: datetime | None
    client_parameters: dict[str, str] | None = Field(
        default=None,
        description="What the payer's client needs now: a client secret, a page to go to, instructions. Told once.",
    )
    expanded: ExpandedResponse | None = Field(default=None, description="What `expand` asked for, by its name.")


def payment_response(
    payment: PaymentRecord, result: CommandResult | None = None, expanded: ExpandedResponse | None = None
) -> PaymentResponse:
    """Show a payment, with what the command that was just run told for the payer's client."""
    sums, terms, state = payment.state.totals, payment.terms, payment.state
    return PaymentResponse(
        id=payment.id,
        account=terms.account,
        gateway=terms.gateway,
        provider_reference=payment.provider_reference,
        status=payment.status,
        amount_minor=terms.amount_minor,
        amount=decimal_of(terms.amount_minor, terms.currency),
        currency=terms.currency,
        authorized_minor=sums.authorized,
        captured_minor=sums.captured,
        refunded_minor=sums.refunded,
        refund_pending_minor=sums.refund_pending,
        refundable_minor=sums.refundable,
        disputed_minor=sums.dispute_open + sums.dispute_lost,
        resource_type=payment.resource_type,
        resource_id=payment.resource_id,
        user_id=payment.user_id,
        user_name=payment.user_name,
        description=payment.description,
        manual_capture=payment.manual_capture,
        splits=[
            SplitResponse.model_validate(
                {"recipient_type": part.recipient_type, "recipient_id": part.recipient_id, "amount_minor": part.weight}
            )
            for part in terms.splits
        ],
        metadata=payment.metadata,
        receipt_url=state.receipt_url,
        failure_reason=None if state.failure is None else state.failure[1],
        paid_at=state.paid_at,
        refunded_at=state.refunded_at,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
        client_parameters=None if result is None or not result.client_parameters else dict(result.client_parameters),
        expanded=expanded,
    )
