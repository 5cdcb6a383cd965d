"""The contract of a connector: one small Protocol per capability and one `Registration` value per gateway.

A connector turns a gateway's callbacks and API answers into `domain.facts.Fact`s. It does not read the database, know
the broker, or decide what a fact means for money. All its errors come from `domain.errors`: a callback that is not
proven raises VerificationFailed, a call that times out raises OutcomeUnknown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from connectors.requests import (
    AuthorizationRequest,
    Callback,
    GatewayAnswer,
    Headers,
    MandateAnswer,
    MandateChargeRequest,
    MandateRequest,
    MovementRequest,
    OrderRequest,
    PaymentLinkAnswer,
    PaymentLinkRequest,
    PaymentMethodRequest,
    RedirectRequest,
    StatusRequest,
    StoredPaymentMethod,
)
from domain.facts import Fact, Trust

__all__ = [
    "Acknowledgement",
    "AuthorizationRequest",
    "Authorizes",
    "Callback",
    "Capability",
    "Captures",
    "ChargesMandates",
    "CreatesOrders",
    "CreatesPaymentLinks",
    "CredentialsModel",
    "FetchesProofs",
    "FetchesStatus",
    "GatewayAnswer",
    "GivesInstructions",
    "Headers",
    "IncrementsAuthorization",
    "MandateAnswer",
    "MandateChargeRequest",
    "MandateRequest",
    "MovementRequest",
    "NamesPayments",
    "OrderRequest",
    "PROTOCOLS",
    "PaymentLinkAnswer",
    "PaymentLinkRequest",
    "PaymentMethodRequest",
    "RedirectRequest",
    "Refunds",
    "Registration",
    "Reverses",
    "SetsUpMandates",
    "StatusRequest",
    "StoredPaymentMethod",
    "StoresPaymentMethods",
    "VerifiesRedirects",
    "VerifiesWebhooks",
    "Voids",
    "only_header",
]


class Capability(StrEnum):
    """What a gateway's API can do; each has a Protocol of the same meaning below."""

    VERIFIES_WEBHOOKS = "verifies_webhooks"
    CREATES_ORDERS = "creates_orders"
    AUTHORIZES = "authorizes"
    CAPTURES = "captures"
    PARTIAL_CAPTURES = "partial_captures"
    MULTIPLE_CAPTURES = "multiple_captures"
    VOIDS = "voids"
    REVERSES = "reverses"
    REFUNDS = "refunds"
    PARTIAL_REFUNDS = "partial_refunds"
    FETCHES_STATUS = "fetches_status"
    INCREMENTS_AUTHORIZATION = "increments_authorization"
    VERIFIES_REDIRECTS = "verifies_redirects"
    SETS_UP_MANDATES = "sets_up_mandates"
    CHARGES_MANDATES = "charges_mandates"
    STORES_PAYMENT_METHODS = "stores_payment_methods"
    CREATES_PAYMENT_LINKS = "creates_payment_links"
    APPROVED_BY_PEOPLE = "approved_by_people"
    """Nobody's API: a person confirms that the money came (bank transfer, check)."""
    GIVES_INSTRUCTIONS = "gives_instructions"
    REPEATS_SAFELY = "repeats_safely"
    """The same idempotency key again has no second effect, so that a call of unknown outcome may be repeated."""


class CredentialsModel(BaseModel):
    """Base of every gateway's credentials. Secrets are `SecretStr`; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True)


@runtime_checkable
class VerifiesWebhooks(Protocol):
    """Proves that a callback comes from the gateway and normalizes it."""

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Return the callback's facts, at least one: a genuine callback that maps to nothing is one IGNORED fact.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        ...


@runtime_checkable
class FetchesProofs(Protocol):
    """Needs something of the gateway's before it can prove a callback, such as a certificate.

    This is no capability of the gateway's API but a way of verifying; it belongs to a connector that verifies webhooks.
    """

    async def fetch_proof(self, callback: Callback) -> None:
        """Fetch and keep what `parse_callback` will need for this callback.

        Raises VerificationFailed when the callback asks for something that is never fetched, GatewayUnavailable when
        the gateway cannot be asked now.
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
class Authorizes(Protocol):
    """Puts a payment method to a payment that was set up before."""

    async def authorize(self, request: AuthorizationRequest) -> GatewayAnswer:
        """Confirm the payment; the answer may ask for the customer (`redirect_url`, `client_secret`)."""
        ...


