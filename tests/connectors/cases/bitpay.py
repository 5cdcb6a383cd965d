"""BitPay's table of cases: an account with both facades that asks for signed callbacks."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

from connectors.bitpay.client import BitPayConnector
from connectors.bitpay.registration import BitPayCredentials
from domain.facts import FactKind, Trust
from tests.connectors.case import Delivery, Expected, GatewayCases, HeaderProof, connects
from tests.gateways.bitpay import PRIVATE_KEY

INVOICE, REFUND = "G3viJEJgE8Jk2oekSdgT2A", "TPxL75VtRRuoNexUaNQ8da"


def sign(token: str, body: bytes) -> str:
    """BitPay's scheme: base64 HMAC-SHA256 over the body, by the token that made the invoice."""
    return base64.b64encode(hmac.new(token.encode(), body, hashlib.sha256).digest()).decode()


def deliver(body: bytes, secret: str, _: datetime) -> Delivery:
    """A body as BitPay posts it."""
    return Delivery(body=body, headers=(("content-type", "application/json"), ("x-signature", sign(secret, body))))


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """An invoice that is confirmed."""
    invoice = {"id": INVOICE, "posData": payment_id, "status": "confirmed", "price": amount, "currency": currency}
    return json.dumps({"event": {"name": "invoice_confirmed"}, "data": invoice}).encode()


def unmapped() -> bytes:
    """An event of a name that there is not."""
    return json.dumps(json.loads(captured(12, "USD")) | {"event": {"name": "moon_phaseChanged"}}).encode()


def event_time(body: bytes) -> datetime | None:
    """BitPay's clock when it made the callback, which it tells with invoices."""
    event = json.loads(body)
    told = event.get("data", event).get("currentTime")
    return datetime.fromtimestamp(told / 1000, UTC) if told is not None else None


def error_body(message: str) -> object:
    """BitPay's error."""
    return {"status": "error", "code": "010207", "data": None, "message": message}


def of_invoice(kind: FactKind, reason: str | None = None) -> Expected:
    return Expected(kind=kind, reference=INVOICE, reason=reason, trust=Trust.HINT)


def capture(reason: str | None = None) -> Expected:
    return Expected(
        kind=FactKind.CAPTURED,
        reference=INVOICE,
        movement=INVOICE,
        amount_minor=1099,
        currency="USD",
        reason=reason,
        trust=Trust.HINT,
    )


def refund(kind: FactKind) -> Expected:
    return Expected(
        kind=kind,
        reference=INVOICE,
        movement=REFUND,
        amount_minor=500,
        currency="USD",
        payment_id=None,
        trust=Trust.HINT,
    )


def ignored(reason: str, reference: str = INVOICE) -> Expected:
    return Expected(kind=FactKind.IGNORED, reference=reference, payment_id=None, reason=reason, trust=Trust.HINT)


OVER = "paidOver: more than the price was paid, and the difference is the payer's"
PARTIAL = "paidPartial: less than the price was paid, which BitPay gives back"
LATE = "paidLate: it was paid too late, and may still be completed"

SAMPLES: dict[str, tuple[Expected, ...]] = {
    "invoice_paidInFull": (of_invoice(FactKind.PROCESSING),),
    "invoice_paidInFull.over": (of_invoice(FactKind.PROCESSING, OVER),),
    "invoice_confirmed": (capture(),),
    "invoice_confirmed.over": (capture(OVER),),
    "invoice_confirmed.older_form": (capture(),),
    "invoice_completed": (capture(),),
    "invoice_expired": (of_invoice(FactKind.CANCELLED, "expired"),),
    "invoice_expired.older_form": (of_invoice(FactKind.CANCELLED, "expired"),),
    "invoice_expired.cancelled": (of_invoice(FactKind.CANCELLED, "expired"),),
    "invoice_expired.partial": (of_invoice(FactKind.IGNORED, PARTIAL),),
    "invoice_expired.late": (of_invoice(FactKind.IGNORED, LATE),),
    "invoice_failedToConfirm": (of_invoice(FactKind.FAILED, "invalid"),),
    "invoice_declined": (of_invoice(FactKind.FAILED, "declined"),),
    "invoice_refundComplete": (capture(),),
    "invoice_manuallyNotified": (of_invoice(FactKind.PROCESSING, PARTIAL),),
    "invoice_manuallyNotified.new": (of_invoice(FactKind.IGNORED, "the invoice waits for the payer"),),
    "invoice_manuallyNotified.unknown_status": (of_invoice(FactKind.IGNORED, "unmapped status frozen"),),
    "refund_created": (refund(FactKind.REFUND_PENDING),),
    "refund_created.preview": (ignored("the refund is a preview"),),
    "refund_pending": (refund(FactKind.REFUND_PENDING),),
    "refund_pending.unknown_status": (ignored("unmapped status lost"),),
    "refund_success": (refund(FactKind.REFUNDED),),
    "refund_success.overpayment": (ignored("BitPay itself gives this back (overpayment); it was never captured"),),
    "refund_failure": (refund(FactKind.REFUND_FAILED),),
    "refund_cancelled": (refund(FactKind.REFUND_FAILED),),
    "payout_complete": (ignored("unmapped event type payout_complete", "JMwv8wQCXANoU2ZZQ9a9GH"),),
}

CASES = GatewayCases(
    gateway="bitpay",
    credentials={
        "pos_token": "suite_pos_token_current",
        "merchant_token": "suite_merchant_token",
        "private_key": PRIVATE_KEY,
        "callback_url": "https://hooks.example/webhooks/bitpay/acme",
    },
    deliver=deliver,
    # An account may take callbacks without a signature.
    proof=HeaderProof("x-signature", required_at_the_door=False),
    secret_field="pos_token",
    previous_secret_field="previous_pos_token",
    samples=SAMPLES,
    captured=captured,
    amount=12,
    amounts=(
        (10.99, "USD", 1099),
        (10.9, "EUR", 1090),
        (12.0, "USD", 1200),
        (7, "GBP", 700),
        (1200, "JPY", 1200),
        (1.234, "KWD", 1234),
        (0.01, "USD", 1),
    ),
    refused_amounts=(
        (-1, "USD"),
        (1.001, "USD"),
        (12.5, "JPY"),
        (1e22, "USD"),
        (1e300, "USD"),
        ("12.00", "USD"),
        (None, "USD"),
        (True, "USD"),
        (1, "XXX"),
        (0.00012, "BTC"),
    ),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(BitPayCredentials, BitPayConnector),
    payment_reference=INVOICE,
    capture_reference=INVOICE,
    error_body=error_body,
)
