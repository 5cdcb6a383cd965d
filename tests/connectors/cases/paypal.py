"""PayPal's table of cases."""

import json
from datetime import datetime
from typing import Any

from connectors.paypal.client import PayPalConnector
from connectors.paypal.registration import PayPalCredentials
from domain.facts import FactKind, Trust
from tests.connectors.case import SIGNED_AT, Delivery, Expected, GatewayCases, HeaderProof, connects
from tests.gateways.paypal_signer import Signer

ORDER, CAPTURE, AUTHORIZATION, REFUND = (
    "5O190127TN364715T",
    "2GG279541U471931P",
    "0VF52814937998046",
    "1JU08902781691411",
)
DISPUTE, REASON = "PP-000-042-663-135", "MERCHANDISE_OR_SERVICE_NOT_RECEIVED"
WEBHOOK_ID = "1JE4291016473214C"
CERTIFICATE_URL = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270"

SIGNER = Signer()
"""One authority and one signing key for all tests of a process."""

CREDENTIALS = {
    "client_id": "suite-client",
    "client_secret": "suite-client-secret",
    "webhook_id": WEBHOOK_ID,
    "certificate_authorities": SIGNER.authority.pem(),
}


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """PayPal's scheme; what is not PayPal's secret, and yet in what is signed, is the webhook's id."""
    headers = SIGNER.headers(body, secret, CERTIFICATE_URL, signed_at)
    return Delivery(body=body, headers=tuple(headers.items()))


def prepare(connector: object) -> None:
    """Give a connector the certificate that it would have fetched."""
    assert isinstance(connector, PayPalConnector)
    connector.certificates.keep(CERTIFICATE_URL, SIGNER.certificate, SIGNED_AT)


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """An order that was captured."""
    money = {"currency_code": currency, "value": amount}
    related = {"related_ids": {"order_id": ORDER}}
    resource: dict[str, Any] = {"id": CAPTURE, "status": "COMPLETED", "amount": money, "supplementary_data": related}
    event = {"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED", "create_time": "2026-01-02T03:00:00Z"}
    return json.dumps({**event, "resource": {**resource, "custom_id": payment_id}}).encode()


def unmapped() -> bytes:
    """An event that nobody has heard of."""
    return captured("12.00", "USD").replace(b"PAYMENT.CAPTURE.COMPLETED", b"MOON.PHASE.CHANGED")


def event_time(body: bytes) -> datetime:
    """The time that every event tells."""
    return datetime.fromisoformat(json.loads(body)["create_time"])


def error_body(message: str) -> object:
    """An error as PayPal answers it."""
    details = [{"issue": "ANY_ISSUE", "description": message}]
    return {
        "name": "UNPROCESSABLE_ENTITY",
        "message": "It cannot be done.",
        "debug_id": "90957fca61718",
        "details": details,
    }


def hint(kind: FactKind, *related: str, movement: str | None = None, reason: str | None = None) -> Expected:
    return Expected(kind=kind, reference=ORDER, related=related, movement=movement, reason=reason, trust=Trust.HINT)


def money(
    kind: FactKind, movement: str, amount_minor: int, *names: str, payment_id: str | None = "payment-1"
) -> Expected:
    return Expected(
        kind=kind,
        reference=names[0],
        related=names[1:],
        movement=movement,
        amount_minor=amount_minor,
        currency="USD",
        payment_id=payment_id,
        trust=Trust.HINT,
    )


def failed_refund(status: str) -> Expected:
    return Expected(
        kind=FactKind.REFUND_FAILED,
        reference=CAPTURE,
        movement=REFUND,
        amount_minor=400,
        currency="USD",
        reason=status,
        trust=Trust.HINT,
    )


def dispute(kind: FactKind, amount_minor: int = 1000) -> Expected:
    return Expected(
        kind=kind,
        reference=CAPTURE,
        movement=DISPUTE,
        amount_minor=amount_minor,
        currency="USD",
        reason=REASON,
        trust=Trust.HINT,
    )


def ignored(reference: str, reason: str) -> Expected:
    return Expected(kind=FactKind.IGNORED, reference=reference, payment_id=None, reason=reason, trust=Trust.HINT)


CAPTURED = money(FactKind.CAPTURED, CAPTURE, 1000, ORDER, CAPTURE)
AUTHORIZED = money(FactKind.AUTHORIZED, AUTHORIZATION, 1000, ORDER, AUTHORIZATION)

