"""Stripe's table of cases."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

from connectors.base import Capability, Headers
from connectors.stripe.client import StripeConnector
from connectors.stripe.registration import StripeCredentials
from domain.facts import FactKind, Trust
from tests.connectors.case import Delivery, Expected, GatewayCases, HeaderProof, connects

INTENT, CHARGE, REFUND, DISPUTE = "pi_3SampleIntent", "ch_3SampleCharge", "re_3SampleRefund", "du_1SampleDispute"
RECEIPT = "https://pay.stripe.com/receipts/payment/sample"


def sign(body: bytes, secret: str, signed_at: datetime) -> Headers:
    """Stripe's scheme: hex HMAC-SHA256 over the time, a dot and the body."""
    seconds = int(signed_at.timestamp())
    signature = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return (("content-type", "application/json; charset=utf-8"), ("stripe-signature", f"t={seconds},v1={signature}"))


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """A body as Stripe posts it."""
    return Delivery(body=body, headers=sign(body, secret, signed_at))


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A payment intent that succeeded."""
    intent = {
        "id": INTENT,
        "object": "payment_intent",
        "amount": amount,
        "amount_received": amount,
        "currency": currency.lower(),
        "latest_charge": CHARGE,
        "metadata": {"payment_id": payment_id},
        "status": "succeeded",
    }
    event = {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": 1767322800}
    return json.dumps({**event, "livemode": False, "data": {"object": intent}}).encode()


def unmapped() -> bytes:
    """An event of a type that there is not."""
    return json.dumps(json.loads(captured(1200, "USD")) | {"type": "moon.phase_changed"}).encode()


def event_time(body: bytes) -> datetime | None:
    """When Stripe made the event. Thin events give no Unix time."""
    created = json.loads(body).get("created")
    return datetime.fromtimestamp(created, UTC) if isinstance(created, int) else None


def error_body(message: str) -> object:
    """Stripe's error about a request."""
    return {"error": {"type": "invalid_request_error", "code": "parameter_invalid_empty", "message": message}}


def of_intent(kind: FactKind, reason: str | None = None) -> Expected:
    return Expected(kind=kind, reference=INTENT, reason=reason)


def capture(amount_minor: int, receipt_url: str | None = None) -> Expected:
    return Expected(
        kind=FactKind.CAPTURED,
        reference=INTENT,
        related=(CHARGE,),
        movement=CHARGE,
        amount_minor=amount_minor,
        currency="USD",
        receipt_url=receipt_url,
    )


def refund(
    kind: FactKind, movement: str = REFUND, amount_minor: int = 500, currency: str = "USD", reason: str | None = None
) -> Expected:
    return Expected(
        kind=kind,
        reference=INTENT,
        related=(CHARGE,),
        movement=movement,
        amount_minor=amount_minor,
        currency=currency,
        reason=reason,
    )


def dispute(kind: FactKind) -> Expected:
    return Expected(
        kind=kind,
        reference=INTENT,
        related=(CHARGE,),
        movement=DISPUTE,
        amount_minor=1099,
        currency="USD",
        payment_id=None,
        reason="fraudulent",
    )


def ignored(reference: str, reason: str) -> Expected:
    return Expected(kind=FactKind.IGNORED, reference=reference, payment_id=None, reason=reason)


