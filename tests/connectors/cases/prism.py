"""Prism's table of cases, through a stand-in of its SDK. The samples are what the SDK itself reads in callbacks."""

import json
from datetime import datetime

from connectors.base import CredentialsModel
from connectors.outcomes import Timeouts
from connectors.prism.client import PrismConnector
from connectors.prism.names import PlannedPayment
from connectors.prism.registration import PrismCredentials
from domain.facts import FactKind, Trust
from tests.connectors.case import Delivery, Expected, GatewayCases, QueryProof
from tests.connectors.fake_prism import HttpPrism

TRANSACTION, REFUND = "pi_3SampleIntent", "re_3SampleRefund"
PAYMENT = PlannedPayment(payment_id="payment-1", amount_minor=1200, currency="USD", manual_capture=True).name
NOWHERE = "http://127.0.0.1:9"


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """A callback to the URL that the processor was given, with the token in it."""
    headers = (("content-type", "application/json"),)
    return QueryProof("token").write(Delivery(body=body, headers=headers, target="/webhooks/prism/acme"), secret)


def connect(credentials: CredentialsModel, timeouts: Timeouts) -> PrismConnector:
    """The connector, with a stand-in of the SDK."""
    assert isinstance(credentials, PrismCredentials)
    return PrismConnector(credentials, HttpPrism(credentials.api_base or NOWHERE, timeouts))


def build(credentials: CredentialsModel) -> PrismConnector:
    """The connector as the registration builds it, were the SDK there."""
    return connect(credentials, Timeouts())


def event(event_type: str, payment_id: object = None) -> bytes:
    """What the SDK says of a callback about a payment."""
    payment = {"connectorTransactionId": TRANSACTION}
    if payment_id is not None:
        payment = {**payment, "merchantTransactionId": payment_id}  # type: ignore[dict-item]  # any value is tried
    return json.dumps({"eventType": event_type, "reference": {"payment": payment}}).encode()


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A payment that succeeded. Callbacks tell no amounts."""
    return event("PAYMENT_INTENT_SUCCESS", payment_id)


def unmapped() -> bytes:
    """An event that Prism has no name for."""
    return event("WEBHOOK_EVENT_TYPE_UNSPECIFIED")


def error_body(message: str) -> object:
    """The processor's error, in the words of the stand-in."""
    return {"message": message}


def of_payment(kind: FactKind) -> tuple[Expected, ...]:
    return (Expected(kind=kind, reference=TRANSACTION, related=("payment-1",), trust=Trust.HINT),)


def of_refund(kind: FactKind) -> tuple[Expected, ...]:
    return (
        Expected(
            kind=kind, reference=TRANSACTION, related=(REFUND,), movement=REFUND, payment_id=None, trust=Trust.HINT
        ),
    )


def of_dispute(kind: FactKind) -> tuple[Expected, ...]:
    return (Expected(kind=kind, reference=TRANSACTION, payment_id=None, trust=Trust.HINT),)


def ignored(reference: str, event_type: str) -> tuple[Expected, ...]:
    reason = f"unmapped event type {event_type}"
    return (Expected(kind=FactKind.IGNORED, reference=reference, payment_id=None, reason=reason, trust=Trust.HINT),)


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "payment.action_required": of_payment(FactKind.REQUIRES_ACTION),
    "payment.processing": of_payment(FactKind.PROCESSING),
    "payment.partially_funded": of_payment(FactKind.PROCESSING),
    "payment.cancel_failed": of_payment(FactKind.PROCESSING),
    "payment.capture_failed": of_payment(FactKind.PROCESSING),
    "payment.extension_failed": of_payment(FactKind.PROCESSING),
    "payment.authorized": of_payment(FactKind.AUTHORIZED),
    "payment.extended": of_payment(FactKind.AUTHORIZED),
    "payment.succeeded": of_payment(FactKind.CAPTURED),
    "payment.succeeded.merchant_id_only": (Expected(kind=FactKind.CAPTURED, reference="payment-1", trust=Trust.HINT),),
    "payment.succeeded.transaction_only": (
        Expected(kind=FactKind.CAPTURED, reference=TRANSACTION, payment_id=None, trust=Trust.HINT),
    ),
    "payment.captured": of_payment(FactKind.CAPTURED),
    "payment.cancelled": of_payment(FactKind.CANCELLED),
    "payment.expired": of_payment(FactKind.CANCELLED),
    "payment.failed": of_payment(FactKind.FAILED),
    "payment.authorization_failed": of_payment(FactKind.FAILED),
    "payment.unspecified": ignored(TRANSACTION, "WEBHOOK_EVENT_TYPE_UNSPECIFIED"),
    "refund.processing": of_refund(FactKind.REFUND_PENDING),
    "refund.review": of_refund(FactKind.REFUND_PENDING),
    "refund.succeeded": of_refund(FactKind.REFUNDED),
    "refund.succeeded.without_transaction": (
        Expected(kind=FactKind.REFUNDED, reference=REFUND, movement=REFUND, payment_id=None, trust=Trust.HINT),
    ),
    "refund.failed": of_refund(FactKind.REFUND_FAILED),
    "refund.unspecified": of_refund(FactKind.REFUND_PENDING),
    "dispute.opened": of_dispute(FactKind.DISPUTE_OPENED),
    "dispute.challenged": of_dispute(FactKind.DISPUTE_OPENED),
    "dispute.cancelled": of_dispute(FactKind.DISPUTE_WON),
    "dispute.won": of_dispute(FactKind.DISPUTE_WON),
    "dispute.expired": of_dispute(FactKind.DISPUTE_LOST),
    "dispute.accepted": of_dispute(FactKind.DISPUTE_LOST),
    "dispute.lost": of_dispute(FactKind.DISPUTE_LOST),
    "mandate.active": ignored("mandate_1Sample", "MANDATE_ACTIVE"),
    "payout.succeeded": ignored("po_1Sample", "PAYOUT_SUCCESS"),
}

CASES = GatewayCases(
    gateway="prism",
    credentials={
        "connector": "stripe",
        "connector_config": '{"apiKey":{"value":"sk_test_4242suite"}}',
        "environment": "sandbox",
        "url_token": "suite-url-token-0001",
    },
    deliver=deliver,
    proof=QueryProof("token"),
    covers="nothing",
    secret_field="url_token",
    previous_secret_field="previous_url_token",
    other_secret="another-url-token-0002",
    samples=SAMPLES,
    captured=captured,
    amount=1200,
    amounts=(),
    refused_amounts=(),
    unmapped=unmapped,
    event_time=lambda _: None,
    build=build,
    connect=connect,
    payment_reference=PAYMENT,
    authorization_reference=TRANSACTION,
    capture_reference=TRANSACTION,
    mandate_token="pm_1",
    error_body=error_body,
    read_attempts=1,
)
