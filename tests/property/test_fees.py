"""Fees: never above the capture, never falling as it grows, given back whole with the whole, and fair to everybody."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.fees import FeeOnRefund, FeeSchedule, FeeTerms, choose_schedule, fee_of, fee_returned, share_of
from domain.reserve import ReserveRule

AMOUNTS = st.one_of(st.integers(0, 200), st.integers(0, 10**12))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@st.composite
def terms(draw: st.DrawFn) -> FeeTerms:
    min_minor = draw(st.one_of(st.just(0), st.integers(0, 500)))
    span = draw(st.one_of(st.none(), st.integers(0, 10_000)))
    return FeeTerms(
        basis_points=draw(st.one_of(st.sampled_from([0, 50, 290, 10_000]), st.integers(0, 10_000))),
        fixed_minor=draw(st.one_of(st.just(0), st.integers(0, 500))),
        min_minor=min_minor,
        max_minor=None if span is None else min_minor + span,
        on_refund=draw(st.sampled_from(FeeOnRefund)),
    )


@settings(max_examples=1000)
@given(st.integers(0, 10**15), st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_share_is_rounded_half_even(amount_minor: int, part: int, whole: int) -> None:
    assert share_of(amount_minor, part, whole) == round(Fraction(amount_minor * part, whole))


@settings(max_examples=1000)
@given(AMOUNTS, AMOUNTS, terms())
def test_a_fee_grows_with_the_capture_and_stays_below_it(one: int, other: int, agreed: FeeTerms) -> None:
    small, large = sorted((one, other))
    assert 0 <= fee_of(small, agreed) <= fee_of(large, agreed) <= large
    assert fee_of(large, agreed) >= min(large, agreed.min_minor)
    assert agreed.max_minor is None or fee_of(large, agreed) <= agreed.max_minor


@settings(max_examples=1000)
@given(AMOUNTS, AMOUNTS, AMOUNTS, terms())
def test_what_goes_back_of_a_fee_grows_with_the_refund_up_to_the_fee(
    captured: int, one: int, other: int, agreed: FeeTerms
) -> None:
    small, large = sorted((min(one, captured), min(other, captured)))
    fee = fee_of(captured, agreed)
    assert 0 <= fee_returned(captured, small, agreed) <= fee_returned(captured, large, agreed) <= fee
    assert fee_returned(captured, captured, agreed) == (fee if agreed.on_refund is FeeOnRefund.RETURNED else 0)


NAMES = st.sampled_from([None, "a", "b"])
SCHEDULES = st.builds(
    FeeSchedule,
    effective_from=st.integers(-3, 3).map(lambda hours: NOON + timedelta(hours=hours)),
    terms=st.builds(FeeTerms, basis_points=st.integers(0, 100)),
    gateway=NAMES,
    method=NAMES,
    currency=NAMES,
    is_withdrawn=st.booleans(),
)


@settings(max_examples=1000)
@given(st.lists(SCHEDULES, max_size=12, unique_by=lambda one: (one.scope, one.effective_from)), st.data(), NAMES)
def test_the_choice_depends_on_the_schedules_and_not_on_their_order(
    schedules: list[FeeSchedule], data: st.DataObject, method: str | None
) -> None:
    found = choose_schedule(schedules, gateway="a", method=method, currency="b", at=NOON)
    shuffled = data.draw(st.permutations(schedules))
    assert choose_schedule(shuffled, gateway="a", method=method, currency="b", at=NOON) == found
    if found is None:
        return
    assert found.effective_from <= NOON
    assert not found.is_withdrawn
    assert all(named in {None, value} for named, value in zip(found.scope, ("a", method, "b"), strict=True))
    same_scope = [one for one in schedules if one.scope == found.scope and one.effective_from <= NOON]
    assert max(same_scope, key=lambda one: one.effective_from) == found


@settings(max_examples=500)
@given(st.integers(-(10**12), 10**12), st.integers(0, 9_999))
def test_a_reserve_never_holds_more_than_there_is(net_minor: int, basis_points: int) -> None:
    held = ReserveRule(basis_points=basis_points, days=1).hold_of(net_minor)
    assert 0 <= held <= max(0, net_minor)
