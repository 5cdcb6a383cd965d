from datetime import UTC, datetime

import pytest

from domain.errors import InvalidInput
from domain.reserve import ReserveCause, ReserveRule, reserve_postings
from domain.settlement import Recipient

SHOP = Recipient("demo", "tenant", "shop", "USD")


@pytest.mark.parametrize(
    ("net_minor", "held_minor"), [(1000, 100), (25, 2), (35, 4), (45, 4), (4, 0), (0, 0), (-1000, 0)]
)
def test_a_part_of_what_is_owed_is_held_rounded_half_even(net_minor: int, held_minor: int) -> None:
    assert ReserveRule(basis_points=1000, days=90).hold_of(net_minor) == held_minor


def test_the_days_count_from_the_end_of_the_period() -> None:
    rule = ReserveRule(basis_points=1, days=90)
    assert rule.release_at(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 4, 1, tzinfo=UTC)


def test_what_is_held_leaves_the_payable_and_comes_back() -> None:
    payable, reserve = "recipient:tenant:shop:payable", "recipient:tenant:shop:reserve"
    into, out = ((payable, 7), (reserve, -7)), ((reserve, 7), (payable, -7))
    assert {cause: reserve_postings(cause, SHOP, 7) for cause in ReserveCause} == {
        ReserveCause.HELD: into,
        ReserveCause.RELEASED: out,
        ReserveCause.HOLD_UNDONE: out,
        ReserveCause.RELEASE_UNDONE: into,
    }


@pytest.mark.parametrize(
    ("field", "basis_points", "days"),
    [("basis_points", -1, 1), ("basis_points", 10_000, 1), ("days", 1, 0), ("days", 1, 3_651)],
)
def test_a_rule_that_makes_no_sense_is_refused(field: str, basis_points: int, days: int) -> None:
    with pytest.raises(InvalidInput) as refusal:
        ReserveRule(basis_points=basis_points, days=days)
    assert refusal.value.field == field
