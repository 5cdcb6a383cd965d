from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.errors import InvalidMoney, InvariantViolated
from domain.facts import Fact, FactKind, Trust
from domain.payment import (
    CURRENCY_MISMATCH,
    EVENT_ID_CONFLICT,
    INCOMPLETE_FACT,
    PaymentState,
    PaymentTerms,
    Status,
    Step,
    Totals,
    fold,
    status_of,
    totals,
)

MakeFact = Callable[..., Fact]
FoldFacts = Callable[..., PaymentState]


def sums_of(state: PaymentState) -> Totals:
    return totals(state.steps)


def test_nothing_known_is_pending() -> None:
    assert status_of(PaymentState()) is Status.PENDING
    assert status_of(PaymentState(awaiting_approval=True)) is Status.PENDING_APPROVAL


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([FactKind.REQUIRES_ACTION], Status.PENDING),
        ([FactKind.ATTEMPT_FAILED], Status.PENDING),
        ([FactKind.PROCESSING], Status.PROCESSING),
        ([FactKind.AUTHORIZED], Status.AUTHORIZED),
        ([FactKind.AUTHORIZED, FactKind.PROCESSING], Status.AUTHORIZED),
        ([FactKind.AUTHORIZED, FactKind.FAILED], Status.FAILED),
        ([FactKind.FAILED, FactKind.CANCELLED], Status.CANCELLED),
        ([FactKind.AUTHORIZED, FactKind.CAPTURED], Status.COMPLETED),
        ([FactKind.REVERSED], Status.REVERSED),
        ([FactKind.CAPTURED, FactKind.REVERSED], Status.REVERSED),
    ],
)
def test_the_status_follows_the_precedence_of_the_lifecycle(
    make_fact: MakeFact, folded: FoldFacts, kinds: list[FactKind], status: Status
) -> None:
    facts = [make_fact(kind, 1000) for kind in kinds]
    assert status_of(folded(*facts)) is status
    assert status_of(folded(*reversed(facts))) is status


@pytest.mark.parametrize("kind", [FactKind.FAILED, FactKind.CANCELLED])
def test_a_capture_wins_over_an_earlier_end(make_fact: MakeFact, folded: FoldFacts, kind: FactKind) -> None:
    assert status_of(folded(make_fact(kind), make_fact(FactKind.CAPTURED, 1000))) is Status.COMPLETED


def test_the_same_fact_again_changes_nothing(make_fact: MakeFact, folded: FoldFacts) -> None:
    fact = make_fact(FactKind.CAPTURED, 1000)
    assert folded(fact, fact, fact) == folded(fact)


def test_the_same_capture_under_another_event_id_counts_once(make_fact: MakeFact, folded: FoldFacts) -> None:
    state = folded(make_fact(FactKind.CAPTURED, 1000, "ch_1"), make_fact(FactKind.CAPTURED, 1000, "ch_1"))
    assert sums_of(state).captured == 1000


def test_captures_of_different_references_add_up(make_fact: MakeFact, folded: FoldFacts) -> None:
    state = folded(make_fact(FactKind.CAPTURED, 300, "ch_1"), make_fact(FactKind.CAPTURED, 700, "ch_2"))
    assert sums_of(state).captured == 1000


def test_of_contradictory_amounts_for_one_reference_the_largest_counts(make_fact: MakeFact, folded: FoldFacts) -> None:
    larger, smaller = make_fact(FactKind.CAPTURED, 700, "ch_1"), make_fact(FactKind.CAPTURED, 500, "ch_1")
    assert folded(larger, smaller) == folded(smaller, larger)
    assert sums_of(folded(smaller, larger)).captured == 700


def test_of_repeated_authorizations_the_largest_counts(make_fact: MakeFact, folded: FoldFacts) -> None:
    state = folded(make_fact(FactKind.AUTHORIZED, 1000, "a_1"), make_fact(FactKind.AUTHORIZED, 1200, "a_2"))
    assert sums_of(state).authorized == 1200


