"""Payment commands and their results. `command_id` is the idempotency key everywhere."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from domain.fees import BASIS
from domain.payment import Status
from topics.message import AmountMinor, Currency, Identifier, Message, Name, PositiveMinor, Text, Timestamp
from topics.safe_text import (
    Metadata,
    RedirectParameters,
    ReturnUrl,
    SafeIdentifier,
    SafeName,
    SafeReference,
    SafeText,
    Token,
)

_STRICT = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
"""A command with a field that nobody knows is refused: it may be a misspelt amount."""


class SplitPart(Message):
    """A partner's part of the payment: an amount in minor units or basis points of the whole; exactly one of the two.

    What is left over belongs to the tenant. Shares are split to the last minor unit, by the largest remainder.
    """

    model_config = _STRICT

    recipient_type: Literal["tenant", "partner"]
    recipient_id: SafeName
    amount_minor: PositiveMinor | None = None
    share_basis_points: Annotated[int, Field(strict=True, gt=0, le=BASIS)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.amount_minor is None) == (self.share_basis_points is None):
            raise ValueError("give `amount_minor` or `share_basis_points`, and not both")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A command is known again by the digest of its JSON: parts that older versions wrote have to read the same.
        return {name: value for name, value in write(self).items() if value is not None}


class CommandBase(Message):
    """What every command carries. `actor` is who asks, for the audit log and for the four-eyes rule."""

    model_config = _STRICT

    command_id: SafeIdentifier
    account: Name
    requested_at: Timestamp
    actor: SafeReference = "upstream"


class PaymentCommandBase(CommandBase):
    """A command about one payment."""

    payment_id: SafeIdentifier

    @property
    def subject_id(self) -> str:
        """What the command is about; the key of its record."""
        return self.payment_id


class NewPayment(PaymentCommandBase):
    """What every way of making a payment says about it. Splits leave the rest to the tenant."""

    amount_minor: PositiveMinor
    currency: Currency
    resource_type: SafeName
    resource_id: SafeReference
    user_id: SafeReference | None = None
    user_name: SafeText | None = None
    description: SafeText | None = None
    splits: tuple[SplitPart, ...] = ()
    metadata: Metadata = Field(default_factory=dict)


class CreatePayment(NewPayment):
    """Record a payment and, unless told not to, set it up at its gateway.

    `return_url` and `payment_method` are for gateways with a page of their own.
    """

    kind: Literal["create_payment"] = "create_payment"
    gateway: Name
    manual_capture: bool = False
    set_up_at_gateway: bool = True
    return_url: ReturnUrl | None = None
    payment_method: SafeName | None = None


class CreateOrder(PaymentCommandBase):
    """Set a recorded payment up at its gateway."""

    kind: Literal["create_order"] = "create_order"
    return_url: ReturnUrl | None = None
    payment_method: SafeName | None = None


class AuthorizePayment(PaymentCommandBase):
    """Put a payment method to a payment that is set up. The token is the gateway's; card numbers are refused."""

    kind: Literal["authorize"] = "authorize"
    payment_method_token: Token
    return_url: ReturnUrl | None = None


class CapturePayment(PaymentCommandBase):
    """Capture an authorized payment; all of it when no amount is given."""

    kind: Literal["capture"] = "capture"
    amount_minor: PositiveMinor | None = None


class VoidPayment(PaymentCommandBase):
    """Let an authorization go."""

    kind: Literal["void"] = "void"
    reason: SafeText | None = None


class ReversePayment(PaymentCommandBase):
    """Take a captured payment back before it settles."""

    kind: Literal["reverse"] = "reverse"
    reason: SafeText | None = None


class RefundPayment(PaymentCommandBase):
    """Refund a captured payment; all that is left when no amount is given."""

    kind: Literal["refund"] = "refund"
    amount_minor: PositiveMinor | None = None
    reason: SafeText | None = None


class IncrementAuthorization(PaymentCommandBase):
    """Raise an authorization to a new total."""

    kind: Literal["increment_authorization"] = "increment_authorization"
    amount_minor: PositiveMinor


class SyncPayment(PaymentCommandBase):
    """Read the payment back from its gateway."""

    kind: Literal["sync"] = "sync"


class VerifyRedirect(PaymentCommandBase):
    """Check what the customer's browser brought back from the gateway."""

    kind: Literal["verify_redirect"] = "verify_redirect"
    parameters: RedirectParameters = Field(default_factory=dict)


