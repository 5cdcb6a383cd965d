"""Coinbase's table of cases: an account at Coinbase Business. What is particular to Commerce has tests of its own."""

import hashlib
import hmac
import json
from datetime import datetime

from connectors.coinbase.client import CoinbaseConnector
from connectors.coinbase.registration import CoinbaseCredentials
from domain.facts import FactKind
from tests.connectors.case import Delivery, Expected, GatewayCases, HeaderProof, connects
from tests.gateways.coinbase import CDP_KEY_ID, CDP_PRIVATE_KEY

CHECKOUT, LINK, REFUND = "69163c762331ed43dc64a6ef", "68f7a946db0529ea9b6d3a12", "69163c762331ed43dc64b701"


def sign(secret: str, seconds: int, body: bytes) -> str:
    """Version v0 of Business's signature: hex HMAC-SHA256 over the time, a dot and the body."""
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """A body as Business posts it."""
    seconds = int(signed_at.timestamp())
    signature = f"t={seconds},v0={sign(secret, seconds, body)}"
    return Delivery(body=body, headers=(("content-type", "application/json"), ("x-hook0-signature", signature)))


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A checkout that was paid."""
    checkout = {
        "id": CHECKOUT,
        "eventType": "checkout.payment.success",
        "status": "COMPLETED",
        "fiatAmount": amount,
        "fiatCurrency": currency,
        "metadata": {"payment_id": payment_id},
    }
    return json.dumps(checkout).encode()


def unmapped() -> bytes:
    """An event of a type that there is not."""
    return json.dumps(json.loads(captured("12.00", "USD")) | {"eventType": "moon.phase_changed"}).encode()


def event_time(body: bytes) -> datetime | None:
    """When the checkout came to be what it is."""
    told = json.loads(body).get("updatedAt")
    return datetime.fromisoformat(told) if told is not None else None


def error_body(message: str) -> object:
    """Business's error."""
    return {"errorType": "invalid_request", "errorMessage": message, "correlationId": "1"}


def of_checkout(kind: FactKind, reason: str | None = None, reference: str = CHECKOUT) -> Expected:
    return Expected(kind=kind, reference=reference, reason=reason)


def capture(reference: str = CHECKOUT) -> Expected:
    return Expected(kind=FactKind.CAPTURED, reference=reference, movement=reference, amount_minor=1099, currency="USD")


def refund(kind: FactKind, amount_minor: int, movement: str = REFUND) -> Expected:
    return Expected(kind=kind, reference=CHECKOUT, movement=movement, amount_minor=amount_minor, currency="USD")


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "checkout.payment.success": (capture(),),
    "checkout.payment.success.processing": (of_checkout(FactKind.PROCESSING),),
    "checkout.payment.success.still_active": (of_checkout(FactKind.IGNORED, "the checkout waits for the payer"),),
    "checkout.payment.failed": (of_checkout(FactKind.FAILED, "FAILED"),),
    "checkout.payment.failed.unknown_status": (of_checkout(FactKind.IGNORED, "unmapped status DISPUTED"),),
    "checkout.payment.expired": (of_checkout(FactKind.CANCELLED, "EXPIRED"),),
    "checkout.refund.success": (capture(), refund(FactKind.REFUNDED, 1099)),
    "checkout.refund.success.partial": (
        capture(),
        refund(FactKind.REFUNDED, 500),
        refund(FactKind.REFUND_PENDING, 100, "69163c762331ed43dc64b702"),
    ),
    "checkout.refund.failed": (capture(), refund(FactKind.REFUND_FAILED, 500)),
    "payment_link.payment.success": (capture(LINK),),
    "payment_link.payment.failed": (of_checkout(FactKind.FAILED, "FAILED", LINK),),
    "payment_link.payment.expired": (of_checkout(FactKind.CANCELLED, "EXPIRED", LINK),),
    "onchain.activity.detected": (
        Expected(
            kind=FactKind.IGNORED,
            reference="evt-1f",
            payment_id=None,
            reason="unmapped event type onchain.activity.detected",
        ),
    ),
}

CASES = GatewayCases(
    gateway="coinbase",
    credentials={
        "api": "business",
        "cdp_key_id": CDP_KEY_ID,
        "cdp_private_key": CDP_PRIVATE_KEY,
        "webhook_secret": "cdp_suite_current",
    },
    deliver=deliver,
    # Each of the two products has a header of its own.
    proof=HeaderProof("x-hook0-signature", required_at_the_door=False),
    signs_time=True,
    samples=SAMPLES,
    captured=captured,
    amount="12.00",
    amounts=(
        ("10.99", "USD", 1099),
        ("10.9", "EUR", 1090),
        ("7", "GBP", 700),
        ("1200", "JPY", 1200),
        ("1.234", "KWD", 1234),
        ("12.3400", "SGD", 1234),
    ),
    refused_amounts=(
        ("-1.00", "USD"),
        ("1.001", "USD"),
        ("12.50", "JPY"),
        ("1e3", "USD"),
        ("", "USD"),
        ("1,00", "USD"),
        (12, "USD"),
        (12.5, "USD"),
        (None, "USD"),
        (True, "USD"),
        ("1.00", "USDC"),
        ("0.00012", "BTC"),
    ),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(CoinbaseCredentials, CoinbaseConnector),
    payment_reference=CHECKOUT,
    capture_reference=CHECKOUT,
    error_body=error_body,
)
