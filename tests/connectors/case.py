"""The shape of a gateway's table of cases, and how to post a callback to its connector."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, get_args
from urllib.parse import parse_qsl, urlencode

from pydantic import SecretStr

from connectors.base import Callback, Capability, CredentialsModel, Headers, Registration, VerifiesWebhooks
from connectors.http_client import READ_ATTEMPTS
from connectors.outcomes import Timeouts
from connectors.registry import get_registration
from domain.facts import Fact, FactKind, Trust

FIXTURES = Path(__file__).parents[1] / "fixtures"
ACCOUNT = "acme"
SIGNED_AT = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
"""When every callback of the suite was signed and received, unless a test says otherwise."""


Credentials = TypeVar("Credentials", bound=CredentialsModel)
Connector = TypeVar("Connector")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one fact of a sample says, apart from the id and the time of its event."""

    kind: FactKind
    reference: str
    related: tuple[str, ...] = ()
    movement: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    payment_id: str | None = "payment-1"
    reason: str | None = None
    receipt_url: str | None = None
    trust: Trust = Trust.SIGNED

    @classmethod
    def of(cls, fact: Fact) -> "Expected":
        """What a fact says."""
        return cls(
            kind=fact.kind,
            reference=fact.provider_reference,
            related=fact.related_references,
            movement=fact.movement_reference,
            amount_minor=fact.amount_minor,
            currency=fact.currency,
            payment_id=fact.payment_id,
            reason=fact.reason,
            receipt_url=fact.receipt_url,
            trust=fact.trust,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A callback as it is on the wire: body, headers with lower-cased names, path and query."""

    body: bytes
    headers: Headers = ()
    target: str = "/webhooks/gateway/acme"


class Proof(Protocol):
    """Where a delivery carries its proof: a header, a form field, a place in the JSON, the query."""

    def read(self, delivery: Delivery) -> str:
        """The proof, as text."""
        ...

    def write(self, delivery: Delivery, proof: str | None) -> Delivery:
        """The same delivery with another proof, or with none."""
        ...

    def repeat(self, delivery: Delivery) -> Delivery:
        """The same delivery with its proof twice."""
        ...


@dataclass(frozen=True, slots=True)
class HeaderProof:
    """A proof in a header.

    `required_at_the_door` is False where the door, which knows no accounts, cannot ask for it.
    """

    name: str
    required_at_the_door: bool = True

    def read(self, delivery: Delivery) -> str:
        """The header's value."""
        return dict(delivery.headers)[self.name]

    def write(self, delivery: Delivery, proof: str | None) -> Delivery:
        """Replace or drop the header."""
        others = [(key, value) for key, value in delivery.headers if key != self.name]
        return replace(delivery, headers=(*others, *(() if proof is None else ((self.name, proof),))))

    def repeat(self, delivery: Delivery) -> Delivery:
        """Send the header twice."""
        return replace(delivery, headers=(*delivery.headers, (self.name, self.read(delivery))))


@dataclass(frozen=True, slots=True)
class QueryProof:
    """A proof in a parameter of the URL that a callback is posted to."""

    name: str

    def read(self, delivery: Delivery) -> str:
        """The parameter's value, empty when there is none."""
        return dict(self._parameters(delivery)).get(self.name, "")

    def write(self, delivery: Delivery, proof: str | None) -> Delivery:
        """Replace or drop the parameter."""
        others = [pair for pair in self._parameters(delivery) if pair[0] != self.name]
        return self._with(delivery, [*others, *([] if proof is None else [(self.name, proof)])])

    def repeat(self, delivery: Delivery) -> Delivery:
        """Give the parameter twice."""
        return self._with(delivery, [*self._parameters(delivery), (self.name, self.read(delivery))])

    def _parameters(self, delivery: Delivery) -> list[tuple[str, str]]:
        return parse_qsl(delivery.target.partition("?")[2], keep_blank_values=True)

    def _with(self, delivery: Delivery, parameters: Sequence[tuple[str, str]]) -> Delivery:
        path = delivery.target.partition("?")[0]
        return replace(delivery, target=f"{path}?{urlencode(parameters)}")


def connects(
    model: type[Credentials], connector: Callable[[Credentials, Timeouts], Connector]
) -> Callable[[CredentialsModel, Timeouts], Connector]:
    """Return what builds a gateway's connector with timeouts of the test's choice."""

    def connect(credentials: CredentialsModel, timeouts: Timeouts) -> Connector:
        assert isinstance(credentials, model)
        return connector(credentials, timeouts)

    return connect


class Captured(Protocol):
    """Writes the body of a callback about a captured payment, by the gateway's own amount and ISO currency."""

    def __call__(self, amount: object, currency: str, payment_id: object = None) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayCases:
    """Everything the suite needs to know about a gateway.

    Callbacks:

    - `credentials`: what an account is configured with; the suite adds `api_base`.
    - `deliver`: how the gateway sends a body, by secret and time; written without the gateway's SDK. It takes any
      bytes: where the proof lies in the body and the body has no place for it, the delivery goes without.
    - `proof`: where the delivery carries its proof. `covers` says what the proof covers: the whole `body`, some
      `fields` of it, or `nothing` (a shared secret; then every fact is a hint).
    - `secret_field`, `previous_secret_field`: the credentials that callbacks are proven with; `previous_secret_field`
      is None where there is no second one.
    - `other_secret`: a secret of the right form that is not the account's.
    - `signs_time`: whether the proof covers a time, which must then be within 300 seconds of the receipt.
    - `samples`: by file name in the gateway's folder of fixtures, the facts each sample turns into.
    - `captured`: a callback about a captured payment, which becomes one fact of the kind `captured_kind` (another than
      CAPTURED only where no callback tells of captures). `amount` and `currency` are its usual ones on the wire, worth
      `amount_minor`. Keep it short: the suite changes every byte of it.
    - `amounts`: the gateway's amount, the currency, and what they mean in ISO minor units. Empty only where no callback
      tells an amount.
    - `refused_amounts`: amounts of the gateway that cannot be money.
    - `echoes_payment_id`: whether callbacks bring our payment id back; `unusable_payment_ids` are echoes that cannot be
      one and are left out. What a form or a query cannot carry is no echo there: name texts alone.
    - `unmapped`: a callback of a kind that the connector does not know; None where callbacks have no kinds.
    - `event_time`: when a sample's event happened, by the sample itself; None where the sample does not say.
    - `prepare`: gives a new connector what it would have fetched, such as a certificate.
    - `build`: builds the connector in the place of the registration's factory, where that needs an extra package.

    Calls:

    - `connect`: builds the connector with timeouts of the test's choice.
    - `payment_reference`, `authorization_reference`, `capture_reference`: names as the gateway gives them.
    - `customer`, `payment_method_token`, `mandate_reference`, `customer_reference`, `payment_method_reference`: what
      the other requests name.
    - `mandate_token`: what a mandate is set up with; None where it begins without anything of the payer's.
    - `error_body`: the gateway's own error, with a message for people in it.
    - `preliminary`: answers by path prefix to calls that come before the one that matters, such as a token's.
    - `read_paths`: path prefixes of requests that only read although they are no GET; `read_forms`: what stands in the
      bodies of such requests, where one path serves reads and writes.
    - `read_attempts`: how often a read may be sent when the connection fails; 1 for a connector with an SDK.
    - `takes_thousandths`: whether amounts in currencies of three decimals are taken to the last one. Card networks
      settle them in steps of ten, so most gateways do not.
    - `before_capture`: the answer to a look-up that comes before a capture, for a connector that looks first.
    - `without_a_call`: capabilities that this connector carries out without asking the gateway.
    - `prepares_by_writing`: capabilities that first make something which moves no money, such as a customer.
    """

    gateway: str
    credentials: Mapping[str, Any]
    deliver: Callable[[bytes, str, datetime], Delivery]
    proof: Proof
    covers: Literal["body", "fields", "nothing"] = "body"
    secret_field: str = "webhook_secret"
    previous_secret_field: str | None = "previous_webhook_secret"
    other_secret: str = "another-secret"
    signs_time: bool = False
    samples: Mapping[str, tuple[Expected, ...]]
    sample_suffix: str = ".json"
    captured: Captured
    captured_kind: FactKind = FactKind.CAPTURED
    amount: object
    amount_minor: int = 1200
    currency: str = "USD"
    amounts: Sequence[tuple[object, str, int]]
    refused_amounts: Sequence[tuple[object, str]]
    echoes_payment_id: bool = True
    unusable_payment_ids: Sequence[object] = ("has spaces", "", "x" * 300, 7, None, ["payment-1"], {"a": 1})
    unmapped: Callable[[], bytes] | None
    event_time: Callable[[bytes], datetime | None]
    prepare: Callable[[object], None] = lambda _: None
    build: Callable[[CredentialsModel], object] | None = None
    connect: Callable[[CredentialsModel, Timeouts], Any]
    payment_reference: str
    authorization_reference: str | None = None
    capture_reference: str
    customer: str = "customer-1"
    payment_method_token: str = "pm_1"
    mandate_token: str | None = None
    mandate_reference: str = "mandate-1"
    customer_reference: str | None = None
    payment_method_reference: str | None = None
    error_body: Callable[[str], object]
    preliminary: Mapping[str, object] = field(default_factory=dict)
    read_paths: tuple[str, ...] = ()
    read_forms: tuple[str, ...] = ()
    read_attempts: int = READ_ATTEMPTS
    takes_thousandths: bool = False
    before_capture: object = None
    without_a_call: frozenset[Capability] = frozenset()
    prepares_by_writing: frozenset[Capability] = frozenset()

    @property
    def registration(self) -> Registration:
        """The gateway's registration."""
        return get_registration(self.gateway)

    @property
    def secret(self) -> str:
        """The webhook secret of the suite's credentials."""
        return str(self.credentials[self.secret_field])

    @property
    def secrets(self) -> list[str]:
        """Every secret of the suite's credentials, as their model types them."""
        credentials: CredentialsModel = self.registration.credentials.model_validate(self.credentials)
        return [value.get_secret_value() for _, value in credentials if isinstance(value, SecretStr)]

    def sample(self, name: str) -> bytes:
        """The bytes of a sample."""
        return (FIXTURES / self.gateway / f"{name}{self.sample_suffix}").read_bytes()

    def connector(self, *, secret: str | None = None, previous: str | None = None) -> VerifiesWebhooks:
        """Build a connector, with other secrets where they are given. These are not validated.

        They stand for what got past validation. `previous` is only for gateways with a `previous_secret_field`.
        """
        credentials: CredentialsModel = self.registration.credentials.model_validate(self.credentials)
        changes: dict[str, object] = {}
        if secret is not None:
            changes[self.secret_field] = self._typed(self.secret_field, secret)
        if previous is not None:
            assert self.previous_secret_field is not None
            changes[self.previous_secret_field] = self._typed(self.previous_secret_field, previous)
        build = self.build or self.registration.factory
        built = build(credentials.model_copy(update=changes))
        assert isinstance(built, VerifiesWebhooks)
        self.prepare(built)
        return built

    def delivery(self, body: bytes, secret: str | None = None, signed_at: datetime = SIGNED_AT) -> Delivery:
        """A body as the gateway sends it, signed with the current secret unless another is given."""
        return self.deliver(body, self.secret if secret is None else secret, signed_at)

    def genuine_body(self) -> bytes:
        """The body of a callback about a captured payment."""
        return self.captured(self.amount, self.currency)

    def genuine(self) -> Delivery:
        """A genuine callback about a captured payment."""
        return self.delivery(self.genuine_body())

    def callback(self, delivery: Delivery, received_at: datetime = SIGNED_AT) -> Callback:
        """A callback of a delivery."""
        return Callback(
            account=ACCOUNT,
            body=delivery.body,
            headers=delivery.headers,
            target=delivery.target,
            received_at=received_at,
        )

    def facts_of(self, delivery: Delivery, received_at: datetime = SIGNED_AT) -> list[Fact]:
        """What the connector makes of a delivery."""
        return list(self.connector().parse_callback(self.callback(delivery, received_at)))

    def _typed(self, name: str, value: str) -> object:
        annotation = self.registration.credentials.model_fields[name].annotation
        return SecretStr(value) if SecretStr in (annotation, *get_args(annotation)) else value
