"""PhonePe's table of cases."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.phonepe.client import PhonePeConnector
from connectors.phonepe.registration import PhonePeCredentials
from domain.facts import FactKind, Trust
from tests.connectors.case import Delivery, Expected, GatewayCases, HeaderProof, connects
from tests.gateways.phonepe import API, CLIENT_ID, CLIENT_SECRET, CLIENT_VERSION, WEBHOOK_PASSWORD, WEBHOOK_USERNAME

ORDER, ORDER_ID, ATTEMPT, FAILED_ATTEMPT = "order-1", "OMO2601021200001", "OM2601021200002", "OM2601021200001"
REFUND, CHARGE = "refund-1", "mandate-charge-payment-1"
NAMES = (ORDER_ID, ATTEMPT)


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """A body as PhonePe posts it: the digest of username and password beside it, whatever it says."""
    digest = hashlib.sha256(f"{WEBHOOK_USERNAME}:{secret}".encode()).hexdigest()
    return Delivery(body=body, headers=(("content-type", "application/json"), ("authorization", digest)))


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """An order that was completed."""
    return _event("checkout.order.completed", amount, payment_id)


def unmapped() -> bytes:
    """An event that there is not."""
    return _event("moon.phase.changed", 10000, "payment-1")


def event_time(body: bytes) -> datetime | None:
    """The latest time that the order or refund tells."""
    payload: dict[str, Any] = json.loads(body)["payload"]
    told = [part["timestamp"] for part in (payload, *payload.get("paymentDetails", [])) if "timestamp" in part]
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=max(told)) if told else None


def error_body(message: str) -> object:
    """PhonePe's error about a request."""
    return {"success": False, "code": "BAD_REQUEST", "message": message, "data": {}}


def _event(event: str, amount: object, payment_id: object) -> bytes:
    order = {"merchantOrderId": ORDER, "orderId": ORDER_ID, "state": "COMPLETED", "amount": amount}
    payload = {**order, "metaInfo": {"udf1": payment_id}}
    return json.dumps({"event": event, "payload": payload}, separators=(",", ":")).encode()


def hint(
    kind: FactKind, reference: str = ORDER, related: tuple[str, ...] = (ORDER_ID,), reason: str | None = None
) -> Expected:
    return Expected(kind=kind, reference=reference, related=related, reason=reason, trust=Trust.HINT)


def completed(reference: str = ORDER, related: tuple[str, ...] = NAMES) -> Expected:
    capture = hint(FactKind.CAPTURED, reference, related)
    return replace(capture, movement=ORDER_ID, amount_minor=10000, currency="INR")


def attempt_failed(movement: str = ATTEMPT, reference: str = ORDER, related: tuple[str, ...] = (ORDER_ID,)) -> Expected:
    return replace(hint(FactKind.ATTEMPT_FAILED, reference, related, "PAYMENT_ERROR: ZM"), movement=movement)


def failed(reason: str, reference: str = ORDER) -> Expected:
    return hint(FactKind.FAILED, reference, reason=reason)


def refund(kind: FactKind, reason: str | None = None) -> Expected:
    told = hint(kind, ORDER, (), reason)
    return replace(told, movement=REFUND, amount_minor=4000, currency="INR", payment_id=None)


def ignored(reason: str, reference: str, related: tuple[str, ...] = ()) -> Expected:
    return replace(hint(FactKind.IGNORED, reference, related, reason), payment_id=None)


def unknown_event(event: str, reference: str = "mandate-1", related: tuple[str, ...] = ()) -> Expected:
    return ignored(f"unmapped event type {event}", reference, related)


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "checkout.order.completed": (completed(),),
    "checkout.order.completed.after_a_failed_attempt": (attempt_failed(FAILED_ATTEMPT, ORDER, NAMES), completed()),
    "checkout.order.completed.with_fields_of_tomorrow": (completed(),),
    "checkout.order.completed.in_an_unknown_state": (
        ignored("unmapped status PARTIALLY_COMPLETED", ORDER, (ORDER_ID,)),
    ),
    "checkout.order.completed.still_pending": (
        ignored("checkout.order.completed says nothing about the payment", ORDER, (ORDER_ID,)),
    ),
    "checkout.order.failed": (attempt_failed(), failed("AUTHORIZATION_ERROR: Incorrect UPI PIN")),
    "checkout.order.failed.without_an_attempt": (failed("ORDER_EXPIRED"),),
    "pg.order.completed": (completed(),),
    "pg.order.completed.older": (completed(),),
    "pg.order.completed.without_our_name": (replace(completed(ORDER_ID, (ATTEMPT,)), payment_id=None),),
    "pg.order.failed": (failed("TXN_CANCELLED"),),
    "paylink.order.completed": (completed(),),
    "paylink.order.failed": (failed("LINK_EXPIRED"),),
    "pg.transaction.failed": (attempt_failed(),),
    "pg.transaction.failed.older": (attempt_failed(),),
    "pg.refund.accepted": (refund(FactKind.REFUND_PENDING),),
    "pg.refund.accepted.pending": (refund(FactKind.REFUND_PENDING),),
    "pg.refund.completed": (refund(FactKind.REFUNDED),),
    "pg.refund.failed": (refund(FactKind.REFUND_FAILED, "REFUND_FAILED: ACCOUNT_CLOSED"),),
    "subscription.notification.completed": (hint(FactKind.PROCESSING, CHARGE),),
    "subscription.notification.failed": (failed("NOTIFICATION_FAILED", CHARGE),),
    "subscription.redemption.transaction.completed": (completed(CHARGE),),
    "subscription.redemption.transaction.failed": (attempt_failed(reference=CHARGE),),
    "subscription.redemption.order.completed": (completed(CHARGE),),
    "subscription.redemption.order.failed": (attempt_failed(reference=CHARGE), failed("PAYMENT_ERROR", CHARGE)),
    "subscription.setup.order.completed": (
        unknown_event("subscription.setup.order.completed", "mandate-setup-mandate-1", NAMES),
    ),
    "subscription.setup.order.failed": (
        unknown_event("subscription.setup.order.failed", "mandate-setup-mandate-1", (ORDER_ID,)),
    ),
    "subscription.paused": (unknown_event("subscription.paused"),),
    "subscription.unpaused": (unknown_event("subscription.unpaused"),),
    "subscription.revoked": (unknown_event("subscription.revoked"),),
    "subscription.cancelled": (unknown_event("subscription.cancelled"),),
}

CASES = GatewayCases(
    gateway="phonepe",
    credentials={
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "client_version": CLIENT_VERSION,
        "environment": "sandbox",
        "webhook_username": WEBHOOK_USERNAME,
        "webhook_password": WEBHOOK_PASSWORD,
    },
    deliver=deliver,
    proof=HeaderProof("authorization"),
    covers="nothing",
    secret_field="webhook_password",
    previous_secret_field="previous_webhook_password",
    samples=SAMPLES,
    captured=captured,
    amount=10000,
    amount_minor=10000,
    currency="INR",
    amounts=((10000, "INR", 10000), (100, "INR", 100), (1, "INR", 1), (0, "INR", 0)),
    refused_amounts=((-1, "INR"), (100.5, "INR"), ("10000", "INR"), (None, "INR"), (True, "INR"), (2**70, "INR")),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(PhonePeCredentials, PhonePeConnector),
    payment_reference=ORDER,
    capture_reference=ORDER_ID,
    payment_method_token="payer@upi",
    error_body=error_body,
    preliminary={f"{API}/v1/oauth/token": {"access_token": "token-1", "issued_at": 0, "expires_at": 1200}},
)