def test_a_partial_then_a_full_refund(make_fact: MakeFact, folded: FoldFacts) -> None:
    capture = make_fact(FactKind.CAPTURED, 1000)
    first, second = make_fact(FactKind.REFUNDED, 400, "re_1"), make_fact(FactKind.REFUNDED, 600, "re_2")
    assert status_of(folded(capture, first)) is Status.PARTIALLY_REFUNDED
    assert sums_of(folded(capture, first)).refundable == 600
    assert status_of(folded(capture, first, second)) is Status.REFUNDED
    assert sums_of(folded(capture, first, second)).refundable == 0


def test_a_refund_seen_before_its_capture_takes_effect_with_it(make_fact: MakeFact, folded: FoldFacts) -> None:
    refund, capture = make_fact(FactKind.REFUNDED, 400, "re_1"), make_fact(FactKind.CAPTURED, 1000)
    assert sums_of(folded(refund)).refunded == 0
    assert status_of(folded(refund)) is Status.PENDING
    assert sums_of(folded(refund, capture)).refunded == 400
    assert folded(refund, capture) == folded(capture, refund)


def test_a_refund_is_pending_until_it_is_through(make_fact: MakeFact, folded: FoldFacts) -> None:
    capture, pending = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUND_PENDING, 400, "re_1")
    state = folded(capture, pending)
    assert (sums_of(state).refund_pending, sums_of(state).refundable, status_of(state)) == (400, 600, Status.COMPLETED)
    through = folded(make_fact(FactKind.REFUNDED, 400, "re_1"), capture, pending)
    assert (sums_of(through).refund_pending, sums_of(through).refunded, sums_of(through).refundable) == (0, 400, 600)


def test_a_refund_that_failed_after_it_was_through_counts_for_nothing(make_fact: MakeFact, folded: FoldFacts) -> None:
    capture, refund = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 1000, "re_1")
    failed = make_fact(FactKind.REFUND_FAILED, 1000, "re_1")
    for order in ((capture, refund, failed), (failed, refund, capture)):
        state = folded(*order)
        assert (sums_of(state).refunded, sums_of(state).refundable) == (0, 1000)
        assert status_of(state) is Status.COMPLETED


def test_a_failed_refund_does_not_touch_another_one(make_fact: MakeFact, folded: FoldFacts) -> None:
    state = folded(
        make_fact(FactKind.CAPTURED, 1000),
        make_fact(FactKind.REFUNDED, 400, "re_1"),
        make_fact(FactKind.REFUND_FAILED, None, "re_2"),
    )
    assert sums_of(state).refunded == 400


def test_a_refund_above_the_capture_leaves_nothing_to_refund(make_fact: MakeFact, folded: FoldFacts) -> None:
    state = folded(make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 1300, "re_1"))
    assert status_of(state) is Status.REFUNDED
    assert sums_of(state).refundable == 0


@pytest.mark.parametrize(
    ("closing", "still_open", "lost", "refundable"),
    [(None, 1000, 0, 0), (FactKind.DISPUTE_WON, 0, 0, 1000), (FactKind.DISPUTE_LOST, 0, 1000, 0)],
)
def test_a_dispute_is_open_won_or_lost(
    make_fact: MakeFact, folded: FoldFacts, closing: FactKind | None, still_open: int, lost: int, refundable: int
) -> None:
    facts = [make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.DISPUTE_OPENED, 1000, "dp_1")]
    if closing is not None:
        facts.append(make_fact(closing, 1000, "dp_1"))
    for order in (facts, facts[::-1]):
        sums = sums_of(folded(*order))
        assert (sums.dispute_open, sums.dispute_lost, sums.refundable) == (still_open, lost, refundable)


def test_a_dispute_reported_both_won_and_lost_counts_as_lost(make_fact: MakeFact, folded: FoldFacts) -> None:
    facts = [make_fact(kind, 1000, "dp_1") for kind in (FactKind.DISPUTE_LOST, FactKind.DISPUTE_WON)]
    sums = sums_of(folded(make_fact(FactKind.CAPTURED, 1000), *facts))
    assert (sums.dispute_open, sums.dispute_lost) == (0, 1000)


def test_nothing_of_a_reversed_payment_may_be_refunded(make_fact: MakeFact, folded: FoldFacts) -> None:
    capture, reversal = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REVERSED)
    assert sums_of(folded(capture, reversal)).refundable == 0
    partly_refunded = folded(capture, make_fact(FactKind.REFUNDED, 400, "re_1"), reversal)
    assert status_of(partly_refunded) is Status.PARTIALLY_REFUNDED
    assert sums_of(partly_refunded).refundable == 0


