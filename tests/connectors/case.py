"""The shape of a gateway's table of cases, and how to post a callback to its connector."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import SecretStr

from connectors.base import Callback, Capability, CredentialsModel, Headers, Registration, VerifiesWebhooks
from connectors.outcomes import Timeouts
from connectors.registry import get_registration
from domain.facts import Fact, FactKind, Trust

FIXTURES = Path(__file__).parents[1] / "fixtures"
ACCOUNT = "acme"
SIGNED_AT = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
"""When every callback of the suite was signed and received, unless a test says otherwise."""


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
    """A proof in a header."""

    name: str

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


class Captured(Protocol):
    """Writes the body of a callback about a captured payment, by the gateway's own amount and ISO currency."""

    def __call__(self, amount: object, currency: str, payment_id: object = None) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayCases:
    """Everything the suite needs to know about a gateway.

    - `deliver`: how the gateway sends a body, by secret and time; written without the gateway's SDK.
    - `proof`: where the delivery carries its proof. `covers` says what the proof covers: the whole `body`, some
      `fields` of it, or `nothing` (a shared secret; then every fact is a hint).
    - `secret_field`, `previous_secret_field`: the credentials that callbacks are proven with.
    - `samples`: by file name in the gateway's folder of fixtures, the facts each sample turns into.
    - `captured`: a callback about a captured payment. `amount` and `currency` are its usual ones on the wire, worth
      `amount_minor`.
    - `amounts`: the gateway's amount, the currency, and what they mean in ISO minor units.
    - `refused_amounts`: amounts of the gateway that cannot be money.
    - `unmapped`: a callback of a kind that the connector does not know; None where callbacks have no kinds.
    - `event_time`: when a sample's event happened, by the sample itself; None where the sample does not say.
    - `connect`: builds the connector with timeouts of the test's choice.
    - `payment_reference`, `authorization_reference`, `capture_reference`: names as the gateway gives them.
    - `error_body`: the gateway's own error, with a message for people in it.
    - `preliminary`: answers by path prefix to calls that come before the one that matters, such as a token's.
    - `without_a_call`: capabilities that this connector carries out without asking the gateway.
    - `prepare`: gives a new connector what it would have fetched, such as a certificate.
    """

    gateway: str
    credentials: Mapping[str, Any]
    deliver: Callable[[bytes, str, datetime], Delivery]
    proof: Proof
    covers: Literal["body", "fields", "nothing"] = "body"
    secret_field: str = "webhook_secret"
    previous_secret_field: str | None = "previous_webhook_secret"
    signs_time: bool = False
    samples: Mapping[str, tuple[Expected, ...]]
    sample_suffix: str = ".json"
    captured: Captured
    amount: object
    amount_minor: int = 1200
    currency: str = "USD"
    amounts: Sequence[tuple[object, str, int]]
    refused_amounts: Sequence[tuple[object, str]]
    unmapped: Callable[[], bytes] | None
    event_time: Callable[[bytes], datetime | None]
    connect: Callable[[CredentialsModel, Timeouts], Any]
    payment_reference: str
    authorization_reference: str | None = None
    capture_reference: str
    customer: str = "customer-1"
    error_body: Callable[[str], object]
    preliminary: Mapping[str, object] = field(default_factory=dict)
    without_a_call: frozenset[Capability] = frozenset()
    prepare: Callable[[object], None] = lambda _: None

    @property
    def registration(self) -> Registration:
        """The gateway's registration."""
        return get_registration(self.gateway)

    @property
    def secret(self) -> str:
        """The webhook secret of the suite's credentials."""
        return str(self.credentials[self.secret_field])

    def sample(self, name: str) -> bytes:
        """The bytes of a sample."""
        return (FIXTURES / self.gateway / f"{name}{self.sample_suffix}").read_bytes()

    def connector(self, **changes: str | None) -> VerifiesWebhooks:
        """Build a connector. The changes are not validated: they stand for what got past validation."""
        credentials: CredentialsModel = self.registration.credentials.model_validate(self.credentials)
        hidden = {name: SecretStr(value) if value is not None else None for name, value in changes.items()}
        built = self.registration.factory(credentials.model_copy(update=hidden))
        assert isinstance(built, VerifiesWebhooks)
        self.prepare(built)
        return built

    def delivery(self, body: bytes, secret: str | None = None, signed_at: datetime = SIGNED_AT) -> Delivery:
        """A body as the gateway sends it, signed with the current secret unless another is given."""
        return self.deliver(body, self.secret if secret is None else secret, signed_at)

    def genuine(self) -> Delivery:
        """A genuine callback about a captured payment."""
        return self.delivery(self.captured(self.amount, self.currency))

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
