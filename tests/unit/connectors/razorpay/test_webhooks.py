"""The published vectors and samples of Razorpay's webhooks, through the connector; those of redirects by the SDK."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import razorpay

from connectors.base import Callback, Headers
from connectors.razorpay.client import RazorpayConnector
from connectors.razorpay.registration import RazorpayCredentials
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import FactKind
from tests.connectors.cases.razorpay import sign

SECRET = "rzp_whsec_test"
BODY = b'{"entity":"event","event":"payment.captured"}'
SIGNATURE = "1471fde13382a60061897febd88ef02692a34bf36b4d02c54a037440835c3cd6"
RECEIVED_AT = datetime(2026, 1, 2, 3, 0, 1, tzinfo=UTC)

SAMPLE: dict[str, Any] = {
    "entity": "event",
    "account_id": "acc_1",
    "event": "payment.captured",
    "contains": ["payment"],
    "created_at": 1767322800,
    "payload": {
        "payment": {
            "entity": {
                "id": "pay_XYZ789",
                "entity": "payment",
                "amount": 50000,
                "currency": "INR",
                "status": "captured",
                "order_id": "order_ABC123",
                "method": "upi",
                "captured": True,
                "amount_refunded": 0,
                "refund_status": None,
                "error_code": None,
                "notes": {"order": "order-1"},
            }
        }
    },
}


def connector() -> RazorpayConnector:
    return RazorpayConnector(
        RazorpayCredentials.model_validate(
            {"key_id": "rzp_test_1", "key_secret": "keysecret", "webhook_secret": SECRET}
        )
    )


def callback(body: bytes, headers: Headers) -> Callback:
    return Callback(account="acme", body=body, headers=headers, received_at=RECEIVED_AT)


def signed(event: dict[str, Any]) -> Callback:
    body = json.dumps(event).encode()
    return callback(body, sign(body, SECRET, RECEIVED_AT))


def test_the_published_signature_is_proven() -> None:
    headers = (("x-razorpay-signature", SIGNATURE), ("x-razorpay-event-id", "event-1"))

    # The body is too short to be an event, which is only noticed once it is proven.
    with pytest.raises(MalformedPayload):
        connector().parse_callback(callback(BODY, headers))


@pytest.mark.parametrize("signature", [SIGNATURE.upper(), SIGNATURE[:-1], SIGNATURE + "0", f" {SIGNATURE}"])
def test_anything_like_it_is_not(signature: str) -> None:
    headers = (("x-razorpay-signature", signature), ("x-razorpay-event-id", "event-1"))

    with pytest.raises(VerificationFailed) as refusal:
        connector().parse_callback(callback(BODY, headers))

    assert refusal.value.code == "signature_invalid"


def test_the_published_sample_is_a_capture() -> None:
    (fact,) = connector().parse_callback(signed(SAMPLE))

    assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.CAPTURED, 50000, "INR")
    assert (fact.references, fact.movement_reference) == (("order_ABC123", "pay_XYZ789"), "pay_XYZ789")
    assert (fact.gateway_event_id, fact.payment_id) == ("Event0000Sample", None)
    assert fact.occurred_at == datetime.fromtimestamp(1767322800, UTC)


@pytest.mark.parametrize("ids", [[], [""], ["a", "b"], ["a", "a"], ["has spaces"], ["é"]])
def test_the_event_id_comes_exactly_once(ids: list[str]) -> None:
    body = json.dumps(SAMPLE).encode()
    headers = [header for header in sign(body, SECRET, RECEIVED_AT) if header[0] != "x-razorpay-event-id"]

    with pytest.raises(MalformedPayload):
        connector().parse_callback(callback(body, [*headers, *(("x-razorpay-event-id", value) for value in ids)]))


def test_an_event_without_a_time_happened_when_it_was_received() -> None:
    (fact,) = connector().parse_callback(signed({key: SAMPLE[key] for key in SAMPLE if key != "created_at"}))

    assert fact.occurred_at == RECEIVED_AT


def test_the_orders_own_notes_count_before_those_from_the_payers_browser() -> None:
    payment = SAMPLE["payload"]["payment"]["entity"] | {"notes": {"payment_id": "spoofed"}}
    order = {"id": "order_ABC123", "entity": "order", "status": "paid", "notes": {"payment_id": "payment-1"}}
    payload = {"payment": {"entity": payment}, "order": {"entity": order}}

    (fact,) = connector().parse_callback(signed(SAMPLE | {"event": "order.paid", "payload": payload}))

    assert fact.payment_id == "payment-1"


@pytest.mark.parametrize(
    "change",
    [
        {"event": None},
        {"created_at": "yesterday"},
        {"payload": None},
        {"payload": []},
        {"payload": {"payment": None}},
        {"payload": {"payment": {"entity": []}}},
        {"payload": {"order": {"entity": {"id": "order_1"}}}},
        {"payload": {"payment": {"entity": {"status": "captured", "amount": 1, "currency": "INR"}}}},
        {"event": "refund.processed"},
        {"event": "payment.dispute.lost"},
        {"event": "payment_link.expired"},
    ],
)
def test_a_proven_event_that_is_not_whole_is_malformed(change: dict[str, object]) -> None:
    with pytest.raises(MalformedPayload):
        connector().parse_callback(signed(SAMPLE | change))


def test_a_status_nobody_knows_moves_nothing() -> None:
    payment = SAMPLE["payload"]["payment"]["entity"] | {"status": "teleported"}

    (fact,) = connector().parse_callback(signed(SAMPLE | {"payload": {"payment": {"entity": payment}}}))

    assert (fact.kind, fact.reason) == (FactKind.IGNORED, "payment.captured says nothing about the payment")


def test_the_published_proofs_of_redirects_hold() -> None:
    utility = razorpay.Client(auth=("rzp_test_1", "keysecret")).utility

    assert utility.verify_payment_signature(
        {
            "razorpay_order_id": "order_ABC123",
            "razorpay_payment_id": "pay_XYZ789",
            "razorpay_signature": "0a5a8a1534567589f19c443c384e0f264cd47c8cbc25fe1f5bb00be3a742192d",
        }
    )
    assert utility.verify_payment_link_signature(
        {
            "payment_link_id": "plink_1",
            "payment_link_reference_id": "ref_1",
            "payment_link_status": "paid",
            "razorpay_payment_id": "pay_XYZ789",
            "razorpay_signature": "0f3e88e119c267568cee2d4cc82995bc15affe533b3adae0a9a77b3a5e75f31a",
        }
    )
