"""Razorpay's table of cases."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

from connectors.base import Headers
from connectors.razorpay.client import RazorpayConnector
from connectors.razorpay.registration import RazorpayCredentials
from domain.facts import FactKind
from tests.connectors.case import Delivery, Expected, GatewayCases, HeaderProof, connects

ORDER, PAYMENT, REFUND, DISPUTE = "order_Sample000001", "pay_Sample0000001", "rfnd_Sample000001", "disp_Sample000001"
LINK = "plink_Sample00001"


def sign(body: bytes, secret: str, signed_at: datetime) -> Headers:
    """Razorpay's scheme: hex HMAC-SHA256 over the body alone, and an id of the event beside it."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return (
        ("content-type", "application/json"),
        ("x-razorpay-signature", signature),
        ("x-razorpay-event-id", "Event0000Sample"),
    )


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """A body as Razorpay posts it."""
    return Delivery(body=body, headers=sign(body, secret, signed_at))


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A payment that was captured."""
    money = {"amount": amount, "currency": currency, "status": "captured", "captured": True}
    payment = {"id": PAYMENT, "entity": "payment", "order_id": ORDER, "notes": {"payment_id": payment_id}, **money}
    event = {"entity": "event", "event": "payment.captured", "contains": ["payment"], "created_at": 1767322800}
    return json.dumps({**event, "payload": {"payment": {"entity": payment}}}).encode()


def unmapped() -> bytes:
    """An event that there is not."""
    return json.dumps(json.loads(captured(1200, "USD")) | {"event": "moon.phase_changed"}).encode()


def event_time(body: bytes) -> datetime | None:
    """When Razorpay made the event."""
    created = json.loads(body).get("created_at")
    return None if created is None else datetime.fromtimestamp(created, UTC)


def error_body(message: str) -> object:
    """Razorpay's error about a request."""
    return {"error": {"code": "BAD_REQUEST_ERROR", "description": message}}


def of_payment(kind: FactKind, amount_minor: int = 50000, currency: str = "INR") -> Expected:
    return Expected(
        kind=kind,
        reference=ORDER,
        related=(PAYMENT,),
        movement=PAYMENT,
        amount_minor=amount_minor,
        currency=currency,
    )


def refund(kind: FactKind, amount_minor: int = 20000) -> Expected:
    return Expected(
        kind=kind,
        reference=ORDER,
        related=(PAYMENT,),
        movement=REFUND,
        amount_minor=amount_minor,
        currency="INR",
    )


def dispute(kind: FactKind, amount_minor: int = 50000) -> Expected:
    return Expected(
        kind=kind,
        reference=ORDER,
        related=(PAYMENT,),
        movement=DISPUTE,
        amount_minor=amount_minor,
        currency="INR",
        reason="goods_not_received",
    )


def ignored(reference: str, event: str) -> Expected:
    return Expected(kind=FactKind.IGNORED, reference=reference, payment_id=None, reason=f"unmapped event type {event}")


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "payment.authorized": (of_payment(FactKind.AUTHORIZED),),
    "payment.captured": (of_payment(FactKind.CAPTURED),),
    "payment.captured.without_order": (
        Expected(
            kind=FactKind.CAPTURED,
            reference=PAYMENT,
            movement=PAYMENT,
            amount_minor=50000,
            currency="INR",
            payment_id=None,
        ),
    ),
    "payment.captured.international": (of_payment(FactKind.CAPTURED, 2000, "USD"),),
    "payment.failed": (
        Expected(
            kind=FactKind.ATTEMPT_FAILED,
            reference=ORDER,
            related=(PAYMENT,),
            movement=PAYMENT,
            reason="payment_timed_out: Payment was not completed on time.",
        ),
    ),
    "order.paid": (of_payment(FactKind.CAPTURED),),
    "refund.created": (refund(FactKind.REFUND_PENDING),),
    "refund.created.already_processed": (refund(FactKind.REFUNDED),),
    "refund.processed": (refund(FactKind.REFUNDED, 50000),),
    "refund.processed.older_payload": (
        Expected(
            kind=FactKind.REFUNDED,
            reference=PAYMENT,
            movement=REFUND,
            amount_minor=20000,
            currency="INR",
        ),
    ),
    "refund.processed.never_captured": (
        Expected(
            kind=FactKind.CANCELLED,
            reference=ORDER,
            related=(PAYMENT,),
            reason=f"{PAYMENT} was never captured and went back to the payer",
        ),
    ),
    "refund.failed": (refund(FactKind.REFUND_FAILED),),
    "refund.speed_changed": (refund(FactKind.REFUND_PENDING),),
    "payment.dispute.created": (dispute(FactKind.DISPUTE_OPENED),),
    "payment.dispute.under_review": (dispute(FactKind.DISPUTE_OPENED),),
    "payment.dispute.action_required": (dispute(FactKind.DISPUTE_OPENED),),
    "payment.dispute.won": (dispute(FactKind.DISPUTE_WON),),
    "payment.dispute.lost": (dispute(FactKind.DISPUTE_LOST, 30000),),
    "payment.dispute.closed": (dispute(FactKind.DISPUTE_WON),),
    "payment.dispute.closed.with_loss": (dispute(FactKind.DISPUTE_LOST),),
    "payment_link.paid": (of_payment(FactKind.CAPTURED),),
    "payment_link.partially_paid": (Expected(kind=FactKind.PROCESSING, reference=ORDER, related=(LINK,)),),
    "payment_link.cancelled": (Expected(kind=FactKind.CANCELLED, reference=ORDER, related=(LINK,)),),
    "payment_link.expired": (Expected(kind=FactKind.CANCELLED, reference=LINK),),
    "payment.downtime.started": (ignored("down_Sample000001", "payment.downtime.started"),),
    "settlement.processed": (ignored("setl_Sample000001", "settlement.processed"),),
    "payout.processed": (ignored("pout_Sample000001", "payout.processed"),),
    "invoice.paid": (Expected(kind=FactKind.IGNORED, reference=PAYMENT, reason="unmapped event type invoice.paid"),),
}

CASES = GatewayCases(
    gateway="razorpay",
    credentials={
        "key_id": "rzp_test_4242suite",
        "key_secret": "suite-key-secret",
        "webhook_secret": "suite-webhook-current",
    },
    deliver=deliver,
    proof=HeaderProof("x-razorpay-signature"),
    samples=SAMPLES,
    captured=captured,
    amount=1200,
    amounts=(
        (50000, "INR", 50000),
        (2000, "USD", 2000),
        (295, "JPY", 295),
        (295990, "KWD", 295990),
        (5, "ISK", 5),
        (123, "UGX", 123),
        (5500, "MGA", 5500),
    ),
    refused_amounts=(
        (-1, "INR"),
        (500.5, "INR"),
        ("50000", "INR"),
        (None, "INR"),
        (True, "INR"),
        (1, "XXX"),
        (50000, "inr"),
    ),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(RazorpayCredentials, RazorpayConnector),
    payment_reference=ORDER,
    authorization_reference=PAYMENT,
    capture_reference=PAYMENT,
    customer="cust_1",
    error_body=error_body,
    read_attempts=1,
    before_capture={
        "items": [{"id": PAYMENT, "amount": 1200, "currency": "USD", "status": "authorized"}],
    },
)
