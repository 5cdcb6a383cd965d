"""A seller at the local Square: the connector, what it is asked, and what is done there in others' places."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from connectors.base import AuthorizationRequest, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts
from connectors.square.client import SquareConnector
from connectors.square.registration import SquareCredentials
from connectors.tls import system_tls
from domain.facts import Fact, FactKind
from tests.gateways.square import ACCESS_TOKEN, APPLICATION_ID, LOCATION_ID, SIGNATURE_KEY
from tests.gateways.square_state import GOOD

ACCOUNT = "acme"
CALLBACK_URL = "https://pay.example/webhooks/square/acme"
PAYMENT = "payment-1"

Told = tuple[FactKind, str | None, int | None]
"""What a fact says: its kind, its movement, its amount."""


@dataclass(frozen=True, slots=True)
class Shop:
    """One location of the seller."""

    connector: SquareConnector
    http: httpx.AsyncClient

    async def order(self, key: str, **changes: Any) -> str:  # noqa: ANN401 - any field
        """Create an order and return its name."""
        return (await self.connector.create_order(order(key, **changes))).provider_reference

    async def authorized(self, key: str, token: str = GOOD) -> tuple[str, str]:
        """Create an order, authorize a payment on it, and return the names of both."""
        reference = await self.order(f"{key}-order", manual_capture=True)
        held = authorization(f"{key}-authorize", reference, token, manual_capture=True)
        answer = await self.connector.authorize(held)
        (fact,) = answer.facts
        assert (fact.kind, fact.provider_reference) == (FactKind.AUTHORIZED, reference)
        assert fact.movement_reference is not None
        return reference, fact.movement_reference

    async def captured(self, key: str, **changes: Any) -> tuple[str, str]:  # noqa: ANN401 - any field
        """Create an order, pay it at once, and return the names of order and payment."""
        reference = await self.order(f"{key}-order", **changes)
        terms = {name: changes[name] for name in ("amount_minor", "currency") if name in changes}
        answer = await self.connector.authorize(authorization(f"{key}-authorize", reference, **terms))
        (fact,) = answer.facts
        assert (fact.kind, fact.provider_reference) == (FactKind.CAPTURED, reference)
        assert fact.movement_reference is not None
        return reference, fact.movement_reference

    async def status(self, reference: str, **changes: Any) -> GatewayAnswer:  # noqa: ANN401 - any field
        """Read a payment back."""
        request = {"payment_id": PAYMENT, "account": ACCOUNT, "provider_reference": reference, **changes}
        return await self.connector.fetch_status(StatusRequest(**request))

    async def read(self, path: str) -> dict[str, Any]:
        """Read one of Square's objects, as it is there."""
        response = await self.http.get(path)
        response.raise_for_status()
        (item,) = response.json().values()
        assert isinstance(item, dict)
        return item

    async def plan(self, fault: str) -> None:
        """Choose how the next writing call fails."""
        (await self.http.post(f"/_control/faults/{fault}")).raise_for_status()

    async def settle(self) -> None:
        """Bring everything that is pending to its end."""
        (await self.http.post("/_control/settle")).raise_for_status()

    async def pay(self, reference: str, outcome: str = "paid") -> None:
        """Pay an order or a link as a payer does."""
        (await self.http.post(f"/_control/pay/{reference}", json={"outcome": outcome})).raise_for_status()

    async def movements(self) -> dict[str, int]:
        """How often money was held, changed or moved, by kind."""
        counts: dict[str, int] = (await self.http.get("/_control/movements")).json()
        return counts


@asynccontextmanager
async def open_shop(url: str, **changes: str) -> AsyncIterator[Shop]:
    """A shop at the local Square of this URL, which does not wait long for an answer."""
    credentials = SquareCredentials.model_validate({**credentials_at(url, CALLBACK_URL), **changes})
    connector = SquareConnector(credentials, Timeouts(read_seconds=0.7, total_seconds=5.0))
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}", "Square-Version": "2026-09-16"}
    async with httpx.AsyncClient(base_url=url, headers=headers, verify=system_tls()) as http:
        yield Shop(connector, http)
    await connector.aclose()


def credentials_at(url: str, callback_url: str) -> dict[str, str]:
    """The credentials of the local Square's seller."""
    return {
        "access_token": ACCESS_TOKEN,
        "application_id": APPLICATION_ID,
        "location_id": LOCATION_ID,
        "callback_url": callback_url,
        "webhook_signature_key": SIGNATURE_KEY,
        "api_base": url,
    }


def order(key: str, **changes: Any) -> OrderRequest:  # noqa: ANN401 - any field
    """A payment of twelve dollars."""
    terms = {"payment_id": PAYMENT, "account": ACCOUNT, "amount_minor": 1200, "currency": "USD"}
    return OrderRequest(**{**terms, "idempotency_key": key, **changes})


def authorization(key: str, reference: str, token: str = GOOD, **changes: Any) -> AuthorizationRequest:  # noqa: ANN401 - any field
    """A token put to a payment. The changes are fields of the request."""
    terms = {"payment_id": PAYMENT, "account": ACCOUNT, "amount_minor": 1200, "currency": "USD"}
    own = {"idempotency_key": key, "provider_reference": reference, "payment_method_token": token}
    return AuthorizationRequest(**{**terms, **own, **changes})


def movement(key: str, reference: str, amount_minor: int = 1200, **changes: Any) -> MovementRequest:  # noqa: ANN401 - any field
    """A movement of a payment."""
    terms = {"payment_id": PAYMENT, "account": ACCOUNT, "currency": "USD", "amount_minor": amount_minor}
    return MovementRequest(**{**terms, "idempotency_key": key, "provider_reference": reference, **changes})


def told(facts: tuple[Fact, ...]) -> list[Told]:
    """What facts say."""
    return [(fact.kind, fact.movement_reference, fact.amount_minor) for fact in facts]
