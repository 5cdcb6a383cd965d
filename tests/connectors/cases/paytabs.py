"""PayTabs' table of cases."""

import hashlib
import hmac
import json
from datetime import datetime

from connectors.paytabs.client import PayTabsConnector
from connectors.paytabs.registration import PayTabsCredentials
from domain.facts import FactKind
from tests.connectors.case import Delivery, Expected, GatewayCases, HeaderProof, connects

CART, SALE, CAPTURE, VOID, REFUND = (
    "payment-1",
    "TST2600100000001",
    "TST2600100000002",
    "TST2600100000003",
    "TST2600100000004",
)
TOKEN = "2C4653BD67A3EA35C6B090FD677A8ABB"


def deliver(body: bytes, secret: str, _: datetime) -> Delivery:
    """PayTabs' scheme: hex HMAC-SHA256 over the body alone."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Delivery(body=body, headers=(("content-type", "application/json"), ("signature", signature)))


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A sale that was approved."""
    transaction = {
        "tran_ref": SALE,
        "cart_id": payment_id,
        "cart_currency": currency,
        "cart_amount": amount,
        "tran_type": "Sale",
        "payment_result": {"response_status": "A"},
    }
    return json.dumps(transaction).encode()


def unmapped() -> bytes:
    """A transaction of a type that nobody has heard of."""
    return captured("12.00", "USD").replace(b'"Sale"', b'"Teleport"')


def event_time(body: bytes) -> datetime:
    """The time that every sample tells."""
    return datetime.fromisoformat(json.loads(body)["payment_result"]["transaction_time"])


def of_payment(kind: FactKind, reason: str | None = None) -> Expected:
    return Expected(kind=kind, reference=CART, related=(SALE,), movement=SALE, reason=reason)


def with_money(kind: FactKind, amount_minor: int = 15000, currency: str = "AED") -> Expected:
    return Expected(
        kind=kind,
        reference=CART,
        related=(SALE,),
        movement=SALE,
        amount_minor=amount_minor,
        currency=currency,
    )


def follow_up(
    kind: FactKind, movement: str, amount_minor: int | None = None, reason: str | None = None, cart: str | None = CART
) -> Expected:
    names = [name for name in (cart, movement, SALE) if name is not None]
    return Expected(
        kind=kind,
        reference=names[0],
        related=tuple(names[1:]),
        movement=movement,
        amount_minor=amount_minor,
        currency=None if amount_minor is None else "AED",
        payment_id=cart,
        reason=reason,
    )


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "sale.approved": (with_money(FactKind.CAPTURED),),
    "sale.approved.small_letters": (with_money(FactKind.CAPTURED),),
    "sale.approved.three_decimals": (with_money(FactKind.CAPTURED, 1234, "KWD"),),
    "sale.approved.number": (with_money(FactKind.CAPTURED, 15050),),
    "sale.approved.charged_in_dollars": (with_money(FactKind.CAPTURED),),
    "sale.approved.foreign_cart": (
        Expected(
            kind=FactKind.CAPTURED,
            reference="CART#1001",
            related=(SALE,),
            movement=SALE,
            amount_minor=15000,
            currency="AED",
            payment_id=None,
        ),
    ),
    "sale.approved.recurring": (
        Expected(
            kind=FactKind.CAPTURED,
            reference="payment-2",
            related=("TST2600100000009",),
            movement="TST2600100000009",
            amount_minor=15000,
            currency="AED",
            payment_id="payment-2",
        ),
    ),
    "sale.approved.other_profile": (of_payment(FactKind.IGNORED, "the callback is about another profile"),),
    "sale.held": (of_payment(FactKind.PROCESSING),),
    "sale.pending": (of_payment(FactKind.PROCESSING),),
    "sale.voided": (of_payment(FactKind.CANCELLED, "481: Voided"),),
    "sale.expired": (of_payment(FactKind.CANCELLED, "481: Expired"),),
    "sale.cancelled": (of_payment(FactKind.CANCELLED, "481: Cancelled"),),
    "sale.declined": (of_payment(FactKind.FAILED, "310: Declined"),),
    "sale.error": (of_payment(FactKind.FAILED, "318: Unsupported Operation"),),
    "sale.unknown_status": (of_payment(FactKind.IGNORED, "unmapped status Z of the type sale"),),
    "auth.approved": (with_money(FactKind.AUTHORIZED),),
    "auth.held": (of_payment(FactKind.PROCESSING),),
    "auth.declined": (of_payment(FactKind.FAILED, "310: Declined"),),
    "capture.approved": (follow_up(FactKind.CAPTURED, CAPTURE, 10000),),
    "capture.declined": (follow_up(FactKind.IGNORED, CAPTURE, reason="unmapped status D of the type capture"),),
    "void.approved": (follow_up(FactKind.CANCELLED, VOID),),
    "void.error": (follow_up(FactKind.IGNORED, VOID, reason="unmapped status E of the type void"),),
    "release.approved": (follow_up(FactKind.CANCELLED, VOID),),
    "refund.approved": (follow_up(FactKind.REFUNDED, REFUND, 5000),),
    "refund.approved.foreign_cart": (follow_up(FactKind.REFUNDED, REFUND, 5000, cart=None),),
    "refund.pending": (follow_up(FactKind.REFUND_PENDING, REFUND, 5000),),
    "refund.declined": (follow_up(FactKind.REFUND_FAILED, REFUND, reason="481: Declined"),),
    "refund.error": (follow_up(FactKind.REFUND_FAILED, REFUND, reason="206: Unable to process your request"),),
    "register.approved": (
        Expected(
            kind=FactKind.IGNORED,
            reference="mandate-1",
            related=(SALE,),
            movement=SALE,
            payment_id="mandate-1",
            reason="the callback is about a mandate, whose state is read back when it is charged",
        ),
    ),
    "payment_request.pending": (of_payment(FactKind.IGNORED, "unmapped status P of the type payment request"),),
}

CASES = GatewayCases(
    gateway="paytabs",
    credentials={"profile_id": "45678", "server_key": "SJJN2K6LRT-SUITE000001-AAAABBBBCC", "region": "ARE"},
    deliver=deliver,
    proof=HeaderProof("signature"),
    secret_field="server_key",
    previous_secret_field="previous_server_key",
    samples=SAMPLES,
    captured=captured,
    amount="12.00",
    amounts=(
        ("150.00", "AED", 15000),
        ("150", "AED", 15000),
        (150, "AED", 15000),
        ("1.234", "KWD", 1234),
        ("0.005", "BHD", 5),
        ("500", "JPY", 500),
        ("500.00", "JPY", 500),
    ),
    refused_amounts=(
        ("-1.00", "AED"),
        ("1.005", "AED"),
        ("0.5", "JPY"),
        ("1,200.00", "AED"),
        ("1e3", "AED"),
        ("", "AED"),
        (None, "AED"),
        (True, "AED"),
        (1e300, "AED"),
        ("1.00", "XXX"),
        ("1.00", "aed"),
    ),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(PayTabsCredentials, PayTabsConnector),
    payment_reference=CART,
    authorization_reference=SALE,
    capture_reference=SALE,
    customer_reference=SALE,
    payment_method_reference=TOKEN,
    error_body=lambda message: {"code": 2, "message": message, "trace": "PMNT0404.6399E3D5.0000372C"},
    read_paths=("/payment/query",),
    takes_thousandths=True,
    before_capture=[
        {
            "tran_ref": SALE,
            "cart_id": CART,
            "cart_currency": "USD",
            "cart_amount": "12.00",
            "tran_type": "Auth",
            "payment_result": {"response_status": "A"},
        }
    ],
)
