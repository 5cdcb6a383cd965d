"""Every change of a payment's status and amounts is told, each step exactly once, in order and without a gap."""

from collections import Counter
from dataclasses import astuple, replace
from datetime import UTC, datetime

from hypothesis import event, given, settings
from hypothesis import strategies as st

from domain.events import EVENT_TYPES, Milestone, milestones, new_milestones
from domain.facts import NEEDS_AMOUNT, NEEDS_MOVEMENT, Fact, FactKind
from domain.payment import EVENT_ID_CONFLICT, PaymentState, PaymentTerms, Split, Status, fold, status_of

TERMS = PaymentTerms(
    payment_id="pay_1",
    account="demo",
    gateway="stripe",
    amount_minor=1000,
    currency="USD",
    splits=(Split("tenant", "demo", 1000),),
)
REFUNDS = {FactKind.REFUND_PENDING, FactKind.REFUNDED, FactKind.REFUND_FAILED}
CAPTURE_EVENT, COMPLETED_EVENT, ANOMALY_EVENT = "capture.succeeded", "payment.completed", "payment.anomaly"
TOLD_STATUS = {
    Status.PROCESSING: "payment.processing",
    Status.AUTHORIZED: "payment.authorized",
    Status.FAILED: "payment.failed",
    Status.CANCELLED: "payment.cancelled",
    Status.COMPLETED: COMPLETED_EVENT,
    Status.REVERSED: "payment.reversed",
    Status.PARTIALLY_REFUNDED: "refund.succeeded",
    Status.REFUNDED: "refund.succeeded",
}
"""The event without which a payment is never in this status; before the first change it is pending."""


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    """A fact of any kind; few references and amounts, so that facts meet each other."""
    kind = draw(st.sampled_from([*FactKind, FactKind.CAPTURED, FactKind.REFUNDED]))
    prefix = "ch" if kind is FactKind.CAPTURED else "re" if kind in REFUNDS else "dp"
    return Fact(
        gateway="stripe",
        account="demo",
        gateway_event_id=f"evt_{draw(st.integers(0, 9))}",
        kind=kind,
        provider_reference="pi_1",
        occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
        amount_minor=draw(st.sampled_from([None, 0, 300, 400, 1000, 1400])) if kind in NEEDS_AMOUNT else None,
        currency=draw(st.sampled_from(["USD"] * 6 + ["EUR"])),
        movement_reference=f"{prefix}_{draw(st.integers(1, 2))}" if kind in NEEDS_MOVEMENT else None,
        reason=draw(st.sampled_from([None, EVENT_ID_CONFLICT])),
    )


SEQUENCES = st.lists(facts(), min_size=1, max_size=14)


def amounts(state: PaymentState) -> tuple[int, ...]:
    """Every sum of the payment, and what may still be refunded."""
    return (*astuple(replace(state.totals, kinds=frozenset()))[:-1], state.totals.refundable)


def started(awaiting_approval: bool) -> PaymentState:
    return PaymentState(awaiting_approval=awaiting_approval)


@settings(max_examples=1500, deadline=None)
@given(SEQUENCES, st.booleans())
def test_no_change_goes_untold_and_each_step_is_told_by_one_event(said: list[Fact], awaiting_approval: bool) -> None:
    state = started(awaiting_approval)
    for fact in said:
        after = fold(state, TERMS, fact)
        told = [one for one in new_milestones(state, after, TERMS) if one.type != ANOMALY_EVENT]
        changed = status_of(after) is not status_of(state) or amounts(after) != amounts(state)
        is_first_capture = state.totals.captured == 0 < after.totals.captured
        event("changes" if changed else "changes nothing")
        if is_first_capture:
            # What had waited for the capture takes effect with it, so those steps are told now, one event for each.
            waiting = {step for step in state.steps if step.kind in REFUNDS or step.kind.startswith("dispute")}
            kinds = Counter(one.type for one in told)
            assert kinds[CAPTURE_EVENT] == kinds[COMPLETED_EVENT] == 1
            assert len(told) == 2 + len(waiting)
        else:
            assert len(told) <= 1
            assert len(told) == 1 or not changed
        state = after


@settings(max_examples=500, deadline=None)
@given(SEQUENCES, st.booleans())
def test_the_status_is_one_that_was_told(said: list[Fact], awaiting_approval: bool) -> None:
    state, told = started(awaiting_approval), Counter[str]()
    for fact in said:
        after = fold(state, TERMS, fact)
        told.update(one.type for one in new_milestones(state, after, TERMS))
        if (needed := TOLD_STATUS.get(status_of(after))) is not None:
            assert told[needed] >= 1
        assert told[COMPLETED_EVENT] == (after.totals.captured > 0)
        state = after
    assert set(told) <= EVENT_TYPES


@settings(max_examples=500, deadline=None)
@given(SEQUENCES, st.booleans(), st.data())
def test_the_sequence_has_no_gap_and_no_repeat_however_the_facts_are_batched(
    said: list[Fact], awaiting_approval: bool, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=3), label="cuts"))
    state = started(awaiting_approval)
    numbered: dict[int, Milestone] = {}
    sequence = 1  # payment.created
    for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True):
        before = state
        for fact in said[start:end]:
            state = fold(state, TERMS, fact)
        told = new_milestones(before, state, TERMS)
        assert [one.rank for one in told] == sorted(one.rank for one in told)
        for milestone in told:
            sequence += 1
            numbered[sequence] = milestone
        # The number that is stored with the payment is the number of steps it has passed: nothing can drift.
        assert sequence == 1 + len(milestones(state, TERMS))
    assert list(numbered) == list(range(2, sequence + 1))
    assert len(set(numbered.values())) == len(numbered)
