"""A payment depends on the set of its facts alone: not on their order, their repetition or how they are batched."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from domain.events import Milestone, milestones, new_milestones
from domain.facts import NEEDS_MOVEMENT, Fact, FactKind
from domain.fees import FeeOnRefund, fee_of, fee_returned
from domain.ledger import EXCESS_LOSSES, FEES_REVENUE, Cause, Movement, movements, receivable_account
from domain.payment import EVENT_ID_CONFLICT, PaymentState, PaymentTerms, Split, Status, fold, status_of, totals

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
MOVEMENTS = {
    FactKind.CAPTURED: ("ch_1", "ch_2", "ch_3"),
    FactKind.REFUND_PENDING: ("re_1", "re_2", "re_3"),
    FactKind.REFUNDED: ("re_1", "re_2", "re_3"),
    FactKind.REFUND_FAILED: ("re_1", "re_2", "re_3"),
    FactKind.DISPUTE_OPENED: ("dp_1", "dp_2"),
    FactKind.DISPUTE_WON: ("dp_1", "dp_2"),
    FactKind.DISPUTE_LOST: ("dp_1", "dp_2"),
}


def terms_of(*weights: int, basis_points: int = 0, fixed_minor: int = 0) -> PaymentTerms:
    splits = (Split("partner" if number else "tenant", f"r{number}", weight) for number, weight in enumerate(weights))
    return PaymentTerms(
        payment_id="pay_1",
        account="demo",
        gateway="stripe",
        amount_minor=sum(weights),
        currency="USD",
        splits=tuple(splits),
        fee_basis_points=basis_points,
        fee_fixed_minor=fixed_minor,
    )


def movement(kind: FactKind, amount_minor: int | None, reference: str | None) -> Fact:
    return Fact(
        gateway="stripe",
        account="demo",
        gateway_event_id=f"evt_{kind}_{reference}_{amount_minor}",
        kind=kind,
        provider_reference="pi_1",
        occurred_at=MIDNIGHT,
        amount_minor=amount_minor,
        currency="USD",
        movement_reference=reference,
    )


TERMS = st.builds(
    lambda weights, basis_points, fixed_minor, min_minor, span, on_refund: replace(
        terms_of(*weights, basis_points=basis_points, fixed_minor=fixed_minor),
        fee_min_minor=min_minor,
        fee_max_minor=None if span is None else min_minor + span,
        fee_on_refund=on_refund,
    ),
    st.lists(st.integers(0, 40), min_size=1, max_size=4).filter(any),
    st.sampled_from([0, 0, 50, 290, 10_000]),
    st.sampled_from([0, 0, 1, 30]),
    st.sampled_from([0, 0, 5]),
    st.sampled_from([None, None, 0, 7]),
    st.sampled_from(FeeOnRefund),
)

# Money moves in most drawn facts, so that most examples have something to get wrong.
KINDS = st.one_of(
    st.sampled_from([FactKind.CAPTURED, FactKind.REFUNDED]),
    st.sampled_from([FactKind.CAPTURED, FactKind.REFUND_FAILED, FactKind.DISPUTE_LOST, FactKind.DISPUTE_OPENED]),
    st.sampled_from([FactKind.ATTEMPT_FAILED, FactKind.FAILED, FactKind.CANCELLED, FactKind.REVERSED]),
    st.sampled_from(list(FactKind)),
)
CURRENCIES = st.sampled_from(["USD"] * 12 + ["EUR", None])
AMOUNTS = st.one_of(st.integers(0, 60), st.integers(1, 200), st.sampled_from([None, -1]))


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    """A fact with a fair chance to repeat, contradict or complete another one, and a small one to be unusable."""
    kind = draw(KINDS)
    named = kind in NEEDS_MOVEMENT and draw(st.integers(0, 15)) > 0
    return Fact(
        gateway="stripe",
        account="demo",
        gateway_event_id=f"evt_{draw(st.integers(0, 10**6))}",
        kind=kind,
        provider_reference="pi_1",
        occurred_at=MIDNIGHT + timedelta(seconds=draw(st.integers(0, 20))),
        amount_minor=draw(AMOUNTS),
        currency=draw(CURRENCIES),
        movement_reference=draw(st.sampled_from(MOVEMENTS[kind])) if named else None,
        reason=draw(st.sampled_from([None, "declined", "expired", EVENT_ID_CONFLICT])),
        receipt_url=draw(st.sampled_from([None, "", "https://a.example", "https://b.example"])),
    )


FACTS = st.lists(facts(), min_size=1, max_size=10)


@dataclass
class Outcome:
    """What the world sees of a payment: everything but the order in which it was told."""

    state: PaymentState = field(default_factory=PaymentState)
    events: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    accounts: Counter[str] = field(default_factory=Counter)
    recipients: Counter[tuple[Split, Cause, str]] = field(default_factory=Counter)

    def take(self, batch: Iterable[Fact], terms: PaymentTerms) -> None:
        """Fold a batch and add up what the change of state calls for."""
        before = self.state
        for fact in batch:
            self.state = fold(self.state, terms, fact)
        self.events.update((told.type, told.reference, told.amount_minor) for told in self._told(before, terms))
        for movement in movements(before, self.state, terms):
            self._post(movement)

    def _told(self, before: PaymentState, terms: PaymentTerms) -> list[Milestone]:
        told = new_milestones(before, self.state, terms)
        assert [one.rank for one in told] == sorted(one.rank for one in told)
        return told

    def _post(self, movement: Movement) -> None:
        assert sum(amount for _, amount in movement.postings) == 0
        assert all(amount for _, amount in movement.postings)
        for account, amount in movement.postings:
            self.accounts[account] += amount
        for share in movement.shares:
            self.recipients[share.split, movement.cause, "gross"] += share.gross_minor
            self.recipients[share.split, movement.cause, "fee"] += share.fee_minor

    def seen(self) -> tuple[object, ...]:
        """Everything that must not depend on the way here; sums at zero are as good as none."""
        nonzero = [{key: amount for key, amount in sums.items() if amount} for sums in (self.accounts, self.recipients)]
        return (self.state, status_of(self.state), *nonzero, dict(self.events))


def outcome_of(batches: Iterable[Iterable[Fact]], terms: PaymentTerms) -> Outcome:
    outcome = Outcome()
    for batch in batches:
        outcome.take(batch, terms)
    return outcome


def one_at_a_time(sequence: Sequence[Fact]) -> list[list[Fact]]:
    return [[fact] for fact in sequence]


@st.composite
def deliveries(draw: st.DrawFn, said: list[Fact]) -> list[Fact]:
    """The facts in another order, some of them again, some again under another event id and at another time."""
    again = draw(st.lists(st.sampled_from(said), max_size=6))
    renamed = [replace(fact, gateway_event_id=fact.gateway_event_id + "_again") for fact in again[::2]]
    return draw(st.permutations([*said, *renamed, *again[1::2]]))


@st.composite
def batchings(draw: st.DrawFn, sequence: list[Fact]) -> list[list[Fact]]:
    """The same sequence, cut into batches."""
    cuts = draw(st.lists(st.integers(0, len(sequence)), max_size=4))
    bounds = [0, *sorted(cuts), len(sequence)]
    return [sequence[start:end] for start, end in pairwise(bounds)]


@settings(max_examples=2000, deadline=None)
@given(st.data(), TERMS, FACTS)
def test_order_repetition_and_batching_change_nothing(
    data: st.DataObject, terms: PaymentTerms, said: list[Fact]
) -> None:
    expected = outcome_of(one_at_a_time(said), terms)
    event(str(status_of(expected.state)))
    delivered = data.draw(deliveries(said))
    assert outcome_of(one_at_a_time(delivered), terms).seen() == expected.seen()
    assert outcome_of(data.draw(batchings(delivered)), terms).seen() == expected.seen()


@settings(max_examples=500, deadline=None)
@given(TERMS, FACTS)
def test_no_event_is_ever_told_twice_or_taken_back(terms: PaymentTerms, said: list[Fact]) -> None:
    outcome, earned = Outcome(), frozenset[Milestone]()
    for fact in said:
        outcome.take([fact], terms)
        assert earned <= milestones(outcome.state, terms)
        earned = milestones(outcome.state, terms)
    assert set(outcome.events.values()) <= {1}
    assert outcome.events.keys() == {(one.type, one.reference, one.amount_minor) for one in earned}


@settings(max_examples=500, deadline=None)
@given(TERMS, FACTS)
def test_the_ledger_says_what_the_totals_say(terms: PaymentTerms, said: list[Fact]) -> None:
    outcome = Outcome()
    for fact in said:
        outcome.take([fact], terms)
        sums, accounts = totals(outcome.state.steps), outcome.accounts
        taken = sums.refunded + sums.dispute_lost
        returned = sums.captured if sums.is_reversed else min(sums.captured, taken)
        excess = max(0, taken - sums.captured)
        assert accounts[receivable_account("stripe")] == sums.captured - returned - excess - sums.dispute_open
        assert accounts[EXCESS_LOSSES] == excess
        refunded = sums.captured if sums.is_reversed else min(sums.captured, sums.refunded)
        kept = fee_of(sums.captured, terms.fees) - fee_returned(sums.captured, refunded, terms.fees)
        assert accounts[FEES_REVENUE] == -kept
        assert sum(accounts.values()) == 0


GIVEN_BACK = (Cause.REFUND, Cause.DISPUTE_LOST, Cause.REVERSAL)


@settings(max_examples=500, deadline=None)
@given(TERMS, FACTS)
@example(terms_of(6, 6, 2), [movement(FactKind.CAPTURED, 11, "ch_1"), movement(FactKind.REFUNDED, 10, "re_1")])
@example(terms_of(6, 6, 2, fixed_minor=10), [movement(FactKind.CAPTURED, 11, "ch_1")])
def test_no_recipient_gives_back_more_than_it_got(terms: PaymentTerms, said: list[Fact]) -> None:
    outcome = Outcome()
    for fact in said:
        outcome.take([fact], terms)
        got = outcome.recipients
        for split in set(terms.splits):
            kept = got[split, Cause.CAPTURE, "gross"]
            assert 0 <= got[split, Cause.CAPTURE, "fee"] <= kept
            fee = got[split, Cause.CAPTURE, "fee"]
            for cause in GIVEN_BACK:
                kept += got[split, cause, "gross"]
                fee += got[split, cause, "fee"]
                assert kept >= 0
                assert fee >= 0


@settings(max_examples=500, deadline=None)
@given(TERMS, st.integers(1, 5000), st.data())
def test_a_full_refund_in_pieces_leaves_every_recipient_at_zero(
    terms: PaymentTerms, captured_minor: int, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, captured_minor), max_size=8))
    pieces = [end - start for start, end in pairwise([0, *sorted(cuts), captured_minor])]
    refunds = [movement(FactKind.REFUNDED, amount, f"re_{number}") for number, amount in enumerate(pieces)]
    outcome = outcome_of(one_at_a_time([movement(FactKind.CAPTURED, captured_minor, "ch_1"), *refunds]), terms)
    assert status_of(outcome.state) is Status.REFUNDED
    for split in set(terms.splits):
        for what in ("gross", "fee") if terms.fee_on_refund is FeeOnRefund.RETURNED else ("gross",):
            causes = [outcome.recipients[split, cause, what] for cause in (Cause.CAPTURE, Cause.REFUND)]
            assert sum(causes) == 0
    assert outcome.accounts[receivable_account("stripe")] == 0


STATUSES_BEFORE_MONEY = {
    Status.PENDING,
    Status.PENDING_APPROVAL,
    Status.PROCESSING,
    Status.AUTHORIZED,
    Status.CANCELLED,
    Status.FAILED,
}


@settings(max_examples=500, deadline=None)
@given(TERMS, FACTS)
def test_the_status_never_contradicts_the_totals(terms: PaymentTerms, said: list[Fact]) -> None:
    state, captured_before = PaymentState(), 0
    for fact in said:
        state = fold(state, terms, fact)
        sums, status = totals(state.steps), status_of(state)
        assert captured_before <= sums.captured
        captured_before = sums.captured
        assert 0 <= sums.refundable <= sums.captured
        assert min(sums.authorized, sums.refunded, sums.refund_pending, sums.dispute_open, sums.dispute_lost) >= 0
        assert (status is Status.REFUNDED) == (0 < sums.captured <= sums.refunded)
        assert (status is Status.PARTIALLY_REFUNDED) == (0 < sums.refunded < sums.captured)
        assert status is not Status.COMPLETED or (sums.captured > 0 and sums.refunded == 0)
        assert status not in STATUSES_BEFORE_MONEY or sums.captured == 0
        assert status is not Status.AUTHORIZED or sums.authorized > 0
        assert not sums.is_reversed or sums.refundable == 0


KNOTS = {
    "refund_through_failed_and_before_capture": [
        movement(FactKind.CAPTURED, 11, "ch_1"),
        movement(FactKind.REFUND_PENDING, 10, "re_1"),
        movement(FactKind.REFUNDED, 10, "re_1"),
        movement(FactKind.REFUND_FAILED, None, "re_1"),
        movement(FactKind.REFUNDED, 11, "re_2"),
        movement(FactKind.CANCELLED, None, None),
    ],
    "refund_and_lost_dispute_over_two_captures": [
        movement(FactKind.CAPTURED, 5, "ch_1"),
        movement(FactKind.CAPTURED, 6, "ch_2"),
        movement(FactKind.REFUNDED, 7, "re_1"),
        movement(FactKind.DISPUTE_OPENED, 11, "dp_1"),
        movement(FactKind.DISPUTE_LOST, 11, "dp_1"),
        movement(FactKind.DISPUTE_WON, 11, "dp_1"),
    ],
    "growing_capture_reversed_after_a_refund": [
        movement(FactKind.AUTHORIZED, 14, None),
        movement(FactKind.CAPTURED, 4, "ch_1"),
        movement(FactKind.CAPTURED, 11, "ch_1"),
        movement(FactKind.REFUNDED, 3, "re_1"),
        movement(FactKind.REVERSED, None, None),
        movement(FactKind.FAILED, None, None),
    ],
}


@pytest.mark.parametrize("on_refund", FeeOnRefund)
@pytest.mark.parametrize("name", KNOTS)
def test_every_order_of_a_knotted_history_ends_the_same(name: str, on_refund: FeeOnRefund) -> None:
    terms = replace(terms_of(6, 6, 2, basis_points=290, fixed_minor=1), fee_on_refund=on_refund)
    said = KNOTS[name]
    expected = outcome_of(one_at_a_time(said), terms).seen()
    orders = 0
    for order in permutations(said):
        assert outcome_of(one_at_a_time(order), terms).seen() == expected
        assert outcome_of([order[:3], order[2:], order], terms).seen() == expected
        orders += 1
    assert orders == math.factorial(len(said))
