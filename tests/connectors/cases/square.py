"""Square's table of cases."""

import base64
import hashlib
import hmac
import json
from datetime import datetime

from connectors.base import Capability
from connectors.square.client import SquareConnector
from connectors.square.registration import SquareCredentials
from domain.facts import FactKind
from tests.connectors.case import Delivery, Expected, GatewayCases, HeaderProof, connects

ORDER, PAYMENT = "orderSample00000000000001ZY", "paySample0000000000000001ZY"
REFUND, DISPUTE = f"{PAYMENT}_refundSample0001", "disputeSample00001"
CALLBACK_URL = "https://pay.example/webhooks/square/acme?from=square"
SIGNATURE_HEADER = "x-square-hmacsha256-signature"
RECEIPT = "https://squareup.com/receipt/preview/sample"


def sign(body: bytes, key: str, url: str = CALLBACK_URL) -> str:
    """Square's scheme: base64 of HMAC-SHA256 over the subscription's URL and the body."""
    return base64.b64encode(hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()).decode()


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """A body as Square posts it; nothing of the time is signed."""
    headers = (
        ("content-type", "application/json"),
        (SIGNATURE_HEADER, sign(body, secret)),
        ("square-environment", "Sandbox"),
        ("square-initial-delivery-timestamp", signed_at.isoformat()),
    )
    return Delivery(body=body, headers=headers)


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A payment that was completed."""
    payment = {"id": PAYMENT, "order_id": ORDER, "status": "COMPLETED", "reference_id": payment_id}
    payment |= {"total_money": {"amount": amount, "currency": currency}}
    event = {"event_id": "event-1", "type": "payment.updated", "created_at": "2026-01-02T03:00:00Z"}
    return json.dumps({**event, "data": {"type": "payment", "object": {"payment": payment}}}).encode()


def unmapped() -> bytes:
    """An event that there is not."""
    return json.dumps(json.loads(captured(1200, "USD")) | {"type": "moon.phase_changed"}).encode()


def event_time(body: bytes) -> datetime | None:
    """When Square made the event."""
    return datetime.fromisoformat(json.loads(body)["created_at"])


def error_body(message: str) -> object:
    """Square's error about a request."""
    return {"errors": [{"category": "INVALID_REQUEST_ERROR", "code": "BAD_REQUEST", "detail": message}]}


def of_payment(
    kind: FactKind,
    amount_minor: int | None = None,
    *,
    currency: str = "USD",
    payment_id: str | None = "payment-1",
    reason: str | None = None,
) -> Expected:
    return Expected(
        kind=kind,
        reference=ORDER,
        related=(PAYMENT,),
        movement=PAYMENT,
        amount_minor=amount_minor,
        currency=None if amount_minor is None else currency,
        payment_id=payment_id,
        reason=reason,
        receipt_url=RECEIPT if kind is FactKind.CAPTURED else None,
    )


def refund(kind: FactKind) -> Expected:
    return Expected(kind=kind, reference=PAYMENT, movement=REFUND, amount_minor=400, currency="USD", payment_id=None)


def dispute(kind: FactKind) -> Expected:
    return Expected(
        kind=kind,
        reference=PAYMENT,
        movement=DISPUTE,
        amount_minor=1000,
        currency="USD",
        payment_id=None,
        reason="NO_KNOWLEDGE",
    )


def ignored(reference: str, reason: str) -> Expected:
    return Expected(kind=FactKind.IGNORED, reference=reference, payment_id=None, reason=reason)


