"""Klarna's table of cases. Its proof is a token in the address; the body is not covered, and tells no amounts."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from connectors.klarna.client import KlarnaConnector
from connectors.klarna.registration import KlarnaCredentials
from domain.facts import FactKind, Trust
from tests.connectors.case import Delivery, Expected, GatewayCases, QueryProof, connects
from tests.gateways.klarna import COUNTRY, LOCALE, PASSWORD, USERNAME

PAGE, SESSION = "d4c0e2a8-3a52-4b6e-9c4f-0a1b2c3d4e5f", "0b1d9815-165e-42e2-8867-35bc03789e00"
PAYMENT = f"{PAGE}~{SESSION}"
ORDER, CAPTURE = "f3392f8b-6116-4073-ab96-e330819e2c07", "4ba29b50-be7b-44f5-a492-113e6a865e22"
AUTHORIZATION = "1eddf502-f3a0-45bf-b1fd-f2e3a2758200"
REQUEST = "krn:payment:eu1:request:1"

CREDENTIALS = {
    "username": USERNAME,
    "password": PASSWORD,
    "purchase_country": COUNTRY,
    "locale": LOCALE,
    "callback_url": "https://pay.example/webhooks/klarna/acme",
    "url_secret": "suite-url-secret",
}


def token(secret: str, text: str) -> str:
    """Hex HMAC-SHA256, as the account's description of its secret says."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """A body as Klarna posts it, to the address that it was told for callbacks of that kind."""
    if b'"metadata"' in body:
        parameters = {"token": token(secret, "account")}
    elif b'"session"' in body:
        proof = token(secret, f"payment payment-1 {SESSION}")
        parameters = {"payment": "payment-1", "session": SESSION, "token": proof}
    else:
        parameters = {"payment": "payment-1", "token": token(secret, "payment payment-1"), "order_id": ORDER}
    target = f"/webhooks/klarna/acme?{urlencode(parameters)}"
    return Delivery(body=body, headers=(("content-type", "application/json"),), target=target)


def completed(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A page on which the payer has paid; no callback of Klarna's tells more than that."""
    return json.dumps({"event_id": "ev-1", "session": {"session_id": PAGE, "status": "COMPLETED"}}).encode()


def unmapped() -> bytes:
    """A page in a state that there is not."""
    return json.dumps({"event_id": "ev-1", "session": {"session_id": PAGE, "status": "ON_THE_MOON"}}).encode()


def event_time(body: bytes) -> datetime | None:
    """When Klarna made the event."""
    event = json.loads(body) if body else {}
    told = event.get("session", {}).get("updated_at") or event.get("metadata", {}).get("occurred_at")
    return None if told is None else datetime.fromisoformat(told)


def error_body(message: str) -> object:
    """Klarna's error about a request."""
    return {"correlation_id": "66782175", "error_code": "BAD_VALUE", "error_messages": [message]}


def hint(kind: FactKind, reference: str, *related: str, reason: str | None = None) -> Expected:
    return Expected(kind=kind, reference=reference, related=related, reason=reason, trust=Trust.HINT)


def silent(status: str) -> Expected:
    return hint(FactKind.IGNORED, PAYMENT, reason=f"{status} says nothing about the payment")


def of_network(kind: FactKind, reason: str | None = None, reference: str = REQUEST) -> Expected:
    return replace(hint(kind, reference, reason=reason), payment_id=None)


def silent_event(state: str) -> Expected:
    name = f"payment.request.state-change.{state}"
    return of_network(FactKind.IGNORED, f"{name} says nothing about the payment")


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "page.waiting": (silent("WAITING"),),
    "page.in_progress": (silent("IN_PROGRESS"),),
    "page.back": (silent("BACK"),),
    "page.manual_id_check": (silent("MANUAL_ID_CHECK"),),
    "page.completed": (hint(FactKind.PROCESSING, PAYMENT, ORDER),),
    "page.completed.without_order": (hint(FactKind.PROCESSING, PAYMENT),),
    "page.failed": (hint(FactKind.ATTEMPT_FAILED, PAYMENT),),
    "page.error": (hint(FactKind.ATTEMPT_FAILED, PAYMENT),),
    "page.cancelled": (hint(FactKind.CANCELLED, PAYMENT),),
    "page.timeout": (hint(FactKind.CANCELLED, PAYMENT),),
    "page.disabled": (hint(FactKind.CANCELLED, PAYMENT),),
    "push": (hint(FactKind.AUTHORIZED, ORDER),),
    "notification.fraud_risk_accepted": (hint(FactKind.AUTHORIZED, ORDER),),
    "notification.fraud_risk_rejected": (hint(FactKind.FAILED, ORDER),),
    "notification.fraud_risk_stopped": (
        hint(FactKind.IGNORED, ORDER, reason="unmapped event type FRAUD_RISK_STOPPED"),
    ),
    "network.submitted": (silent_event("submitted"),),
    "network.prepared": (silent_event("prepared"),),
    "network.in-progress": (of_network(FactKind.PROCESSING),),
    "network.pending-confirmation": (of_network(FactKind.REQUIRES_ACTION),),
    "network.authorized": (of_network(FactKind.AUTHORIZED),),
    "network.completed": (of_network(FactKind.AUTHORIZED),),
    "network.canceled": (of_network(FactKind.CANCELLED),),
    "network.expired": (of_network(FactKind.CANCELLED),),
    "network.declined": (of_network(FactKind.FAILED),),
    "network.dispute_opened": (
        of_network(FactKind.IGNORED, "unmapped event type payment.dispute.state-change.opened", "ev-dispute"),
    ),
}

CASES = GatewayCases(
    gateway="klarna",
    credentials=CREDENTIALS,
    deliver=deliver,
    proof=QueryProof("token"),
    covers="nothing",
    secret_field="url_secret",
    previous_secret_field="previous_url_secret",
    samples=SAMPLES,
    captured=completed,
    captured_kind=FactKind.PROCESSING,
    amount=1200,
    currency="SEK",
    amounts=(),
    refused_amounts=(),
    unusable_payment_ids=(),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(KlarnaCredentials, KlarnaConnector),
    payment_reference=PAYMENT,
    authorization_reference=ORDER,
    capture_reference=CAPTURE,
    payment_method_token=AUTHORIZATION,
    mandate_token=AUTHORIZATION,
    error_body=error_body,
    preliminary={
        "/payments/v1/sessions": {
            "session_id": SESSION,
            "client_token": "client-token",
            "status": "incomplete",
            "order_amount": 1200,
            "purchase_currency": "SEK",
        },
    },
)
