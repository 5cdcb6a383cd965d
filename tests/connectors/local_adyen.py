"""A local Adyen beside the test, its payer, and a connector to it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import uvicorn

from connectors.adyen.client import AdyenConnector
from connectors.adyen.registration import AdyenCredentials
from connectors.base import AuthorizationRequest, Callback, MovementRequest, OrderRequest
from connectors.outcomes import Timeouts
from devstack.ports import free_port
from domain.facts import Fact
from domain.payment import PaymentState, PaymentTerms, Split, fold
from tests.gateways.adyen import CREDENTIALS, RETURN_URL, LocalAdyen
from tests.gateways.adyen_state import SHOPPER, STORED
from tests.gateways.local_gateway import Outgoing

ACCOUNT = "acme"
SHORT = Timeouts(connect_seconds=2.0, read_seconds=0.5, total_seconds=5.0)


@dataclass(frozen=True, slots=True)
class Adyen:
    """The local Adyen and a connector to it. What it would post is taken by the connector at once."""

    local: LocalAdyen
    connector: AdyenConnector

    def pay(self, reference: str, outcome: str = "paid") -> list[Fact]:
        """The payer pays, or does not; returns what the callbacks say."""
        return self.taken(self.local.pay(reference, outcome))

    def settle(self) -> list[Fact]:
        """What is under way comes to its end; returns what the callbacks say."""
        return self.taken(self.local.settle())

    def taken(self, callbacks: Sequence[Outgoing]) -> list[Fact]:
        """What the connector makes of callbacks."""
        return [fact for callback in callbacks for fact in self.connector.parse_callback(_received(callback))]

    def will(self, fault: str) -> None:
        """Plan a fault for the next writing call."""
        self.local._faults.append(fault)


@asynccontextmanager
async def local_adyen(timeouts: Timeouts = SHORT, **changes: str) -> AsyncIterator[Adyen]:
    """Serve a local Adyen until the test is over."""
    local, port = LocalAdyen(), free_port()
    config = uvicorn.Config(local.create_app(), host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    credentials = AdyenCredentials.model_validate(
        {**CREDENTIALS, "return_url": RETURN_URL, "api_base": f"http://127.0.0.1:{port}", **changes}
    )
    connector = AdyenConnector(credentials, timeouts)
    try:
        yield Adyen(local, connector)
    finally:
        await connector.aclose()
        await server.shutdown()


def order(key: str, **changes: object) -> OrderRequest:
    """A payment of twelve dollars to set up."""
    asked: Mapping[str, object] = {
        "payment_id": "payment-1",
        "account": ACCOUNT,
        "idempotency_key": key,
        "amount_minor": 1200,
        "currency": "USD",
        **changes,
    }
    return OrderRequest(**asked)  # type: ignore[arg-type]  # the fields by their names


def authorization(key: str, reference: str, method: str = STORED, **changes: object) -> AuthorizationRequest:
    """The shopper's stored payment method for that payment."""
    asked: Mapping[str, object] = {
        "payment_id": "payment-1",
        "account": ACCOUNT,
        "idempotency_key": key,
        "provider_reference": reference,
        "payment_method_token": f"{SHOPPER}/{method}",
        "amount_minor": 1200,
        "currency": "USD",
        **changes,
    }
    return AuthorizationRequest(**asked)  # type: ignore[arg-type]  # the fields by their names


def movement(
    key: str, reference: str, psp_reference: str, amount_minor: int = 1200, **changes: object
) -> MovementRequest:
    """A movement of that payment."""
    asked: Mapping[str, object] = {
        "payment_id": "payment-1",
        "account": ACCOUNT,
        "idempotency_key": key,
        "provider_reference": reference,
        "authorization_reference": psp_reference,
        "amount_minor": amount_minor,
        "currency": "USD",
        **changes,
    }
    return MovementRequest(**asked)  # type: ignore[arg-type]  # the fields by their names


def folded(facts: Sequence[Fact], amount_minor: int = 1200, currency: str = "USD") -> PaymentState:
    """The payment that facts make."""
    terms = PaymentTerms(
        payment_id="payment-1",
        account=ACCOUNT,
        gateway="adyen",
        amount_minor=amount_minor,
        currency=currency,
        splits=(Split("tenant", ACCOUNT, amount_minor),),
    )
    state = PaymentState()
    for fact in facts:
        state = fold(state, terms, fact)
    return state


def _received(callback: Outgoing) -> Callback:
    return Callback(
        account=ACCOUNT,
        body=callback.body,
        headers=[(name.lower(), value) for name, value in callback.headers.items()],
        received_at=datetime.now(UTC),
    )
