"""The shape of a gateway's table of cases, and how to post a callback to its connector."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from connectors.base import (
    Callback,
    Captures,
    CreatesOrders,
    CredentialsModel,
    FetchesStatus,
    Headers,
    Refunds,
    Registration,
    VerifiesWebhooks,
)
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


class Connector(VerifiesWebhooks, CreatesOrders, Captures, Refunds, FetchesStatus, Protocol):
    """A connector with every capability there is, so far."""

    async def aclose(self) -> None: ...


class CapturedCallback(Protocol):
    """Writes the body of a callback about a captured payment, by the gateway's own amount and ISO currency."""

    def __call__(self, amount: object, currency: str, payment_id: object = None) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayCases:
    """Everything the suite needs to know about a gateway.

    - `sign`: the headers a body is delivered with, by secret and time, written without the gateway's SDK.
    - `samples`: by file name in the gateway's folder of fixtures, the facts each sample turns into.
    - `captured`: a callback about a captured payment.
    - `amounts`: the gateway's amount, the currency, and what they mean in ISO minor units.
    - `refused_amounts`: amounts of the gateway that cannot be money.
    - `connect`: builds the connector with timeouts of the test's choice.
    - `payment_reference`, `capture_reference`: names as the gateway gives them to a payment and its capture.
    """

    gateway: str
    credentials: Mapping[str, str]
    signature_header: str
    signs_time: bool
    sign: Callable[[bytes, str, datetime], Headers]
    samples: Mapping[str, tuple[Expected, ...]]
    captured: CapturedCallback
    event_type_field: str
    amounts: Sequence[tuple[int, str, int]]
    refused_amounts: Sequence[tuple[object, str]]
    connect: Callable[[CredentialsModel, Timeouts], Connector]
    payment_reference: str
    capture_reference: str

    @property
    def registration(self) -> Registration:
        """The gateway's registration."""
        return get_registration(self.gateway)

    @property
    def secret(self) -> str:
        """The webhook secret of the suite's credentials."""
        return self.credentials["webhook_secret"]

    def sample(self, name: str) -> bytes:
        """The bytes of a sample."""
        return (FIXTURES / self.gateway / f"{name}.json").read_bytes()

    def event_time(self, name: str) -> object:
        """When a sample's event happened, as the sample itself says it."""
        event: dict[str, Any] = json.loads(self.sample(name))
        return event.get("created", event.get("created_at"))

    def connector(self, **changes: str | None) -> VerifiesWebhooks:
        """Build a connector. The changes are not validated: they stand for what got past validation."""
        credentials: CredentialsModel = self.registration.credentials.model_validate(self.credentials)
        hidden = {name: SecretStr(value) if value is not None else None for name, value in changes.items()}
        built = self.registration.factory(credentials.model_copy(update=hidden))
        assert isinstance(built, VerifiesWebhooks)
        return built

    def callback(self, body: bytes, headers: Headers | None = None, received_at: datetime = SIGNED_AT) -> Callback:
        """A callback; signed with the current secret unless other headers are given."""
        signed = self.sign(body, self.secret, SIGNED_AT) if headers is None else headers
        return Callback(account=ACCOUNT, body=body, headers=signed, received_at=received_at)
