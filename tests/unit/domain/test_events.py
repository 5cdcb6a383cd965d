from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.events import EVENT_TYPES, is_superseded, milestones, new_milestones
from domain.facts import Fact, FactKind
from domain.payment import PaymentState, PaymentTerms, Status, status_of

MakeFact = Callable[..., Fact]
FoldFacts = Callable[..., PaymentState]


def types_of(state: PaymentState, terms: PaymentTerms) -> set[str]:
    return {milestone.type for milestone in milestones(state, terms)}


def test_a_paid_payment_passes_its_steps_in_lifecycle_order(
    make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms
) -> None:
    capture = make_fact(FactKind.CAPTURED, 1000, "ch_1")
    state = folded(capture, make_fact(FactKind.AUTHORIZED, 1000), make_fact(FactKind.PROCESSING))
    passed = new_milestones(PaymentState(), state, terms)
    assert [(one.type, one.reference, one.amount_minor) for one in passed] == [
        ("payment.processing", "", 0),
        ("payment.authorized", "", 1000),
        ("capture.succeeded", "ch_1", 1000),
        ("payment.completed", "", 0),
    ]


def test_a_repeated_fact_earns_nothing(make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms) -> None:
    capture = make_fact(FactKind.CAPTURED, 1000)
    once = folded(capture)
    assert new_milestones(once, folded(capture, capture), terms) == []


def test_a_refund_is_told_only_once_the_capture_is_known(
    make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms
) -> None:
    refund, capture = make_fact(FactKind.REFUNDED, 400, "re_1"), make_fact(FactKind.CAPTURED, 1000)
    before = folded(refund)
    assert milestones(before, terms) == frozenset()
    told = [one.type for one in new_milestones(before, folded(refund, capture), terms)]
    assert told == ["capture.succeeded", "payment.completed", "refund.succeeded"]


def test_a_step_is_told_once(make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms) -> None:
    authorization, capture = make_fact(FactKind.AUTHORIZED, 1000), make_fact(FactKind.CAPTURED, 1000)
    told = new_milestones(folded(authorization), folded(authorization, capture), terms)
    assert [one.type for one in told] == ["capture.succeeded", "payment.completed"]


def test_a_refund_that_failed_later_was_still_told(make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms) -> None:
    capture, refund = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 400, "re_1")
    state = folded(capture, refund, make_fact(FactKind.REFUND_FAILED, None, "re_1"))
    assert {"refund.succeeded", "refund.failed"} <= types_of(state, terms)


def test_a_capture_that_grows_is_told_at_each_size(make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms) -> None:
    state = folded(make_fact(FactKind.CAPTURED, 300, "ch_1"), make_fact(FactKind.CAPTURED, 700, "ch_1"))
    sizes = sorted(one.amount_minor for one in milestones(state, terms) if one.type == "capture.succeeded")
    assert sizes == [300, 700]


@pytest.mark.parametrize(
    ("kind", "amount_minor", "reason"),
    [
        (FactKind.FAILED, None, "captured_after_failed"),
        (FactKind.CANCELLED, None, "captured_after_cancelled"),
    ],
)
def test_a_capture_after_the_end_is_an_anomaly(
    make_fact: MakeFact,
    folded: FoldFacts,
    terms: PaymentTerms,
    kind: FactKind,
    amount_minor: int | None,
    reason: str,
) -> None:
    state = folded(make_fact(kind, amount_minor), make_fact(FactKind.CAPTURED, 1000))
    assert anomalies(state, terms) == {reason}


def test_a_capture_above_the_agreed_amount_is_an_anomaly(
    make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms
) -> None:
    assert anomalies(folded(make_fact(FactKind.CAPTURED, 1000)), terms) == set()
    assert anomalies(folded(make_fact(FactKind.CAPTURED, 1001)), terms) == {"captured_above_amount"}


def test_a_refund_beside_a_lost_dispute_is_an_anomaly(
    make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms
) -> None:
    state = folded(
        make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 1000), make_fact(FactKind.DISPUTE_LOST, 1000)
    )
    assert anomalies(state, terms) == {"refunded_and_disputed"}


def test_a_fact_that_cannot_count_is_an_anomaly_at_once(
    make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms
) -> None:
    assert anomalies(folded(make_fact(FactKind.CAPTURED, 1000, currency="EUR")), terms) == {"currency_mismatch"}
    assert anomalies(folded(make_fact(FactKind.CAPTURED, None)), terms) == {"incomplete_fact"}


def anomalies(state: PaymentState, terms: PaymentTerms) -> set[str]:
    return {one.reference for one in milestones(state, terms) if one.type == "payment.anomaly"}


def test_a_step_that_the_payment_has_moved_past_is_superseded(
    make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms
) -> None:
    state = folded(make_fact(FactKind.AUTHORIZED, 1000), make_fact(FactKind.CAPTURED, 1000))
    superseded = {one.type for one in milestones(state, terms) if is_superseded(one, status_of(state))}
    assert superseded == {"payment.authorized"}


def test_movements_are_never_superseded(make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms) -> None:
    state = folded(make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 1000))
    moved = {one for one in milestones(state, terms) if one.type in {"capture.succeeded", "refund.succeeded"}}
    assert len(moved) == 2
    assert not any(is_superseded(one, status) for one in moved for status in Status)


@pytest.mark.parametrize("kind", [kind for kind in FactKind if kind is not FactKind.ATTEMPT_FAILED])
def test_every_kind_that_means_something_is_told_under_a_declared_type(
    make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms, kind: FactKind
) -> None:
    paid = folded(make_fact(FactKind.CAPTURED, 10, "ch_0"))
    told = make_fact(kind, 500, reason="event_id_conflict" if kind is FactKind.IGNORED else None)
    after = folded(make_fact(FactKind.CAPTURED, 10, "ch_0"), replace(told, movement_reference="m_1"))
    earned = {one.type for one in new_milestones(paid, after, terms)}
    assert earned
    assert earned <= EVENT_TYPES
