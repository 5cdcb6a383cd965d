from datetime import UTC, datetime

import pytest

from connectors.razorpay.status import (
    Source,
    facts_of_dispute,
    facts_of_order,
    facts_of_payment,
    facts_of_refund,
    map_status,
)
from domain.errors import MalformedPayload
from domain.facts import FactKind

CREATED = 1767322800
API = Source("acme")
PAYMENT = {
    "id": "pay_1",
    "amount": 50000,
    "currency": "INR",
    "order_id": "order_1",
    "status": "captured",
    "captured": True,
    "created_at": CREATED,
    "notes": [],
}
DISPUTE = {"id": "disp_1", "payment_id": "pay_1", "amount": 50000, "currency": "INR", "created_at": CREATED}


@pytest.mark.parametrize(
    ("entity", "kinds"),
    [
        ("order", {"created": None, "attempted": FactKind.PROCESSING, "paid": None}),
        (
            "payment",
            {
                "created": None,
                "authorized": FactKind.AUTHORIZED,
                "captured": FactKind.CAPTURED,
                "refunded": FactKind.CAPTURED,
                "failed": FactKind.ATTEMPT_FAILED,
            },
        ),
        (
            "refund",
            {
                "pending": FactKind.REFUND_PENDING,
                "processed": FactKind.REFUNDED,
                "failed": FactKind.REFUND_FAILED,
            },
        ),
        (
            "dispute",
            {
                "open": FactKind.DISPUTE_OPENED,
                "under_review": FactKind.DISPUTE_OPENED,
                "won": FactKind.DISPUTE_WON,
                "lost": FactKind.DISPUTE_LOST,
            },
        ),
    ],
)
def test_every_published_status_has_its_meaning(entity: str, kinds: dict[str, FactKind | None]) -> None:
    assert {status: map_status(entity, status) for status in kinds} == kinds


@pytest.mark.parametrize("status", ["", "CAPTURED", "paid", "None"])
def test_an_unknown_status_means_nothing(status: str) -> None:
    assert map_status("payment", status) is None
    assert facts_of_payment(PAYMENT | {"status": status}, API) == []


def test_facts_of_answers_are_named_and_dated_after_their_entity() -> None:
    (fact,) = facts_of_payment(PAYMENT, API)

    assert fact.gateway_event_id == "api:pay_1:captured:50000"
    assert fact.occurred_at == datetime.fromtimestamp(CREATED, UTC)


def test_a_refunded_payment_is_still_a_capture() -> None:
    captured, refunded = (facts_of_payment(PAYMENT | {"status": status}, API) for status in ("captured", "refunded"))

    assert captured == refunded


def test_an_uncaptured_payment_that_went_back_is_cancelled() -> None:
    (fact,) = facts_of_payment(PAYMENT | {"status": "refunded", "captured": False}, API)

    assert (fact.kind, fact.amount_minor) == (FactKind.CANCELLED, None)


def test_two_failed_attempts_are_two_facts() -> None:
    attempts = [
        facts_of_payment(PAYMENT | {"id": payment_id, "status": "failed", "error_code": "BAD_REQUEST_ERROR"}, API)[0]
        for payment_id in ("pay_1", "pay_2")
    ]

    assert len({attempt.gateway_event_id for attempt in attempts}) == 2
    assert {attempt.provider_reference for attempt in attempts} == {"order_1"}


def test_an_order_that_was_attempted_is_processing() -> None:
    order = {"id": "order_1", "status": "attempted", "created_at": CREATED, "notes": {"payment_id": "payment-1"}}

    (fact,) = facts_of_order(order, API)

    assert (fact.kind, fact.provider_reference, fact.payment_id) == (FactKind.PROCESSING, "order_1", "payment-1")


def test_a_refund_without_a_status_takes_that_of_its_event() -> None:
    refund = {"id": "rfnd_1", "payment_id": "pay_1", "amount": 100, "currency": "INR", "created_at": CREATED}

    (fact,) = facts_of_refund(refund, PAYMENT, API, "processed")

    assert (fact.kind, fact.references) == (FactKind.REFUNDED, ("order_1", "pay_1"))
    assert facts_of_refund(refund, PAYMENT, API) == []


@pytest.mark.parametrize(
    ("status", "deducted", "kind", "amount_minor"),
    [
        ("lost", 30000, FactKind.DISPUTE_LOST, 30000),
        ("lost", 0, FactKind.DISPUTE_LOST, 50000),
        ("lost", None, FactKind.DISPUTE_LOST, 50000),
        ("closed", 0, FactKind.DISPUTE_WON, 50000),
        ("closed", 20000, FactKind.DISPUTE_LOST, 20000),
        ("won", 0, FactKind.DISPUTE_WON, 50000),
    ],
)
def test_a_dispute_is_lost_as_far_as_money_was_deducted(
    status: str, deducted: int | None, kind: FactKind, amount_minor: int
) -> None:
    (fact,) = facts_of_dispute(DISPUTE | {"status": status, "amount_deducted": deducted}, {}, API)

    assert (fact.kind, fact.amount_minor, fact.movement_reference) == (kind, amount_minor, "disp_1")
    assert fact.references == ("pay_1",)


def test_a_payment_without_a_time_in_an_answer_is_malformed() -> None:
    with pytest.raises(MalformedPayload):
        facts_of_payment({key: PAYMENT[key] for key in PAYMENT if key != "created_at"}, API)