def unmapped_type(reference: str, event_type: str) -> Expected:
    return ignored(reference, f"unmapped event type {event_type}")


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "payment.created.pending": (of_payment(FactKind.PROCESSING),),
    "payment.updated.approved": (of_payment(FactKind.AUTHORIZED, 1000),),
    "payment.updated.completed": (of_payment(FactKind.CAPTURED, 1000),),
    "payment.updated.completed.with_tip": (of_payment(FactKind.CAPTURED, 1150),),
    "payment.updated.completed.in_yen": (of_payment(FactKind.CAPTURED, 500, currency="JPY"),),
    "payment.updated.completed.by_a_link": (of_payment(FactKind.CAPTURED, 1000),),
    "payment.updated.completed.at_the_counter": (of_payment(FactKind.CAPTURED, 1000, payment_id=None),),
    "payment.updated.completed.without_order": (
        Expected(
            kind=FactKind.CAPTURED,
            reference=PAYMENT,
            movement=PAYMENT,
            amount_minor=1000,
            currency="USD",
            receipt_url=RECEIPT,
        ),
    ),
    "payment.updated.completed.refunded": (of_payment(FactKind.CAPTURED, 1000),),
    "payment.updated.canceled": (of_payment(FactKind.CANCELLED),),
    "payment.updated.failed": (
        of_payment(FactKind.ATTEMPT_FAILED, reason="INSUFFICIENT_FUNDS: Authorization error: 'INSUFFICIENT_FUNDS'"),
    ),
    "payment.updated.failed.bank_debit": (of_payment(FactKind.FAILED, reason="BANK_ACCOUNT_CLOSED"),),
    "payment.updated.unknown_status": (ignored(PAYMENT, "unmapped status TELEPORTED"),),
    "refund.created": (refund(FactKind.REFUND_PENDING),),
    "refund.updated.completed": (refund(FactKind.REFUNDED),),
    "refund.updated.rejected": (refund(FactKind.REFUND_FAILED),),
    "refund.updated.failed": (refund(FactKind.REFUND_FAILED),),
    "refund.updated.unlinked": (ignored("unlinkedSample001", "the refund is of money that Square did not take"),),
    "dispute.created": (dispute(FactKind.DISPUTE_OPENED),),
    "dispute.created.inquiry": (dispute(FactKind.DISPUTE_OPENED),),
    "dispute.state.updated.inquiry_processing": (dispute(FactKind.DISPUTE_OPENED),),
    "dispute.state.updated.inquiry_closed": (dispute(FactKind.DISPUTE_WON),),
    "dispute.state.updated.processing": (dispute(FactKind.DISPUTE_OPENED),),
    "dispute.state.updated.won": (dispute(FactKind.DISPUTE_WON),),
    "dispute.state.updated.lost": (dispute(FactKind.DISPUTE_LOST),),
    "dispute.state.updated.accepted": (dispute(FactKind.DISPUTE_LOST),),
    "dispute.state.changed": (dispute(FactKind.DISPUTE_LOST),),
    "dispute.evidence.created": (unmapped_type("evidenceSample001", "dispute.evidence.created"),),
    "order.created": (unmapped_type(ORDER, "order.created"),),
    "order.updated.open": (ignored(ORDER, "unmapped status OPEN"),),
    "order.updated.canceled": (Expected(kind=FactKind.CANCELLED, reference=ORDER, payment_id=None),),
    "payout.sent": (unmapped_type("po_sample-0001", "payout.sent"),),
    "payout.paid": (unmapped_type("po_sample-0001", "payout.paid"),),
    "payout.failed": (unmapped_type("po_sample-0001", "payout.failed"),),
    "invoice.payment_made": (unmapped_type("inv:0-sample", "invoice.payment_made"),),
    "card.created": (unmapped_type("ccof:sampleCard0001", "card.created"),),
    "oauth.authorization.revoked": (unmapped_type("M1", "oauth.authorization.revoked"),),
}

MONEY = {"amount": 1200, "currency": "USD"}

CASES = GatewayCases(
    gateway="square",
    credentials={
        "access_token": "EAAAE-suite-access-token",
        "application_id": "sandbox-sq0idb-suite",
        "location_id": "L1",
        "callback_url": CALLBACK_URL,
        "webhook_signature_key": "suite-signature-key-current",
    },
    deliver=deliver,
    proof=HeaderProof(SIGNATURE_HEADER),
    secret_field="webhook_signature_key",
    previous_secret_field="previous_webhook_signature_key",
    samples=SAMPLES,
    captured=captured,
    amount=1200,
    amounts=(
        (1200, "USD", 1200),
        (1, "EUR", 1),
        (500, "JPY", 500),
        (295990, "KWD", 295990),
        (5, "ISK", 5),
        (123, "UGX", 123),
        (5500, "MGA", 5500),
        (2**53 + 1, "USD", 2**53 + 1),
    ),
    refused_amounts=(
        (-1, "USD"),
        (12.5, "USD"),
        (1200.0, "USD"),
        ("1200", "USD"),
        (None, "USD"),
        (True, "USD"),
        (1, "XXX"),
        (1200, "usd"),
    ),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(SquareCredentials, SquareConnector),
    payment_reference=ORDER,
    authorization_reference=PAYMENT,
    capture_reference=PAYMENT,
    payment_method_token="cnon:card-nonce-ok",
    mandate_reference="ccof:sampleCard0001",
    error_body=error_body,
    read_paths=("/v2/orders/batch-retrieve", "/v2/customers/search"),
    # Both look-ups are answered with this: each finds its own object in it.
    before_capture={
        "order": {"id": ORDER, "state": "OPEN", "version": 2, "total_money": MONEY},
        "payment": {"id": PAYMENT, "order_id": ORDER, "status": "APPROVED", "total_money": MONEY},
    },
    prepares_by_writing=frozenset(
        {Capability.SETS_UP_MANDATES, Capability.CHARGES_MANDATES, Capability.STORES_PAYMENT_METHODS}
    ),
)