def about_a_mandate(reference: str, event: str) -> Expected:
    return ignored(reference, f"{event} is about a mandate, whose state is read back when it is charged")


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "payment_intent.created": (ignored(INTENT, "the payment intent waits for the payer"),),
    "payment_intent.processing": (Expected(kind=FactKind.PROCESSING, reference=INTENT, related=("py_3SampleCharge",)),),
    "payment_intent.requires_action": (of_intent(FactKind.REQUIRES_ACTION),),
    "payment_intent.partially_funded": (of_intent(FactKind.PROCESSING),),
    "payment_intent.amount_capturable_updated": (
        Expected(
            kind=FactKind.AUTHORIZED,
            reference=INTENT,
            related=(CHARGE,),
            movement=CHARGE,
            amount_minor=1099,
            currency="USD",
        ),
    ),
    "payment_intent.succeeded": (capture(1099),),
    "payment_intent.succeeded.partial_capture": (capture(700),),
    "payment_intent.succeeded.older_api_version": (capture(1099, RECEIPT),),
    "payment_intent.succeeded.localstripe": (
        Expected(
            kind=FactKind.CAPTURED,
            reference="pi_dYUxqvJFu3vEvs",
            related=("ch_lYQEptfI1tchtW",),
            movement="ch_lYQEptfI1tchtW",
            amount_minor=1099,
            currency="USD",
        ),
    ),
    "payment_intent.succeeded.localstripe_partial": (
        Expected(
            kind=FactKind.CAPTURED,
            reference="pi_6MVK6mz13oC65t",
            related=("ch_4UH7tH1iTHC1xy",),
            movement="ch_4UH7tH1iTHC1xy",
            amount_minor=700,
            currency="USD",
        ),
    ),
    "payment_intent.payment_failed": (
        Expected(
            kind=FactKind.ATTEMPT_FAILED,
            reference=INTENT,
            related=("ch_3SampleFailed",),
            movement="ch_3SampleFailed",
            reason="insufficient_funds: Your card has insufficient funds.",
        ),
    ),
    "payment_intent.payment_failed.localstripe": (
        Expected(
            kind=FactKind.ATTEMPT_FAILED,
            reference="pi_BgFMjJ2akbs53K",
            related=("ch_hREgEAvOAKazSr",),
            movement="ch_hREgEAvOAKazSr",
            reason="card_declined: Your card was declined.",
        ),
    ),
    "payment_intent.canceled": (of_intent(FactKind.CANCELLED, "requested_by_customer"),),
    "charge.captured": (capture(700, RECEIPT),),
    "charge.expired": (Expected(kind=FactKind.CANCELLED, reference=INTENT, related=(CHARGE,)),),
    "charge.refunded": (ignored(CHARGE, "the refund events carry the refunds"),),
    "charge.refunded.older_api_version": (
        refund(FactKind.REFUNDED, "re_3SampleSecond", 300),
        refund(FactKind.REFUNDED),
    ),
    "charge.refund.updated": (refund(FactKind.REFUND_FAILED, reason="expired_or_canceled_card"),),
    "refund.created": (refund(FactKind.REFUNDED),),
    "refund.created.pending": (refund(FactKind.REFUND_PENDING, currency="EUR"),),
    "refund.created.without_intent": (
        Expected(
            kind=FactKind.REFUNDED,
            reference="py_1SampleStandalone",
            movement=REFUND,
            amount_minor=500,
            currency="USD",
            payment_id=None,
        ),
    ),
    "refund.updated": (refund(FactKind.REFUNDED),),
    "refund.failed": (refund(FactKind.REFUND_FAILED, reason="lost_or_stolen_card"),),
    "charge.dispute.created": (dispute(FactKind.DISPUTE_OPENED),),
    "charge.dispute.created.inquiry": (dispute(FactKind.DISPUTE_OPENED),),
    "charge.dispute.updated": (dispute(FactKind.DISPUTE_OPENED),),
    "charge.dispute.funds_withdrawn": (dispute(FactKind.DISPUTE_OPENED),),
    "charge.dispute.funds_reinstated": (dispute(FactKind.DISPUTE_WON),),
    "charge.dispute.closed": (dispute(FactKind.DISPUTE_LOST),),
    "charge.dispute.closed.won": (dispute(FactKind.DISPUTE_WON),),
    "charge.dispute.closed.warning_closed": (dispute(FactKind.DISPUTE_WON),),
    "checkout.session.completed": (Expected(kind=FactKind.PROCESSING, reference=INTENT, trust=Trust.HINT),),
    "checkout.session.completed.unpaid": (of_intent(FactKind.PROCESSING),),
    "checkout.session.async_payment_succeeded": (
        Expected(kind=FactKind.PROCESSING, reference=INTENT, trust=Trust.HINT),
    ),
    "checkout.session.async_payment_failed": (of_intent(FactKind.FAILED),),
    "checkout.session.expired": (of_intent(FactKind.CANCELLED),),
    "checkout.session.expired.without_intent": (Expected(kind=FactKind.CANCELLED, reference="cs_test_a1Sample"),),
    "charge.succeeded": (ignored(CHARGE, "unmapped event type charge.succeeded"),),
    "customer.created": (ignored("cus_Sample", "unmapped event type customer.created"),),
    "payout.paid": (ignored("po_1Sample", "unmapped event type payout.paid"),),
    "setup_intent.succeeded": (about_a_mandate("seti_1Sample", "setup_intent.succeeded"),),
    "mandate.updated": (about_a_mandate("mandate_1Sample", "mandate.updated"),),
    "checkout.session.expired.of_a_payment_link": (
        ignored("cs_test_a1Sample", "checkout.session.expired with status 'expired' says nothing about the payment"),
    ),
    "payment_intent.succeeded.connected_account": (ignored(INTENT, "the event is about a connected account"),),
    "payment_intent.succeeded.live_mode": (
        ignored(INTENT, "the event is of the live mode and the account's keys are not"),
    ),
    "payment_intent.canceled.unknown_status": (
        ignored(INTENT, "payment_intent.canceled with status 'requires_teleportation' says nothing about the payment"),
    ),
    "v1.billing.meter.error_report_triggered": (
        ignored("mtr_test_61Sample", "thin event v1.billing.meter.error_report_triggered carries no object"),
    ),
}

CASES = GatewayCases(
    gateway="stripe",
    credentials={
        "secret_key": "sk_test_4242suite",
        "publishable_key": "pk_test_4242suite",
        "webhook_secret": "whsec_suite_current",
    },
    deliver=deliver,
    proof=HeaderProof("stripe-signature"),
    signs_time=True,
    samples=SAMPLES,
    captured=captured,
    amount=1200,
    amounts=(
        (1099, "USD", 1099),
        (1099, "JPY", 1099),
        (10990, "KWD", 10990),
        (500, "ISK", 5),
        (12300, "UGX", 123),
        (55, "MGA", 5500),
        (4200, "HUF", 4200),
    ),
    refused_amounts=(
        (-1, "USD"),
        (501, "ISK"),
        (99, "UGX"),
        (10.99, "USD"),
        ("1099", "USD"),
        (None, "USD"),
        (True, "USD"),
        (1, "XXX"),
    ),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(StripeCredentials, StripeConnector),
    payment_reference=INTENT,
    authorization_reference=CHARGE,
    capture_reference=CHARGE,
    customer="cus_1",
    error_body=error_body,
    read_attempts=1,
    prepares_by_writing=frozenset({Capability.STORES_PAYMENT_METHODS}),
)
