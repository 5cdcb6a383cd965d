"""Adyen's table of cases."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connectors.adyen.client import AdyenConnector
from connectors.adyen.registration import AdyenCredentials
from domain.facts import FactKind
from tests.connectors.case import Delivery, Expected, GatewayCases, connects
from tests.gateways.adyen import CREDENTIALS, RETURN_URL, TOKEN_HMAC_KEY
from tests.gateways.adyen_callbacks import sign, signed

PSP = "8835341234567890"
SALE, AUTH = "payment-1.sale", "payment-1.auth"
CAPTURE, REFUND, DISPUTE = "9915341234567802", "9915341234567808", "9915341234567809"
FRAUD = "Other Fraud-Card Absent Environment"
MANDATE_REASON = "is about a mandate, whose payment method is looked up when it is charged"


@dataclass(frozen=True, slots=True)
class ItemProof:
    """The proof of an item, in the item."""

    def read(self, delivery: Delivery) -> str:
        """The item's signature."""
        return str(self._extra(json.loads(delivery.body))["hmacSignature"])

    def write(self, delivery: Delivery, proof: str | None) -> Delivery:
        """Replace or drop the signature."""
        body = json.loads(delivery.body)
        extra = self._extra(body)
        del extra["hmacSignature"]
        if proof is not None:
            extra["hmacSignature"] = proof
        return replace(delivery, body=json.dumps(body).encode())

    def repeat(self, delivery: Delivery) -> Delivery:
        """Write the signature twice into the item."""
        proof = json.dumps({"hmacSignature": self.read(delivery)})[1:-1].encode()
        return replace(delivery, body=delivery.body.replace(proof, proof + b", " + proof))

    @staticmethod
    def _extra(body: dict[str, Any]) -> dict[str, Any]:
        extra = body["notificationItems"][0]["NotificationRequestItem"]["additionalData"]
        assert isinstance(extra, dict)
        return extra


def deliver(body: bytes, secret: str, _: datetime) -> Delivery:
    """Adyen's two schemes: a signature in each item, or one in a header for the webhooks that have no items."""
    headers = (("content-type", "application/json"),)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return Delivery(body=body, headers=headers)
    if not isinstance(content, dict):
        return Delivery(body=body, headers=headers)
    if "data" in content:
        return Delivery(body=body, headers=(*headers, ("hmacsignature", sign(body, TOKEN_HMAC_KEY))))
    for holder in content.get("notificationItems", []):
        holder["NotificationRequestItem"] = signed(holder["NotificationRequestItem"], secret)
    return Delivery(body=json.dumps(content).encode(), headers=headers)


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """A capture that was asked for."""
    item = {
        "pspReference": CAPTURE,
        "originalReference": PSP,
        "merchantAccountCode": "TestMerchant",
        "merchantReference": "order-1" if payment_id is None else f"{payment_id}.auth",
        "amount": {"value": amount, "currency": currency},
        "eventCode": "CAPTURE",
        "success": "true",
    }
    return json.dumps({"notificationItems": [{"NotificationRequestItem": item}]}).encode()


def unmapped() -> bytes:
    """An event that no payment knows."""
    return captured(1200, "USD").replace(b'"CAPTURE"', b'"MOON_PHASE_CHANGED"')


def event_time(body: bytes) -> datetime | None:
    """The time of a sample's event, or of its only item's."""
    content = json.loads(body)
    told = content.get("createdAt") or content["notificationItems"][0]["NotificationRequestItem"]["eventDate"]
    return datetime.fromisoformat(told)


def of_payment(kind: FactKind, reference: str = AUTH, movement: str | None = PSP, amount_minor: int = 1200) -> Expected:
    return Expected(
        kind=kind,
        reference=reference,
        related=(PSP,),
        movement=movement,
        amount_minor=amount_minor,
        currency="USD",
    )


def plain(kind: FactKind, reference: str = AUTH, movement: str | None = None, reason: str | None = None) -> Expected:
    return Expected(kind=kind, reference=reference, related=(PSP,), movement=movement, reason=reason)


def refund(kind: FactKind, reason: str | None = None) -> Expected:
    return replace(of_payment(kind, SALE, REFUND, 500), reason=reason)


def dispute(kind: FactKind, reason: str | None = None) -> Expected:
    return replace(of_payment(kind, SALE, DISPUTE), reason=reason)


def foreign(kind: FactKind, reference: str, movement: str, amount_minor: int, currency: str) -> Expected:
    return Expected(
        kind=kind,
        reference=reference,
        movement=movement,
        amount_minor=amount_minor,
        currency=currency,
        payment_id=None,
    )