@runtime_checkable
class Voids(Protocol):
    """Lets an authorization go before capture."""

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Cancel the payment at the gateway; nothing was captured."""
        ...


@runtime_checkable
class Reverses(Protocol):
    """Takes a capture back before it settles."""

    async def reverse(self, request: MovementRequest) -> GatewayAnswer:
        """Reverse the whole capture."""
        ...


@runtime_checkable
class IncrementsAuthorization(Protocol):
    """Raises an authorization."""

    async def increment_authorization(self, request: MovementRequest) -> GatewayAnswer:
        """Raise the authorization to `amount_minor`, the new total."""
        ...


@runtime_checkable
class VerifiesRedirects(Protocol):
    """Proves what a customer's browser brought back."""

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Return what is proven, fetched where nothing is signed. Raises VerificationFailed when a proof is false."""
        ...


@runtime_checkable
class SetsUpMandates(Protocol):
    """Keeps a customer's agreement to later charges."""

    async def setup_mandate(self, request: MandateRequest) -> MandateAnswer:
        """Begin a mandate; the customer may still have to confirm it."""
        ...


@runtime_checkable
class ChargesMandates(Protocol):
    """Charges a mandate."""

    async def charge_mandate(self, request: MandateChargeRequest) -> GatewayAnswer:
        """Charge without the customer present."""
        ...


@runtime_checkable
class StoresPaymentMethods(Protocol):
    """Keeps payment methods of customers, as tokens."""

    async def store_payment_method(self, request: PaymentMethodRequest) -> StoredPaymentMethod:
        """Keep a payment method at the gateway."""
        ...


@runtime_checkable
class CreatesPaymentLinks(Protocol):
    """Makes links to pay by."""

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        """Create a link; payments made by it echo `payment_id` where the gateway can."""
        ...

    async def cancel_payment_link(self, provider_reference: str) -> None:
        """Make a link unusable; safe to call again."""
        ...


@runtime_checkable
class FetchesStatus(Protocol):
    """Reads a payment back from the gateway."""

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return everything the gateway knows of the payment as facts."""
        ...


@runtime_checkable
class NamesPayments(Protocol):
    """Goes to a gateway where the merchant names payments, so that a payment can be found whose creation got no answer.

    Like FetchesProofs, this is no capability of its own; it belongs to a connector that fetches statuses.
    """

    def payment_name(self, payment_id: str) -> str:
        """Return the name under which `create_order` sets the payment up."""
        ...


@runtime_checkable
class GivesInstructions(Protocol):
    """Tells payers how to pay by hand."""

    def instructions(
        self,
        method: str,
        *,
        reference: str | None = None,
        amount_minor: int | None = None,
        currency: str | None = None,
    ) -> str:
        """Return what the payer is to do, in plain text, with the amount and the reference where they are given.

        Raises InvalidInput, naming `method`, for a payment method that the account does not take.
        """
        ...


PROTOCOLS: Mapping[Capability, type] = {
    Capability.VERIFIES_WEBHOOKS: VerifiesWebhooks,
    Capability.CREATES_ORDERS: CreatesOrders,
    Capability.AUTHORIZES: Authorizes,
    Capability.CAPTURES: Captures,
    Capability.VOIDS: Voids,
    Capability.REVERSES: Reverses,
    Capability.REFUNDS: Refunds,
    Capability.FETCHES_STATUS: FetchesStatus,
    Capability.INCREMENTS_AUTHORIZATION: IncrementsAuthorization,
    Capability.VERIFIES_REDIRECTS: VerifiesRedirects,
    Capability.SETS_UP_MANDATES: SetsUpMandates,
    Capability.CHARGES_MANDATES: ChargesMandates,
    Capability.STORES_PAYMENT_METHODS: StoresPaymentMethods,
    Capability.CREATES_PAYMENT_LINKS: CreatesPaymentLinks,
    Capability.GIVES_INSTRUCTIONS: GivesInstructions,
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
    - `keys_kept_for`: how long the gateway remembers an idempotency key, where it REPEATS_SAFELY.
    - `native`: False where other software speaks to the gateway for us.
    - `callback_trust`: HINT where callbacks are too weakly proven to move money, so that each only triggers a fetch.
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
    callback_trust: Trust = Trust.SIGNED
    native: bool = True
    keys_kept_for: timedelta = timedelta(hours=24)
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
