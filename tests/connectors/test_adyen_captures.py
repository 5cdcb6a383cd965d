"""Captures at Adyen count once, whichever way they are made and in whatever order they are told."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from connectors.adyen.references import MAX_REFERENCE_LENGTH, Purpose, purpose_of, read_reference, reference_of
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind
from domain.payment import PaymentState, Status, status_of
from tests.connectors.case import GatewayCases
from tests.connectors.cases.adyen import CASES, PSP
from tests.connectors.local_adyen import folded
from tests.gateways.adyen_callbacks import Item, body_of

ACCOUNT = "TestMerchant"


def event(code: str, own: str, reference: str, value: int, original: str | None = PSP, success: str = "true") -> Item:
    return {
        "pspReference": own,
        "originalReference": original,
        "merchantAccountCode": ACCOUNT,
        "merchantReference": reference,
        "amount": {"value": value, "currency": "USD"},
        "eventCode": code,
        "success": success,
    }


def facts_of(*items: Item, cases: GatewayCases = CASES) -> list[Fact]:
    return cases.facts_of(cases.delivery(body_of(items)))


def in_every_order(items: Sequence[Item]) -> list[PaymentState]:
    return [folded(facts_of(*order)) for order in permutations(items)]


def test_a_sale_is_captured_with_its_authorization() -> None:
    state = folded(facts_of(event("AUTHORISATION", PSP, "payment-1.sale", 1200, None)))

    assert (state.totals.captured, status_of(state)) == (1200, Status.COMPLETED)


@pytest.mark.parametrize("reference", ["payment-1.sale", "order-1", "Capture by hand", ""])
def test_a_capture_event_after_a_sale_counts_for_nothing_more(reference: str) -> None:
    """Whether one comes is not documented; a person may also ask for one, under any reference."""
    sale = event("AUTHORISATION", PSP, "payment-1.sale", 1200, None)
    captures = [event("CAPTURE", own, reference, 1200) for own in ("9915341234567802", "9915341234567803")]

    states = in_every_order([sale, *captures])

    assert {(state.totals.captured, status_of(state)) for state in states} == {(1200, Status.COMPLETED)}


@pytest.mark.parametrize("reference", ["payment-1.sale", "order-1"])
@pytest.mark.parametrize("original", [None, "", "has spaces"])
def test_a_capture_that_names_no_authorization_counts_for_nothing(reference: str, original: str | None) -> None:
    with pytest.raises(MalformedPayload):
        facts_of(event("CAPTURE", "9915341234567802", reference, 1200, original))


def test_what_is_done_to_a_payment_is_no_name_of_the_payment() -> None:
    (named,) = facts_of(event("REFUND", "9915341234567808", "payment-1.sale", 500))
    (unnamed,) = facts_of(event("REFUND", "9915341234567808", "payment-1.sale", 500, None))

    assert named.references == ("payment-1.sale", PSP)
    assert unnamed.references == ("payment-1.sale",)
    assert (named.kind, named.movement_reference) == (unnamed.kind, unnamed.movement_reference)


def test_several_captures_of_an_authorization_add_up() -> None:
    authorisation = event("AUTHORISATION", PSP, "payment-1.auth", 1200, None)
    captures = [
        event("CAPTURE", "9915341234567802", "payment-1.auth", 700),
        event("CAPTURE", "9915341234567803", "payment-1.auth", 500),
        event("CAPTURE", "9915341234567803", "payment-1.auth", 500),
    ]

    assert {state.totals.captured for state in in_every_order([authorisation, *captures])} == {1200}


def test_an_authorization_that_was_not_made_here_is_no_capture() -> None:
    (fact,) = facts_of(event("AUTHORISATION", PSP, "order-1", 1200, None))

    assert (fact.kind, fact.payment_id) == (FactKind.AUTHORIZED, None)


def test_a_capture_that_failed_leaves_nothing_of_itself() -> None:
    items = [
        event("AUTHORISATION", PSP, "payment-1.auth", 1200, None),
        event("CAPTURE", "9915341234567802", "payment-1.auth", 700),
        event("CAPTURE", "9915341234567803", "payment-1.auth", 500),
        event("CAPTURE_FAILED", "9915341234567803", "payment-1.auth", 500),
    ]

    held = {state.totals.captured - state.totals.refunded for state in in_every_order(items)}
    of_failed_alone = folded(facts_of(items[0], items[1], items[3])).totals

    assert held == {700}
    assert of_failed_alone.captured - of_failed_alone.refunded == 700


def test_a_sale_whose_capture_failed_brings_nothing() -> None:
    items = [
        event("AUTHORISATION", PSP, "payment-1.sale", 1200, None),
        event("CAPTURE_FAILED", "9915341234567802", "payment-1.sale", 1200),
    ]

    assert {(state.totals.captured, state.totals.refunded) for state in in_every_order(items)} == {(1200, 1200)}


def test_a_capture_that_was_refused_leaves_the_authorization() -> None:
    items = [
        event("AUTHORISATION", PSP, "payment-1.auth", 1200, None),
        event("CAPTURE", "9915341234567802", "payment-1.auth", 1200, success="false"),
    ]

    assert {status_of(state) for state in in_every_order(items)} == {Status.AUTHORIZED}


def test_a_refused_attempt_does_not_stand_in_the_way_of_the_next() -> None:
    items = [
        event("AUTHORISATION", "8835341234567880", "payment-1.sale", 1200, None, success="false"),
        event("AUTHORISATION", PSP, "payment-1.sale", 1200, None),
    ]

    states = in_every_order(items)

    assert {status_of(state) for state in states} == {Status.COMPLETED}
    assert not any(step.kind is FactKind.FAILED for state in states for step in state.steps)


def test_a_reversal_takes_everything_back_whatever_adyen_made_of_it() -> None:
    sale = event("AUTHORISATION", PSP, "payment-1.sale", 1200, None)
    reversal = event("CANCEL_OR_REFUND", "9915341234567807", "payment-1.sale", 1200)
    for action in ("refund", "cancel"):
        state = folded(facts_of(sale, reversal | {"additionalData": {"modification.action": action}}))
        assert (state.totals.is_reversed, state.totals.refundable) == (True, 0)


def test_a_dispute_is_one_from_its_notification_to_its_end() -> None:
    dispute = "9915341234567809"
    sale = event("AUTHORISATION", PSP, "payment-1.sale", 1200, None)
    stages = [
        event(code, dispute, "payment-1.sale", 1200)
        for code in ("NOTIFICATION_OF_CHARGEBACK", "CHARGEBACK", "CHARGEBACK_REVERSED")
    ]

    opened, won = folded(facts_of(sale, *stages[:2])), folded(facts_of(sale, *stages))
    lost = folded(facts_of(sale, *stages, event("SECOND_CHARGEBACK", dispute, "payment-1.sale", 1200)))

    assert (opened.totals.dispute_open, opened.totals.dispute_lost) == (1200, 0)
    assert (won.totals.dispute_open, won.totals.dispute_lost) == (0, 0)
    assert (lost.totals.dispute_open, lost.totals.dispute_lost) == (0, 1200)


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize(
    "payment_id", ["payment-1", "payment.1", "x.sale", "a" * 72, "5f0c7a4e-6a55-4a53-8a0b-5f8c5d0a4d3e"]
)
def test_a_reference_tells_id_and_purpose(payment_id: str, purpose: Purpose) -> None:
    reference = reference_of(payment_id, purpose)
    own = read_reference(reference)

    assert own is not None
    assert own.purpose is purpose
    assert own.subject_id == payment_id or len(payment_id) + len(purpose) + 1 > MAX_REFERENCE_LENGTH


@pytest.mark.parametrize("payment_id", ["a" * 200, "shop:1", "shop\\1", ":"])
def test_an_id_that_adyen_does_not_take_is_known_by_its_digest(payment_id: str) -> None:
    reference = reference_of(payment_id, Purpose.SALE)
    own = read_reference(reference)

    assert len(reference) <= MAX_REFERENCE_LENGTH
    assert ":" not in reference
    assert reference == reference_of(payment_id, Purpose.SALE) != reference_of(payment_id + "x", Purpose.SALE)
    assert own is not None
    assert (own.subject_id, own.purpose) == (None, Purpose.SALE)


@pytest.mark.parametrize("reference", ["order-1", "order.1", ".sale", "a b.sale", "order-1.Sale", "sale", "", None, 7])
def test_what_others_call_their_payments_is_no_reference_of_ours(reference: object) -> None:
    assert read_reference(reference) is None
    assert purpose_of(reference) is None
