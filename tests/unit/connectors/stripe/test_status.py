from datetime import UTC, datetime

import pytest

from connectors.stripe.status import (
    Source,
    facts_of_charge,
    facts_of_dispute,
    facts_of_intent,
    facts_of_refund,
    map_status,
    read_money,
)
from domain.errors import MalformedPayload
from domain.facts import FactKind

CREATED = 1767322800
API = Source("acme")
INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 1000,
    "currency": "usd",
    "created": CREATED,
    "metadata": {"payment_id": "payment-1"},
}


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("resource", "kinds"),
    [
        (
            "payment_intent",
            {
                "requires_payment_method": None,
                "requires_confirmation": None,
                "requires_action": FactKind.REQUIRES_ACTION,
                "processing": FactKind.PROCESSING,
                "requires_capture": FactKind.AUTHORIZED,
                "succeeded": FactKind.CAPTURED,
                "canceled": FactKind.CANCELLED,
            },
        ),
        (
            "refund",
            {
                "pending": FactKind.REFUND_PENDING,
                "requires_action": FactKind.REFUND_PENDING,
                "succeeded": FactKind.REFUNDED,
                "failed": FactKind.REFUND_FAILED,
                "canceled": FactKind.REFUND_FAILED,
            },
        ),
        (
            "dispute",
            {
                "warning_needs_response": FactKind.DISPUTE_OPENED,
                "warning_under_review": FactKind.DISPUTE_OPENED,
                "needs_response": FactKind.DISPUTE_OPENED,
                "under_review": FactKind.DISPUTE_OPENED,
                "won": FactKind.DISPUTE_WON,
                "warning_closed": FactKind.DISPUTE_WON,
                "prevented": FactKind.DISPUTE_WON,
                "lost": FactKind.DISPUTE_LOST,
            },
        ),
    ],
)
def test_every_published_status_has_its_meaning(resource: str, kinds: dict[str, FactKind | None]) -> None:
    assert {status: map_status(resource, status) for status in kinds} == kinds


@pytest.mark.parametrize("status", ["", "SUCCEEDED", "paid", "requires_source", "None"])
def test_an_unknown_status_means_nothing(status: str) -> None:
    assert map_status("payment_intent", status) is None
    assert facts_of_intent(INTENT | {"status": status}, API) == []


def test_an_answer_is_dated_by_the_settlement_of_its_charge() -> None:
    charge = {"id": "ch_1", "created": CREATED + 10, "balance_transaction": {"id": "txn_1", "created": CREATED + 20}}
    succeeded = INTENT | {"status": "succeeded", "amount_received": 1000}

    dates = [
        facts_of_intent(succeeded | {"latest_charge": latest}, API)[0].occurred_at
        for latest in (charge, charge | {"balance_transaction": "txn_1"}, "ch_1")
    ]

    assert dates == [at(CREATED + 20), at(CREATED + 10), at(CREATED)]


def test_facts_of_answers_are_named_after_what_they_say() -> None:
    refund = {"id": "re_1", "status": "pending", "amount": 300, "currency": "usd", "charge": "ch_1", "created": CREATED}
    intent = INTENT | {"status": "requires_capture", "amount_capturable": 900, "latest_charge": "ch_1"}

    (authorized,) = facts_of_intent(intent, API)
    (pending,) = facts_of_refund(refund, API)
    (refunded,) = facts_of_refund(refund | {"status": "succeeded"}, API)

    assert authorized.gateway_event_id == "api:ch_1:authorized:900"
    assert pending.gateway_event_id == "api:re_1:refund_pending:300"
    assert refunded.gateway_event_id == "api:re_1:refunded:300"


def test_an_intent_captured_in_several_parts_tells_both_what_is_captured_and_what_is_left() -> None:
    partly = {"status": "requires_capture", "amount_capturable": 600, "amount_received": 400, "latest_charge": "ch_1"}

    facts = facts_of_intent(INTENT | partly, API)

    assert [(fact.kind, fact.amount_minor) for fact in facts] == [(FactKind.AUTHORIZED, 600), (FactKind.CAPTURED, 400)]
    assert len({fact.gateway_event_id for fact in facts}) == 2


def test_a_succeeded_intent_without_a_charge_is_its_own_capture() -> None:
    (fact,) = facts_of_intent(INTENT | {"status": "succeeded", "amount_received": 1000}, API)

    assert (fact.movement_reference, fact.related_references) == ("pi_1", ())


def test_a_waiting_intent_is_a_failed_attempt_only_after_an_error() -> None:
    waiting = INTENT | {"status": "requires_payment_method"}
    error = {"code": "card_declined", "decline_code": "do_not_honor", "message": "Your card was declined."}

    (fact,) = facts_of_intent(waiting | {"last_payment_error": error, "latest_charge": "ch_1"}, API)

    assert facts_of_intent(waiting, API) == []
    assert (fact.kind, fact.movement_reference) == (FactKind.ATTEMPT_FAILED, "ch_1")
    assert fact.reason == "do_not_honor: Your card was declined."


def test_a_cancelled_intent_is_dated_by_its_cancellation() -> None:
    cancelled = INTENT | {"status": "canceled", "canceled_at": CREATED + 60, "cancellation_reason": "abandoned"}

    (fact,) = facts_of_intent(cancelled, API)

    assert (fact.kind, fact.occurred_at, fact.reason) == (FactKind.CANCELLED, at(CREATED + 60), "abandoned")


def test_a_charge_that_is_not_captured_leaves_the_word_to_its_intent() -> None:
    charge = {"id": "ch_1", "status": "succeeded", "captured": False, "amount": 1000, "currency": "usd"}

    assert facts_of_charge(charge, API) == []


def test_a_dispute_names_its_payment_by_intent_and_charge() -> None:
    dispute = {"id": "du_1", "status": "lost", "amount": 1000, "currency": "usd", "created": CREATED}

    (fact,) = facts_of_dispute(dispute | {"payment_intent": {"id": "pi_1"}, "charge": {"id": "ch_1"}}, API)

    assert (fact.references, fact.movement_reference) == (("pi_1", "ch_1"), "du_1")


def test_an_object_without_a_currency_is_malformed() -> None:
    with pytest.raises(MalformedPayload):
        read_money(1000, {})
