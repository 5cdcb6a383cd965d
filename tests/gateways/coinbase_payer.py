"""What tests ask of the Coinbase connector, and the payer's side of the local Coinbase."""

from datetime import datetime

import httpx

from connectors.base import MovementRequest, OrderRequest, PaymentLinkRequest, StatusRequest
from connectors.coinbase.client import CoinbaseConnector
from domain.facts import Fact, FactKind

ACCOUNT = "acme"


def order(key: str, *, amount_minor: int = 1099, currency: str = "USD", manual_capture: bool = False) -> OrderRequest:
    """A payment to set up; every key has a payment of its own."""
    return OrderRequest(
        payment_id=f"payment-of-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=amount_minor,
        currency=currency,
        manual_capture=manual_capture,
        description="Two coffees",
        return_url="https://shop.example/back",
        metadata={"order": "A-1001", "payment_id": "someone-elses", "note": "n" * 300},
    )


def movement(reference: str, key: str, amount_minor: int = 500, currency: str = "USD") -> MovementRequest:
    """A refund or cancellation."""
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=reference,
        capture_reference=reference,
        amount_minor=amount_minor,
        currency=currency,
        reason="One coffee was cold",
    )


def link(key: str, *, reusable: bool = False, expires_at: datetime | None = None) -> PaymentLinkRequest:
    """A link to make."""
    return PaymentLinkRequest(
        payment_link_id="link-1",
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1099,
        currency="USD",
        description="Two coffees",
        reusable=reusable,
        expires_at=expires_at,
    )


def status(reference: str) -> StatusRequest:
    """A payment to read back."""
    return StatusRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=reference)


async def facts_at(connector: CoinbaseConnector, reference: str) -> tuple[Fact, ...]:
    """What Coinbase knows of a payment."""
    return (await connector.fetch_status(status(reference))).facts


def told(facts: tuple[Fact, ...]) -> list[tuple[FactKind, int | None, str | None]]:
    """What facts say about money."""
    return [(fact.kind, fact.amount_minor, fact.currency) for fact in facts]


async def pay(control: httpx.AsyncClient, reference: str, outcome: str = "paid") -> None:
    """The payer pays, or does not. Nobody takes the callbacks; what is posted is looked at elsewhere."""
    await control.post("/_control/callbacks", json={"url": f"{control.base_url}/nowhere"})
    (await control.post(f"/_control/pay/{reference}", json={"outcome": outcome})).raise_for_status()


async def moved(control: httpx.AsyncClient, kind: str) -> int:
    """How often something was done at the local Coinbase."""
    return int((await control.get("/_control/movements")).json().get(kind, 0))