def ignored(reference: str, reason: str, related: tuple[str, ...] = (), payment_id: str | None = None) -> Expected:
    return Expected(kind=FactKind.IGNORED, reference=reference, related=related, payment_id=payment_id, reason=reason)


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "authorisation.sale": (of_payment(FactKind.CAPTURED, SALE),),
    "authorisation.auth": (of_payment(FactKind.AUTHORIZED),),
    "authorisation.refused": (plain(FactKind.ATTEMPT_FAILED, SALE, PSP, "Not enough balance"),),
    "authorisation.not_made_here": (foreign(FactKind.AUTHORIZED, PSP, PSP, 1200, "USD"),),
    "authorisation.of_a_mandate": (ignored("mandate-1.mandate", f"AUTHORISATION {MANDATE_REASON}", (PSP,)),),
    "authorisation.another_merchant_account": (
        ignored(SALE, "the event is about another merchant account", (PSP,), "payment-1"),
    ),
    "authorisation_adjustment": (of_payment(FactKind.AUTHORIZED, amount_minor=1500),),
    "authorisation_adjustment.refused": (
        ignored(AUTH, "AUTHORISATION_ADJUSTMENT did not succeed: Authorisation type not allowed", (PSP,), "payment-1"),
    ),
    "capture": (of_payment(FactKind.CAPTURED, AUTH, CAPTURE, 700),),
    "capture.of_a_sale": (of_payment(FactKind.CAPTURED, SALE),),
    "capture.not_made_here": (foreign(FactKind.CAPTURED, "PSP000000000000", "PSP000000000000", 1000, "EUR"),),
    "capture.refused": (plain(FactKind.ATTEMPT_FAILED, AUTH, "9915341234567803", "Insufficient balance on payment"),),
    "capture_failed": (
        of_payment(FactKind.CAPTURED, AUTH, CAPTURE, 700),
        of_payment(FactKind.REFUNDED, AUTH, CAPTURE, 700),
    ),
    "cancellation": (plain(FactKind.CANCELLED),),
    "cancellation.refused": (
        ignored(
            AUTH,
            "CANCELLATION did not succeed: Transaction not authorised or already captured",
            (PSP,),
            "payment-1",
        ),
    ),
    "technical_cancel": (plain(FactKind.CANCELLED),),
    "offer_closed": (plain(FactKind.CANCELLED, SALE),),
    "expire": (plain(FactKind.CANCELLED),),
    "cancel_or_refund": (plain(FactKind.REVERSED, SALE),),
    "refund": (refund(FactKind.REFUNDED),),
    "refund.with_a_name_of_its_own": (foreign(FactKind.REFUNDED, PSP, REFUND, 500, "USD"),),
    "refund.refused": (refund(FactKind.REFUND_FAILED, "Insufficient balance on payment"),),
    "refund_failed": (refund(FactKind.REFUND_FAILED, "Refund Failed"),),
    "refunded_reversed": (refund(FactKind.REFUND_FAILED),),
    "request_for_information": (dispute(FactKind.DISPUTE_OPENED, "Request for copy"),),
    "notification_of_chargeback": (dispute(FactKind.DISPUTE_OPENED, FRAUD),),
    "chargeback": (dispute(FactKind.DISPUTE_OPENED, FRAUD),),
    "chargeback_reversed": (dispute(FactKind.DISPUTE_WON),),
    "prearbitration_won": (dispute(FactKind.DISPUTE_WON),),
    "second_chargeback": (dispute(FactKind.DISPUTE_LOST, FRAUD),),
    "prearbitration_lost": (dispute(FactKind.DISPUTE_LOST),),
    "payout_thirdparty": (ignored("9915341234567810", "PAYOUT_THIRDPARTY is about a payout"),),
    "paidout_reversed": (ignored(PSP, "PAIDOUT_REVERSED is about a payout"),),
    "recurring_contract": (ignored("mandate-1.mandate", f"RECURRING_CONTRACT {MANDATE_REASON}", (PSP,)),),
    "report_available": (ignored("settlement_detail_report_batch_1.csv", "unmapped event type REPORT_AVAILABLE"),),
    "recurring.token.created": (ignored("M5N7TQ4TG5PFWR50", f"recurring.token.created {MANDATE_REASON}"),),
}

CASES = GatewayCases(
    gateway="adyen",
    credentials={**CREDENTIALS, "return_url": RETURN_URL},
    deliver=deliver,
    proof=ItemProof(),
    covers="fields",
    secret_field="hmac_key",
    previous_secret_field="previous_hmac_key",
    other_secret="0123456789ABCDEF" * 4,
    samples=SAMPLES,
    captured=captured,
    amount=1200,
    amounts=(
        (1099, "EUR", 1099),
        (1099, "JPY", 1099),
        (10990, "KWD", 10990),
        (109900, "CLP", 1099),
        (500, "ISK", 5),
        (12, "IDR", 1200),
        (7, "CVE", 700),
    ),
    refused_amounts=(
        (-1, "USD"),
        (150, "CLP"),
        (99, "ISK"),
        (10.99, "USD"),
        ("1099", "USD"),
        (None, "USD"),
        (True, "USD"),
        (1, "XXX"),
    ),
    unusable_payment_ids=("has spaces", "", "x" * 300),
    unmapped=unmapped,
    event_time=event_time,
    connect=connects(AdyenCredentials, AdyenConnector),
    payment_reference=AUTH,
    authorization_reference=PSP,
    capture_reference=CAPTURE,
    payment_method_token="shopper-1/STOREDVISA000001",
    mandate_reference="mandate-1.mandate",
    error_body=lambda message: {"status": 422, "errorCode": "14_012", "errorType": "validation", "message": message},
    read_attempts=1,
)
