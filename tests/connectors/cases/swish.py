"""Swish's table of cases. Its proof is the identifier of the request, which covers nothing but the request's name."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from connectors.http_client import encode_json
from connectors.swish.client import SwishConnector
from connectors.swish.registration import SwishCredentials
from domain.facts import FactKind, Trust
from tests.connectors.case import Delivery, Expected, GatewayCases, HeaderProof, connects
from tests.gateways.swish import MERCHANT_NUMBER
from tests.gateways.swish_payer import NO_CERTIFICATE

PAYMENT, BANK = "AB23D7406ECE4542A80152D909EF9F6B", "6D6CD7406ECE4542A80152D909EF9F6B"
REFUND = "5D59DA1B1632424E874DDB219AD54597"

CREDENTIALS = {
    **NO_CERTIFICATE,
    "merchant_swish_number": MERCHANT_NUMBER,
    "client_key_passphrase": "suite-passphrase",
    "callback_url": "https://pay.example/webhooks/swish/acme",
    "callback_secret": "suite-callback-secret",
}


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """A body as Swish posts it, with the identifier that the request of this name was made with."""
    try:
        item = json.loads(body)
        name = str(item["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        name = PAYMENT
    identifier = hmac.new(secret.encode(), name.encode(), hashlib.sha256).hexdigest()[:36]
    return Delivery(body=body, headers=(("content-type", "application/json"), ("callbackidentifier", identifier)))


def paid(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A payment request that is paid."""
    money = {"amount": amount, "currency": currency, "payeePaymentReference": payment_id}
    return encode_json({"id": PAYMENT, "paymentReference": BANK, "status": "PAID", **money})


def unmapped() -> bytes:
    """A payment request in a state that there is not."""
    return json.dumps({"id": PAYMENT, "status": "TELEPORTED"}).encode()


def event_time(body: bytes) -> datetime | None:
    """When the payment or refund was made; nothing else has a time."""
    told = json.loads(body)["datePaid"]
    return None if told is None else datetime.fromisoformat(told)


def error_body(message: str) -> object:
    """Swish's errors about a request."""
    return [{"errorCode": "FF08", "errorMessage": message, "additionalInformation": None}]


def of_payment(kind: FactKind, reason: str | None = None) -> Expected:
    return Expected(kind=kind, reference=PAYMENT, reason=reason, trust=Trust.HINT)


def captured(amount_minor: int = 10_000) -> Expected:
    return Expected(
        kind=FactKind.CAPTURED,
        reference=PAYMENT,
        related=(BANK,),
        movement=BANK,
        amount_minor=amount_minor,
        currency="SEK",
        trust=Trust.HINT,
    )


def refund(kind: FactKind, reason: str | None = None) -> Expected:
    return Expected(
        kind=kind,
        reference=BANK,
        movement=REFUND,
        amount_minor=4_000,
        currency="SEK",
        reason=reason,
        trust=Trust.HINT,
    )


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "payment.paid": (captured(),),
    "payment.paid.amount_as_text": (captured(10_050),),
    "payment.paid.long_payment_id": (replace(captured(), payment_id=None),),
    "payment.created": (of_payment(FactKind.REQUIRES_ACTION),),
    "payment.declined": (of_payment(FactKind.FAILED, "DECLINED"),),
    "payment.cancelled": (of_payment(FactKind.CANCELLED, "CANCELLED"),),
    "payment.error.tm01": (of_payment(FactKind.CANCELLED, "TM01: Swish timed out before the payment was started"),),
    "payment.error.bankidcl": (of_payment(FactKind.CANCELLED, "BANKIDCL: Payer cancelled BankID signing"),),
    "payment.error.rf07": (of_payment(FactKind.FAILED, "RF07: Transaction declined"),),
    "payment.error.ff10": (of_payment(FactKind.FAILED, "FF10: Bank system processing error"),),
    "payment.error.ds24": (of_payment(FactKind.PROCESSING),),
    "payment.unknown_status": (of_payment(FactKind.IGNORED, "unmapped status TELEPORTED"),),
    "refund.created": (refund(FactKind.REFUND_PENDING),),
    "refund.validated": (refund(FactKind.REFUND_PENDING),),
    "refund.debited": (refund(FactKind.REFUND_PENDING),),
    "refund.paid": (refund(FactKind.REFUNDED),),
    "refund.error": (refund(FactKind.REFUND_FAILED, "RF07: Transaction declined"),),
    "refund.error.ds24": (refund(FactKind.REFUND_PENDING),),
    "refund.without_our_reference": (replace(refund(FactKind.REFUND_PENDING), payment_id=None),),
    "refund.unknown_status": (
        Expected(kind=FactKind.IGNORED, reference=BANK, reason="unmapped status TELEPORTED", trust=Trust.HINT),
    ),
}

CASES = GatewayCases(
    gateway="swish",
    credentials=CREDENTIALS,
    deliver=deliver,
    proof=HeaderProof("callbackidentifier"),
    covers="fields",
    secret_field="callback_secret",
    previous_secret_field="previous_callback_secret",
    samples=SAMPLES,
    captured=paid,
    amount=Decimal("12.00"),
    currency="SEK",
    amounts=(
        (100, "SEK", 10_000),
        (Decimal("100.00"), "SEK", 10_000),
        ("100.00", "SEK", 10_000),
        ("0.01", "SEK", 1),
        (Decimal("0.1"), "SEK", 10),
        ("999999999999.99", "SEK", 99_999_999_999_999),
    ),
    refused_amounts=(
        (-1, "SEK"),
        ("-0.01", "SEK"),
        (Decimal("1.005"), "SEK"),
        ("1,00", "SEK"),
        ("", "SEK"),
        (None, "SEK"),
        (True, "SEK"),
        ([100], "SEK"),
        (100, "EUR"),
        (100, "sek"),
        (100, "XXX"),
    ),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(SwishCredentials, SwishConnector),
    payment_reference=PAYMENT,
    capture_reference=BANK,
    error_body=error_body,
)
