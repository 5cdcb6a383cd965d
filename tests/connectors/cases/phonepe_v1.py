"""The table of cases of PhonePe's legacy API."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import datetime

from connectors.phonepe_v1.client import PhonePeV1Connector
from connectors.phonepe_v1.registration import PhonePeV1Credentials
from domain.facts import FactKind
from tests.connectors.case import Delivery, Expected, GatewayCases, HeaderProof, connects
from tests.gateways.phonepe_v1 import MERCHANT_ID, SALT_INDEX, SALT_KEY

PAYMENT, TRANSACTION = "payment-1", "T2601021200000000000001"
STEM, REFUND = "Ra-IBemZtKSDesYGw", "Ra-IBemZtKSDesYGwkcF54tNvUoqoZCqB"
"""What the names of the payment's refunds begin with, and the name of the refund of `command-2`."""

UUID = "0b6c6a52-0d0f-4a64-9d5e-8d2c8f0f8a11"


def deliver(body: bytes, secret: str, signed_at: datetime) -> Delivery:
    """A body as PhonePe posts it: the response in it is signed as it stands."""
    digest = hashlib.sha256((_response_in(body) + secret).encode()).hexdigest()
    headers = (("content-type", "application/json"), ("x-verify", f"{digest}###{SALT_INDEX}"))
    return Delivery(body=body, headers=headers)


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A payment that was made; its name is what PhonePe repeats to us of it."""
    return _callback("PAYMENT_SUCCESS", amount, PAYMENT if payment_id is None else payment_id)


def unmapped() -> bytes:
    """A callback with a code that there is not."""
    return _callback("MOON_PHASE_CHANGED", 50000, PAYMENT)


def event_time(_: bytes) -> datetime | None:
    """Nothing in a callback has a time."""
    return None


def error_body(message: str) -> object:
    """PhonePe's error about a request."""
    return {"success": False, "code": "BAD_REQUEST", "message": message}


def _callback(code: str, amount: object, name: object) -> bytes:
    transaction = {"merchantId": MERCHANT_ID, "merchantTransactionId": name, "transactionId": "T1", "amount": amount}
    document = json.dumps({"code": code, "data": transaction}, separators=(",", ":"))
    response = base64.b64encode(document.encode()).decode()
    return json.dumps({"response": response}, separators=(",", ":")).encode()


def _response_in(body: bytes) -> str:
    try:
        return str(json.loads(body)["response"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return body.decode(errors="replace")


def of_payment(kind: FactKind, reason: str | None = None) -> Expected:
    return Expected(kind=kind, reference=PAYMENT, related=(TRANSACTION, STEM), reason=reason)


def paid(reference: str, stem: str, payment_id: str | None) -> Expected:
    money = replace(of_payment(FactKind.CAPTURED), movement=TRANSACTION, amount_minor=50000, currency="INR")
    return replace(money, reference=reference, related=(TRANSACTION, stem), payment_id=payment_id)


def refund(kind: FactKind, reason: str | None = None) -> Expected:
    told = Expected(kind=kind, reference=STEM, movement=REFUND, amount_minor=20000, currency="INR", reason=reason)
    return replace(told, payment_id=None)


def ignored(reference: str, reason: str) -> Expected:
    return Expected(kind=FactKind.IGNORED, reference=reference, payment_id=None, reason=reason)


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "payment_success": (paid(PAYMENT, STEM, PAYMENT),),
    "payment_success.of_a_uuid": (paid("U0b6c6a520d0f4a649d5e8d2c8f0f8a11", "RSJLTtLneirsC0g9e", UUID),),
    "payment_success.of_a_long_id": (paid("PCey268i878cz9vLsRPeRq-7WqZ7fDMMV", "RhJ5DpkBPPrJ-p32-", None),),
    "payment_success.vector": (
        Expected(
            kind=FactKind.CAPTURED,
            reference="MT1",
            related=("T1", "RKBULiwluqhkLCGQd"),
            movement="T1",
            amount_minor=100,
            currency="INR",
            payment_id="MT1",
        ),
    ),
    "payment_pending": (of_payment(FactKind.PROCESSING),),
    "timed_out": (of_payment(FactKind.PROCESSING),),
    "internal_server_error": (of_payment(FactKind.PROCESSING),),
    "payment_error": (of_payment(FactKind.FAILED, "PAYMENT_ERROR: ZM"),),
    "payment_declined": (of_payment(FactKind.FAILED, "PAYMENT_DECLINED: ZM"),),
    "payment_declined.without_a_transaction": (
        Expected(kind=FactKind.FAILED, reference=PAYMENT, related=(STEM,), reason="PAYMENT_DECLINED"),
    ),
    "authorization_failed": (of_payment(FactKind.FAILED, "AUTHORIZATION_FAILED: ZM"),),
    "bad_request": (of_payment(FactKind.FAILED, "BAD_REQUEST: ZM"),),
    "transaction_not_found": (of_payment(FactKind.FAILED, "TRANSACTION_NOT_FOUND: ZM"),),
    "payment_cancelled": (ignored(PAYMENT, "unmapped status PAYMENT_CANCELLED"),),
    "refund.payment_success": (refund(FactKind.REFUNDED),),
    "refund.payment_pending": (refund(FactKind.REFUND_PENDING),),
    "refund.timed_out": (refund(FactKind.REFUND_PENDING),),
    "refund.payment_error": (refund(FactKind.REFUND_FAILED, "PAYMENT_ERROR: ZM"),),
    "refund.transaction_not_found": (ignored(REFUND, "TRANSACTION_NOT_FOUND says nothing about money"),),
}

CASES = GatewayCases(
    gateway="phonepe_v1",
    credentials={
        "merchant_id": MERCHANT_ID,
        "salt_key": SALT_KEY,
        "salt_index": SALT_INDEX,
        "environment": "sandbox",
        "callback_url": "https://pay.shop.example/webhooks/phonepe_v1/acme",
    },
    deliver=deliver,
    proof=HeaderProof("x-verify"),
    covers="fields",
    secret_field="salt_key",
    previous_secret_field="previous_salt_key",
    samples=SAMPLES,
    captured=captured,
    amount=50000,
    amount_minor=50000,
    currency="INR",
    amounts=((50000, "INR", 50000), (100, "INR", 100), (1, "INR", 1), (0, "INR", 0)),
    refused_amounts=((-1, "INR"), (100.5, "INR"), ("50000", "INR"), (None, "INR"), (True, "INR"), (2**70, "INR")),
    unusable_payment_ids=("P" + "A" * 32,),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(PhonePeV1Credentials, PhonePeV1Connector),
    payment_reference=PAYMENT,
    capture_reference=TRANSACTION,
    error_body=error_body,
)