class CompletePayment(PaymentCommandBase):
    """Say that a payment is complete under this name at its gateway; the gateway is asked whether that is so."""

    kind: Literal["complete"] = "complete"
    provider_reference: SafeReference


class CancelPayment(PaymentCommandBase):
    """Cancel a payment before any money moved."""

    kind: Literal["cancel"] = "cancel"
    reason: SafeText | None = None


class SubmitManualPayment(NewPayment):
    """Record a payment that a person made outside of any gateway's API; somebody else approves it."""

    kind: Literal["submit_manual_payment"] = "submit_manual_payment"
    method: Literal["bank_transfer", "local_wallet", "check", "money_order"]
    transaction_reference: SafeReference
    notes: SafeText | None = None


class ApprovePayment(PaymentCommandBase):
    """Confirm that a manual payment's money came; never by whoever submitted it."""

    kind: Literal["approve"] = "approve"


class RejectPayment(PaymentCommandBase):
    """Refuse a manual payment."""

    kind: Literal["reject"] = "reject"
    reason: SafeText


class ChargeMandate(NewPayment):
    """Charge a customer's mandate; makes a payment."""

    kind: Literal["charge_mandate"] = "charge_mandate"
    mandate_id: SafeIdentifier


class CreatePaymentLink(NewPayment):
    """Make a link to pay by; makes the payment that a one-time link is for."""

    kind: Literal["create_payment_link"] = "create_payment_link"
    gateway: Name
    expires_at: Timestamp | None = None
    reusable: bool = False


class CancelPaymentLink(PaymentCommandBase):
    """Make a payment's link unusable."""

    kind: Literal["cancel_payment_link"] = "cancel_payment_link"


class SetupMandate(CommandBase):
    """Begin a customer's agreement to later charges."""

    kind: Literal["setup_mandate"] = "setup_mandate"
    mandate_id: SafeIdentifier
    gateway: Name
    customer_id: SafeReference
    currency: Currency
    payment_method_token: Token | None = None
    max_amount_minor: PositiveMinor | None = None
    return_url: ReturnUrl | None = None

    @property
    def subject_id(self) -> str:
        """What the command is about; the key of its record."""
        return self.mandate_id


class SavePaymentMethod(CommandBase):
    """Keep a customer's payment method at its gateway."""

    kind: Literal["save_payment_method"] = "save_payment_method"
    payment_method_id: SafeIdentifier
    gateway: Name
    customer_id: SafeReference
    token: Token

    @property
    def subject_id(self) -> str:
        """What the command is about; the key of its record."""
        return self.payment_method_id


class RegisterInvoice(CommandBase):
    """Tell Paystream of an invoice that manual payments may be made for."""

    kind: Literal["register_invoice"] = "register_invoice"
    invoice_id: SafeIdentifier
    amount_minor: PositiveMinor
    currency: Currency

    @property
    def subject_id(self) -> str:
        """What the command is about; the key of its record."""
        return self.invoice_id


Command = (
    CreatePayment
    | CreateOrder
    | AuthorizePayment
    | CapturePayment
    | VoidPayment
    | ReversePayment
    | RefundPayment
    | IncrementAuthorization
    | SyncPayment
    | VerifyRedirect
    | CompletePayment
    | CancelPayment
    | SubmitManualPayment
    | ApprovePayment
    | RejectPayment
    | ChargeMandate
    | CreatePaymentLink
    | CancelPaymentLink
    | SetupMandate
    | SavePaymentMethod
    | RegisterInvoice
)


class PaymentCommand(Message):
    """A record of the commands topic: exactly one command, told apart by `kind`."""

    model_config = _STRICT

    command: Annotated[Command, Field(discriminator="kind")]


class CommandResult(Message):
    """The one final answer to a command.

    `outcome` is `succeeded`, `refused` (nothing was done; `code`, `message` and `field` say why), `failed` (the gateway
    said no), or `unknown` (the gateway did not answer; the payment is being reconciled).
    """

    command_id: Identifier
    subject_id: Identifier
    payment_id: Identifier | None = None
    account: Name
    kind: str
    outcome: Literal["succeeded", "refused", "failed", "unknown"]
    status: Status | None = None
    provider_reference: Identifier | None = None
    amount_minor: AmountMinor | None = None
    currency: Currency | None = None
    client_parameters: dict[str, str] = Field(default_factory=dict)
    code: str | None = None
    message: Text | None = None
    field: str | None = None
    completed_at: Timestamp
