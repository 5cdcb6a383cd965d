"""Payment commands and their results. `command_id` is the idempotency key everywhere."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from domain.payment import Status
from topics.message import AmountMinor, Currency, Identifier, Message, Name, PositiveMinor, Text, Timestamp

_NO_NUL = r"^[^\x00]*$"
Metadata = Annotated[
    dict[
        Annotated[str, Field(max_length=40, pattern=_NO_NUL)],
        Annotated[str, Field(max_length=500, pattern=_NO_NUL)],
    ],
    Field(max_length=20),
]


_STRICT = ConfigDict(frozen=True, extra="forbid")
"""A command with a field that nobody knows is refused: it may be a misspelt amount."""


class SplitPart(Message):
    """A partner's part of the payment, in minor units; what is left over belongs to the tenant."""

    model_config = _STRICT

    recipient_type: Literal["tenant", "partner"]
    recipient_id: Name
    amount_minor: PositiveMinor


class CommandBase(Message):
    """What every command carries."""

    model_config = _STRICT

    command_id: Identifier
    payment_id: Identifier
    account: Name
    requested_at: Timestamp


class CreatePayment(CommandBase):
    """Record a payment and set it up at its gateway."""

    kind: Literal["create_payment"] = "create_payment"
    gateway: Name
    amount_minor: PositiveMinor
    currency: Currency
    resource_type: Name
    resource_id: Identifier
    user_id: Identifier | None = None
    user_name: Text | None = None
    description: Text | None = None
    manual_capture: bool = False
    splits: tuple[SplitPart, ...] = ()
    metadata: Metadata = Field(default_factory=dict)


class CapturePayment(CommandBase):
    """Capture an authorized payment; all of it when no amount is given."""

    kind: Literal["capture"] = "capture"
    amount_minor: PositiveMinor | None = None


class RefundPayment(CommandBase):
    """Refund a captured payment; all that is left when no amount is given."""

    kind: Literal["refund"] = "refund"
    amount_minor: PositiveMinor | None = None
    reason: Text | None = None


class SyncPayment(CommandBase):
    """Read the payment back from its gateway."""

    kind: Literal["sync"] = "sync"


Command = CreatePayment | CapturePayment | RefundPayment | SyncPayment


class PaymentCommand(Message):
    """A record of the commands topic: exactly one command, told apart by `kind`."""

    model_config = _STRICT

    command: Annotated[Command, Field(discriminator="kind")]


COMMAND_ADAPTER: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="kind")])


class CommandResult(Message):
    """The one final answer to a command.

    `outcome` is `succeeded`, `refused` (nothing was done; `code`, `message` and `field` say why), `failed` (the gateway
    said no), or `unknown` (the gateway did not answer; the payment is being reconciled).
    """

    command_id: Identifier
    payment_id: Identifier
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
