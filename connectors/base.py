"""The contract of a connector: one small Protocol per capability and one `Registration` value per gateway.

A connector turns a gateway's callbacks and API answers into `domain.facts.Fact`s. It does not read the database, know
the broker, or decide what a fact means for money. All its errors come from `domain.errors`: a callback that is not
proven raises VerificationFailed, a call that times out raises OutcomeUnknown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from domain.facts import Fact

Headers = Sequence[tuple[str, str]]
"""HTTP headers as they came: lower-cased names, in order, repeated names kept."""


class Capability(StrEnum):
    """What a gateway's API can do; each has a Protocol of the same meaning below."""

    VERIFIES_WEBHOOKS = "verifies_webhooks"
    CREATES_ORDERS = "creates_orders"
    CAPTURES = "captures"
    PARTIAL_CAPTURES = "partial_captures"
    REFUNDS = "refunds"
    PARTIAL_REFUNDS = "partial_refunds"
    FETCHES_STATUS = "fetches_status"


class CredentialsModel(BaseModel):
    """Base of every gateway's credentials. Secrets are `SecretStr`; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A callback exactly as the ingress received it. `url` is the public URL it was posted to, where known."""

    account: str
    body: bytes
    headers: Headers
    received_at: datetime
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A payment to set up at the gateway. `idempotency_key` is the command id."""

    payment_id: str
    account: str
    idempotency_key: str
    amount_minor: int
    currency: str
    manual_capture: bool = False
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementRequest:
    """A capture or refund of an existing payment.

    `provider_reference` is the gateway's name of the payment; `capture_reference` its name of the capture to refund,
    for gateways that refund captures rather than payments.
    """

    payment_id: str
    account: str
    idempotency_key: str
    provider_reference: str
    amount_minor: int
    currency: str
    capture_reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """A payment to read back from the gateway."""

    payment_id: str | None
    account: str
    provider_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAnswer:
    """What an API call brought: facts, the payment's name at the gateway, and what the customer's client needs.

    `client_parameters` are safe to hand to the payer's browser (client_secret, publishable key, redirect_url).
    """

    provider_reference: str
    facts: tuple[Fact, ...] = ()
    client_parameters: Mapping[str, str] = field(default_factory=dict)
    amount_minor: int | None = None
    currency: str | None = None


@runtime_checkable
class VerifiesWebhooks(Protocol):
    """Proves that a callback comes from the gateway and normalizes it."""

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Return the callback's facts, at least one: a genuine callback that maps to nothing is one IGNORED fact.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        ...


@runtime_checkable
class CreatesOrders(Protocol):
    """Sets a payment up at the gateway."""

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create the order or intent. The same idempotency key again returns the same one."""
        ...


@runtime_checkable
class Captures(Protocol):
    """Captures an authorized payment."""

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture the amount, which may be partial where the registration says so."""
        ...


@runtime_checkable
class Refunds(Protocol):
    """Gives captured money back."""

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount; the answer may still be pending."""
        ...


@runtime_checkable
class FetchesStatus(Protocol):
    """Reads a payment back from the gateway."""

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return everything the gateway knows of the payment as facts."""
        ...


PROTOCOLS: Mapping[Capability, type] = {
    Capability.VERIFIES_WEBHOOKS: VerifiesWebhooks,
    Capability.CREATES_ORDERS: CreatesOrders,
    Capability.CAPTURES: Captures,
    Capability.REFUNDS: Refunds,
    Capability.FETCHES_STATUS: FetchesStatus,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What a gateway expects to read when its callback has been taken."""

    status_code: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Everything the house knows about a gateway without calling it.

    - `required_headers`: lower-cased names without which a callback is refused at the door (401).
    - `credentials`: the pydantic model of its credentials; its SecretStr fields are the secrets.
    - `factory`: builds the connector from an instance of that model.
    """

    key: str
    display_name: str
    description: str
    capabilities: frozenset[Capability]
    currencies: frozenset[str]
    countries: frozenset[str]
    payment_methods: tuple[str, ...]
    credentials: type[CredentialsModel]
    factory: Callable[[CredentialsModel], object]
    required_headers: tuple[str, ...] = ()
    acknowledgement: Acknowledgement = field(default_factory=Acknowledgement)

    def has(self, capability: Capability) -> bool:
        """Say whether the gateway's API has the capability."""
        return capability in self.capabilities


def only_header(headers: Headers, name: str) -> str | None:
    """Return the value of a header that must come exactly once and not empty; None when it does not."""
    values = [value for key, value in headers if key == name]
    if len(values) != 1 or not values[0]:
        return None
    return values[0]
