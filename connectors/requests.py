"""What is asked of connectors and what they answer. Amounts are ISO 4217 minor units; tokens stand for cards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.facts import Fact

Headers = Sequence[tuple[str, str]]
"""HTTP headers as they came: lower-cased names, in order, repeated names kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A callback exactly as the ingress received it. `target` is the path and query that it was posted to."""

    account: str
    body: bytes
    headers: Headers
    received_at: datetime
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A payment to set up at the gateway. `idempotency_key` is the command id.

    `return_url` is where the payer's browser goes afterwards; `payment_method` is one of the registration's, for
    gateways that want to know it beforehand.
    """

    payment_id: str
    account: str
    idempotency_key: str
    amount_minor: int
    currency: str
    manual_capture: bool = False
    description: str | None = None
    return_url: str | None = None
    payment_method: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementRequest:
    """A capture or refund of an existing payment.

    `provider_reference` is the gateway's name of the payment; `authorization_reference` its name of the authorization
    to capture or to let go, as its AUTHORIZED fact had it (`movement_reference`); `capture_reference` its name of the
    capture to refund, for gateways that refund captures rather than payments, where there is exactly one.
    """

    payment_id: str
    account: str
    idempotency_key: str
    provider_reference: str
    amount_minor: int
    currency: str
    authorization_reference: str | None = None
    capture_reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """A payment to read back from the gateway.

    Some gateways cannot list a payment's refunds. For them, `refund_references` names the refunds that are known here
    and not at their end (the `movement_reference` of pending refunds and of hints about refunds), and `open_keys` the
    idempotency keys of commands whose outcome is unknown, for gateways where a refund is named after its key.
    `authorization_reference` is the gateway's name of the payment's latest authorization where that is known, for
    gateways that forget what the payment was first named after.
    """

    payment_id: str | None
    account: str
    provider_reference: str
    authorization_reference: str | None = None
    refund_references: tuple[str, ...] = ()
    open_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """The customer's payment method put to a payment that was set up before. Tokens only, never a card number.

    `amount_minor`, `currency` and `manual_capture` are the payment's, for gateways that want them again.
    """

    payment_id: str
    account: str
    idempotency_key: str
    provider_reference: str
    payment_method_token: str
    amount_minor: int | None = None
    currency: str | None = None
    manual_capture: bool = False
    return_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectRequest:
    """What the customer's browser brought back: `parameters` of the return URL, not trusted until verified.

    `authorization_reference` is as in StatusRequest.
    """

    payment_id: str
    account: str
    provider_reference: str
    parameters: Mapping[str, str]
    authorization_reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateRequest:
    """A customer's agreement to be charged later. `idempotency_key` is the command id."""

    mandate_id: str
    account: str
    idempotency_key: str
    customer_id: str
    currency: str
    payment_method_token: str | None = None
    max_amount_minor: int | None = None
    return_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateAnswer:
    """A mandate at the gateway: its name there, whether it is `pending`, `active`, `failed` or `revoked`.

    `customer_reference` and `payment_method_reference` are the gateway's tokens to charge it with.
    """

    provider_reference: str
    status: str
    customer_reference: str | None = None
    payment_method_reference: str | None = None
    client_parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateChargeRequest:
    """A payment charged to a mandate, without the customer present."""

    payment_id: str
    account: str
    idempotency_key: str
    amount_minor: int
    currency: str
    mandate_reference: str
    customer_reference: str | None = None
    payment_method_reference: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodRequest:
    """A payment method of a customer to keep at the gateway, named by a token of the gateway's own client."""

    account: str
    idempotency_key: str
    customer_id: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPaymentMethod:
    """A kept payment method: tokens and what a person may see of it (`visa`, `4242`, `12/2030`)."""

    provider_reference: str
    customer_reference: str
    kind: str
    brand: str | None = None
    last_four: str | None = None
    expires: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentLinkRequest:
    """A page at the gateway where anybody with the link can pay. Amounts in minor units."""

    payment_link_id: str
    payment_id: str
    account: str
    idempotency_key: str
    amount_minor: int
    currency: str
    description: str
    expires_at: datetime | None = None
    reusable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentLinkAnswer:
    """A link at the gateway."""

    provider_reference: str
    url: str


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