def test_a_fact_in_another_currency_is_kept_as_an_anomaly_and_moves_nothing(
    make_fact: MakeFact, folded: FoldFacts
) -> None:
    state = folded(make_fact(FactKind.CAPTURED, 1000, currency="EUR", receipt_url="https://receipts.example/1"))
    assert state == PaymentState(steps=frozenset({Step(FactKind.IGNORED, CURRENCY_MISMATCH, None)}))
    assert status_of(state) is Status.PENDING


@pytest.mark.parametrize(
    "incomplete",
    [
        {"amount_minor": None},
        {"currency": None},
        {"movement_reference": None},
        {"amount_minor": -1},
    ],
)
def test_an_incomplete_fact_is_kept_as_an_anomaly_and_moves_nothing(
    make_fact: MakeFact, folded: FoldFacts, incomplete: dict[str, object]
) -> None:
    fact = make_fact(FactKind.CAPTURED, 1000)
    state = folded(replace(fact, **incomplete))  # type: ignore[arg-type]  # One of several fields, each at its own type.
    assert state.steps == {Step(FactKind.IGNORED, INCOMPLETE_FACT, None)}


def test_an_ignored_fact_leaves_no_trace_whatever_it_carries(make_fact: MakeFact, folded: FoldFacts) -> None:
    state = folded(make_fact(FactKind.IGNORED, 1000, currency="EUR", reason="customer.updated"))
    assert state == PaymentState()


def test_an_event_id_with_other_content_is_an_anomaly_whatever_it_carries(
    make_fact: MakeFact, folded: FoldFacts
) -> None:
    state = folded(make_fact(FactKind.IGNORED, 1000, currency="EUR", reason=EVENT_ID_CONFLICT))
    assert state.steps == {Step(FactKind.IGNORED, EVENT_ID_CONFLICT, None)}


def test_a_hint_is_a_bug_if_it_comes_this_far(make_fact: MakeFact, terms: PaymentTerms) -> None:
    with pytest.raises(InvariantViolated, match="pay_1"):
        fold(PaymentState(), terms, make_fact(FactKind.CAPTURED, 1000, trust=Trust.HINT))


def test_an_amount_that_is_no_integer_never_enters(make_fact: MakeFact, terms: PaymentTerms) -> None:
    fact = make_fact(FactKind.CAPTURED, 1000)
    with pytest.raises(InvalidMoney):
        fold(PaymentState(), terms, replace(fact, amount_minor=10.0))  # type: ignore[arg-type]  # The point of the test.


def test_it_was_paid_with_the_first_capture_and_refunded_with_the_last_refund(
    make_fact: MakeFact, folded: FoldFacts
) -> None:
    captures = [make_fact(FactKind.CAPTURED, 500, reference) for reference in ("ch_1", "ch_2")]
    refunds = [make_fact(FactKind.REFUNDED, 500, reference) for reference in ("re_1", "re_2")]
    state = folded(*reversed(refunds), *reversed(captures))
    assert state.paid_at == captures[0].occurred_at
    assert state.refunded_at == refunds[1].occurred_at


def test_the_reason_of_the_latest_failure_is_kept(make_fact: MakeFact, folded: FoldFacts) -> None:
    early = make_fact(FactKind.ATTEMPT_FAILED, reason="insufficient_funds")
    late = make_fact(FactKind.FAILED, reason="card_declined")
    silent = make_fact(FactKind.FAILED)
    for order in ((late, silent, early), (early, late, silent)):
        assert folded(*order).failure == (late.occurred_at, "card_declined")


def test_one_receipt_is_kept_whichever_came_first(make_fact: MakeFact, folded: FoldFacts) -> None:
    facts = [make_fact(FactKind.CAPTURED, 1000, receipt_url=url) for url in ("https://b.example", "", None)]
    facts.append(make_fact(FactKind.CAPTURED, 1000, receipt_url="https://a.example"))
    assert folded(*facts).receipt_url == folded(*reversed(facts)).receipt_url == "https://a.example"
