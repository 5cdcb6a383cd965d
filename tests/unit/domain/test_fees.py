from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from domain.errors import InvalidInput
from domain.fees import FeeOnRefund, FeeSchedule, FeeTerms, FeeTier, choose_schedule, fee_of, fee_returned, month_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def schedule(basis_points: int, *scope: str | None, after: timedelta = timedelta(0), **other: object) -> FeeSchedule:
    """A schedule of so many basis points for a gateway, method and currency."""
    gateway, method, currency = (*scope, None, None, None)[:3]
    return FeeSchedule(
        effective_from=NOON + after,
        terms=FeeTerms(basis_points=basis_points),
        gateway=gateway,
        method=method,
        currency=currency,
        **other,  # type: ignore[arg-type] # One of several fields, each at its own type.
    )


def chosen(*schedules: FeeSchedule, method: str | None = "card", at: datetime = NOON) -> int | None:
    """The basis points that count for a payment in USD at Stripe."""
    found = choose_schedule(schedules, gateway="stripe", method=method, currency="USD", at=at)
    return None if found is None else found.terms.basis_points


@pytest.mark.parametrize(
    ("captured_minor", "basis_points", "fixed_minor", "fee_minor"),
    [
        (1000, 290, 30, 59),
        (100, 50, 0, 0),
        (300, 50, 0, 2),
        (500, 50, 0, 2),
        (101, 50, 0, 1),
        (10, 0, 30, 10),
        (0, 290, 30, 0),
    ],
)
def test_the_fee_is_rounded_half_even_and_never_above_the_capture(
    captured_minor: int, basis_points: int, fixed_minor: int, fee_minor: int
) -> None:
    assert fee_of(captured_minor, FeeTerms(basis_points=basis_points, fixed_minor=fixed_minor)) == fee_minor


@pytest.mark.parametrize(("captured_minor", "fee_minor"), [(0, 0), (30, 30), (100, 50), (2000, 58), (5000, 60)])
def test_the_fee_is_between_its_minimum_and_its_maximum(captured_minor: int, fee_minor: int) -> None:
    assert fee_of(captured_minor, FeeTerms(basis_points=290, min_minor=50, max_minor=60)) == fee_minor


def test_a_fee_that_is_kept_is_not_returned() -> None:
    assert fee_returned(1000, 500, FeeTerms(basis_points=290)) == 0
    returned = FeeTerms(basis_points=290, on_refund=FeeOnRefund.RETURNED)
    assert [fee_returned(1000, amount, returned) for amount in (0, 500, 1000)] == [0, 14, 29]
    assert fee_returned(0, 0, returned) == 0


def test_the_schedule_that_names_the_most_is_chosen() -> None:
    anything, at_stripe, in_dollars = schedule(1), schedule(2, "stripe"), schedule(3, None, None, "USD")
    by_card, at_stripe_in_dollars = schedule(4, None, "card"), schedule(5, "stripe", None, "USD")
    assert chosen(anything) == 1
    assert chosen(in_dollars, anything) == 3
    assert chosen(by_card, in_dollars, anything) == 4
    assert chosen(by_card, at_stripe, in_dollars, anything) == 2
    assert chosen(by_card, at_stripe_in_dollars, at_stripe, in_dollars, anything) == 5


def test_what_is_for_something_else_is_not_chosen() -> None:
    assert chosen(schedule(1, "adyen"), schedule(2, None, "wallet"), schedule(3, None, None, "EUR")) is None
    assert chosen(schedule(1, None, "card"), method=None) is None


def test_the_newest_that_has_begun_counts() -> None:
    hour = timedelta(hours=1)
    old, new = schedule(1), schedule(2, after=hour)
    assert chosen(new, old) == 1
    assert chosen(new, old, at=NOON + hour - TICK) == 1
    assert chosen(old, new, at=NOON + hour) == 2
    assert chosen(old, new, at=NOON - TICK) is None


def test_a_schedule_that_was_withdrawn_leaves_the_more_general_one() -> None:
    hour = timedelta(hours=1)
    general, special = schedule(1), schedule(2, "stripe")
    withdrawn = schedule(0, "stripe", after=hour, is_withdrawn=True)
    assert chosen(general, special, withdrawn) == 2
    assert chosen(general, special, withdrawn, at=NOON + hour) == 1
    assert chosen(special, withdrawn, at=NOON + hour) is None


@pytest.mark.parametrize(("volume", "terms"), [(0, (290, 30)), (999, (290, 30)), (1000, (250, 20)), (10**9, (200, 0))])
def test_the_tier_is_that_of_the_volume(volume: int, terms: tuple[int, int]) -> None:
    tiers = (
        FeeTier(from_volume_minor=1000, basis_points=250, fixed_minor=20),
        FeeTier(from_volume_minor=5000, basis_points=200),
    )
    tiered = FeeSchedule(
        effective_from=NOON, terms=FeeTerms(basis_points=290, fixed_minor=30, max_minor=99), tiers=tiers
    )
    found = tiered.terms_at(volume)
    assert (found.basis_points, found.fixed_minor, found.max_minor) == (*terms, 99)


def test_months_are_those_of_utc() -> None:
    assert month_of(datetime(2026, 4, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("basis_points", {"basis_points": 10_001}),
        ("basis_points", {"basis_points": -1}),
        ("fixed_minor", {"fixed_minor": -1}),
        ("min_minor", {"min_minor": -1}),
        ("max_minor", {"min_minor": 2, "max_minor": 1}),
    ],
)
def test_terms_that_make_no_sense_are_refused(field: str, values: dict[str, int]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        FeeTerms(**values)  # type: ignore[arg-type] # Only the amounts.
    assert refusal.value.field == field


@pytest.mark.parametrize("volumes", [(0,), (2, 1), (1, 1)])
def test_tiers_are_in_order(volumes: tuple[int, ...]) -> None:
    tiers = tuple(FeeTier(from_volume_minor=volume, basis_points=1) for volume in volumes)
    with pytest.raises(InvalidInput):
        schedule(1, tiers=tiers)


def test_a_tier_has_to_make_sense_too() -> None:
    with pytest.raises(InvalidInput):
        schedule(1, tiers=(FeeTier(from_volume_minor=1, basis_points=10_001),))