SAMPLES: dict[str, tuple[Expected, ...]] = {
    "checkout.order.approved": (hint(FactKind.PROCESSING),),
    "checkout.order.completed": (CAPTURED,),
    "checkout.order.completed.authorized": (AUTHORIZED,),
    "checkout.order.completed.partly_refunded": (
        CAPTURED,
        money(FactKind.REFUNDED, REFUND, 400, ORDER, CAPTURE),
    ),
    "checkout.order.completed.without_payments": (hint(FactKind.PROCESSING),),
    "checkout.payment-approval.reversed": (hint(FactKind.CANCELLED),),
    "payment.authorization.created": (AUTHORIZED,),
    "payment.authorization.created.pending": (hint(FactKind.PROCESSING, AUTHORIZATION, movement=AUTHORIZATION),),
    "payment.authorization.created.denied": (
        hint(FactKind.FAILED, AUTHORIZATION, movement=AUTHORIZATION, reason="DENIED"),
    ),
    "payment.authorization.voided": (hint(FactKind.CANCELLED, AUTHORIZATION, movement=AUTHORIZATION),),
    "payment.capture.completed": (CAPTURED,),
    "payment.capture.completed.of_authorization": (
        money(FactKind.CAPTURED, CAPTURE, 1000, ORDER, AUTHORIZATION, CAPTURE),
    ),
    "payment.capture.completed.without_order": (money(FactKind.CAPTURED, CAPTURE, 1000, CAPTURE),),
    "payment.capture.completed.older_api": (
        ignored(CAPTURE, "PAYMENT.CAPTURE.COMPLETED comes from an older API, whose payments are not made here"),
    ),
    "payment.capture.completed.unknown_status": (ignored(CAPTURE, "unmapped status TELEPORTED"),),
    "payment.capture.pending": (hint(FactKind.PROCESSING, CAPTURE, movement=CAPTURE),),
    "payment.capture.denied": (hint(FactKind.FAILED, CAPTURE, movement=CAPTURE, reason="DECLINED: PENDING_REVIEW"),),
    "payment.capture.declined": (
        hint(FactKind.FAILED, CAPTURE, movement=CAPTURE, reason="DECLINED: response code 5120"),
    ),
    "payment.capture.declined.failed": (hint(FactKind.FAILED, CAPTURE, movement=CAPTURE, reason="FAILED"),),
    "payment.capture.declined.of_authorization": (
        hint(FactKind.ATTEMPT_FAILED, AUTHORIZATION, CAPTURE, movement=CAPTURE, reason="DECLINED"),
    ),
    "payment.capture.refunded": (money(FactKind.REFUNDED, REFUND, 400, CAPTURE),),
    "payment.capture.reversed": (money(FactKind.REVERSED, REFUND, 1000, CAPTURE, REFUND),),
    "payment.refund.pending": (money(FactKind.REFUND_PENDING, REFUND, 400, CAPTURE),),
    "payment.refund.failed": (failed_refund("FAILED"),),
    "payment.refund.failed.cancelled": (failed_refund("CANCELLED: ECHECK"),),
    "customer.dispute.created": (dispute(FactKind.DISPUTE_OPENED),),
    "customer.dispute.updated": (dispute(FactKind.DISPUTE_OPENED),),
    "customer.dispute.updated.under_review": (dispute(FactKind.DISPUTE_OPENED),),
    "customer.dispute.resolved": (dispute(FactKind.DISPUTE_LOST, 600),),
    "customer.dispute.resolved.accepted": (dispute(FactKind.DISPUTE_LOST),),
    "customer.dispute.resolved.resolved_seller_favour": (dispute(FactKind.DISPUTE_WON),),
    "customer.dispute.resolved.canceled_by_buyer": (dispute(FactKind.DISPUTE_WON),),
    "customer.dispute.resolved.denied": (dispute(FactKind.DISPUTE_WON),),
    "customer.dispute.resolved.resolved_with_payout": (ignored(DISPUTE, "unmapped status RESOLVED_WITH_PAYOUT"),),
    "risk.dispute.created": (dispute(FactKind.DISPUTE_OPENED),),
    "payment.payoutsbatch.success": (
        ignored("WH-58D329510W468432D-8HN6503300361105X", "unmapped event type PAYMENT.PAYOUTSBATCH.SUCCESS"),
    ),
    "vault.payment-token.created": (ignored("9n6724m", "unmapped event type VAULT.PAYMENT-TOKEN.CREATED"),),
    "billing.subscription.activated": (
        ignored("I-BW452GLLEP1G", "unmapped event type BILLING.SUBSCRIPTION.ACTIVATED"),
    ),
}

AUTHORIZED_ORDER = {
    "id": ORDER,
    "intent": "AUTHORIZE",
    "status": "COMPLETED",
    "purchase_units": [
        {
            "payments": {
                "authorizations": [
                    {
                        "id": AUTHORIZATION,
                        "status": "CREATED",
                        "amount": {"currency_code": "USD", "value": "12.00"},
                    }
                ]
            }
        }
    ],
}

CASES = GatewayCases(
    gateway="paypal",
    credentials=CREDENTIALS,
    deliver=deliver,
    proof=HeaderProof("paypal-transmission-sig"),
    secret_field="webhook_id",
    previous_secret_field="previous_webhook_id",
    other_secret="0WH00000000000000",
    samples=SAMPLES,
    captured=captured,
    amount="12.00",
    amounts=(
        ("10.00", "USD", 1000),
        ("10", "USD", 1000),
        ("0.01", "EUR", 1),
        ("500", "JPY", 500),
        ("500", "HUF", 50_000),
        ("500", "TWD", 50_000),
        ("1.234", "TND", 1_234),
        ("1.2", "TND", 1_200),
    ),
    refused_amounts=(
        (10.99, "USD"),
        (1000, "USD"),
        ("-1.00", "USD"),
        ("10.999", "USD"),
        ("1e3", "USD"),
        ("10,00", "USD"),
        ("500.5", "JPY"),
        (None, "USD"),
        (True, "USD"),
        ("1.00", "XXX"),
        ("1.00", "usd"),
    ),
    unmapped=unmapped,
    event_time=event_time,
    prepare=prepare,
    connect=connects(PayPalCredentials, PayPalConnector),
    payment_reference=ORDER,
    authorization_reference=AUTHORIZATION,
    capture_reference=CAPTURE,
    payment_method_token="9n6724m",
    mandate_reference="5C991763VB2781612",
    customer_reference="customer_4029352050",
    payment_method_reference="9n6724m",
    error_body=error_body,
    preliminary={"/v1/oauth2/token": {"access_token": "A21AA", "token_type": "Bearer", "expires_in": 32_400}},
    before_capture=AUTHORIZED_ORDER,
)
