"""A connector at the local Stripe that honours idempotency keys, and what tests do there in the payer's place."""

from typing import Any

import httpx

from connectors.base import AuthorizationRequest, MovementRequest, OrderRequest
from connectors.outcomes import Timeouts
from connectors.stripe.client import StripeConnector
from connectors.stripe.registration import StripeCredentials
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.stripe import CASES
from tests.gateways.stripe import SECRET_KEY

GOOD, DECLINED, CHALLENGED = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"
RETURN_URL = "https://shop.example/thanks"


def connect(url: str, **changes: str | None) -> StripeConnector:
    """The connector, which does not wait long for an answer."""
    values = {**CASES.credentials, "secret_key": SECRET_KEY, "api_base": url, "payment_link_return_url": RETURN_URL}
    credentials = StripeCredentials.model_validate({**values, **changes})
    return StripeConnector(credentials, Timeouts(read_seconds=1.5, total_seconds=5.0))


class Control:
    """The stand-in's other side: the payer, the network, and the count of what moved."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def plan(self, fault: str) -> None:
        """Choose how the next call fails."""
        await self._post(f"/_control/faults/{fault}")

    async def authenticate(self, intent_id: str) -> None:
        """Pass a challenge."""
        await self._post(f"/_control/authenticate/{intent_id}")

    async def confirm(self, setup_intent_id: str) -> None:
        """Confirm a mandate with a good card."""
        await self._post(f"/_control/confirm/{setup_intent_id}", payment_method=GOOD)

    async def pay(self, page_id: str) -> dict[str, Any]:
        """Pay by a link; returns the checkout session."""
        return await self._post(f"/_control/pay/{page_id}", token=GOOD)

    async def movements(self) -> dict[str, int]:
        """How often money was held or moved, by kind; and how many requests came."""
        counts: dict[str, int] = (await self._http.get("/_control/movements")).json()
        return counts

    async def _post(self, path: str, **data: str) -> dict[str, Any]:
        response = await self._http.post(path, data=data)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


def order(key: str, *, manual_capture: bool = True) -> OrderRequest:
    """A payment of 10.00."""
    return OrderRequest(
        payment_id=f"payment-of-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1000,
        currency="USD",
        manual_capture=manual_capture,
    )


def authorization(key: str, reference: str, token: str = GOOD) -> AuthorizationRequest:
    """The payer's card for a payment."""
    return AuthorizationRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=reference,
        payment_method_token=token,
        return_url=RETURN_URL,
    )


def movement(key: str, reference: str, amount_minor: int, capture_reference: str | None = None) -> MovementRequest:
    """A capture, void, refund or increment."""
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=reference,
        amount_minor=amount_minor,
        currency="USD",
        capture_reference=capture_reference,
    )


def said(facts: tuple[Fact, ...]) -> list[tuple[FactKind, int | None]]:
    """What facts say, in short."""
    return [(fact.kind, fact.amount_minor) for fact in facts]
