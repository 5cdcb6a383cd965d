"""Matching, case by case: which partner is chosen, what is called what, and what waits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.matching import MOST_SHARING, BreakKind, ExpectedFee, Item, Outcome, Tolerance, match_items

START = datetime(2026, 1, 1, tzinfo=UTC)
COVERAGE = {"stripe": (START, START + timedelta(days=10))}


def item(item_id: str, amount_minor: int = 1_000, *names: str, day: int = 1, **values: object) -> Item:
    usual = Item(
        id=item_id,
        kind="capture",
        names=names or ("ch_1",),
        amount_minor=amount_minor,
        currency="EUR",
        at=START + timedelta(days=day),
        place="stripe",
    )
    return replace(usual, **values)  # type: ignore[arg-type]  # the tests of this file give values of the right types


def compare(ours: list[Item], theirs: list[Item], tolerance: Tolerance | None = None) -> Outcome:
    return match_items(ours, theirs, tolerance or Tolerance(), COVERAGE)


def breaks_of(outcome: Outcome) -> list[tuple[str, list[str]]]:
    return [(found.kind.value, [one.id for one in found.items]) for found in outcome.breaks]


def test_the_most_telling_name_decides() -> None:
    ours = [item("first", 1_000, "ch_1", "pi_1"), item("second", 1_000, "ch_2", "pi_1")]
    theirs = [item("line", 1_000, "ch_2", "pi_1")]
    (match,) = compare(ours, theirs).matches
    assert match.ours.id == "second"


def test_among_equal_names_the_amount_decides_and_then_the_day() -> None:
    ours = [item("small", 400, "pi_1"), item("large", 600, "pi_1"), item("late", 600, "pi_1", day=3)]
    theirs = [item("a", 600, "pi_1", day=4), item("b", 400, "pi_1"), item("c", 600, "pi_1")]
    pairs = {match.ours.id: match.theirs.id for match in compare(ours, theirs).matches}
    assert pairs == {"small": "b", "large": "c", "late": "a"}


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (item("line", 999), "amount"),
        (item("line", 1_000, currency="USD"), "currency"),
        (item("line", 1_000, kind="refund"), "missing_there"),
    ],
)
def test_a_pair_that_differs_is_one_break(theirs: Item, expected: str) -> None:
    outcome = compare([item("ours")], [theirs])
    assert breaks_of(outcome)[0][0] == expected
    assert not outcome.matches


def test_a_difference_within_the_tolerance_is_a_match() -> None:
    tolerance = Tolerance(minor_by_currency={"EUR": 2})
    assert len(compare([item("ours")], [item("line", 998)], tolerance).matches) == 1
    assert breaks_of(compare([item("ours")], [item("line", 997)], tolerance)) == [("amount", ["ours", "line"])]


def test_a_fee_is_expected_half_even_with_its_fixed_part() -> None:
    expected = ExpectedFee(basis_points=250, fixed_minor=25)
    assert [expected.of(amount) for amount in (1_000, 20, 60, 61, 0, -500)] == [50, 25, 27, 27, 0, 0]
    tolerance = Tolerance(fees={"stripe": expected})
    assert len(compare([item("ours")], [item("line", fee_minor=50)], tolerance).matches) == 1
    assert breaks_of(compare([item("ours")], [item("line", fee_minor=51)], tolerance)) == [("fee", ["ours", "line"])]


def test_what_is_told_twice_is_a_duplicate_and_only_then() -> None:
    theirs = [item("a"), item("b", day=2), item("c", 1_000, "ch_9", "ch_1", day=2)]
    assert breaks_of(compare([item("ours")], theirs)) == [("duplicate", ["b"]), ("missing_here", ["c"])]
    again = match_items([], [item("d", day=3)], Tolerance(), COVERAGE, {("capture", "ch_1")})
    assert breaks_of(again) == [("duplicate", ["d"])]


def test_what_is_not_covered_or_not_due_waits() -> None:
    ours = [
        item("due", 1_000, "a", day=7),
        item("recent", 1_000, "b", day=8),
        item("before", 1_000, "c", day=-1),
        item("elsewhere", 1_000, "d", place="nowhere"),
        item("optional", 1_000, "e", is_optional=True),
    ]
    outcome = compare(ours, [])
    assert breaks_of(outcome) == [("missing_there", ["due"])]
    assert [one.id for one in outcome.waiting] == ["before", "elsewhere", "optional", "recent"]


def test_amounts_and_days_match_only_where_that_is_allowed() -> None:
    ours, theirs = [item("ours", 1_000, "a")], [item("line", 1_001, "b", day=4)]
    allowed = Tolerance(minor_by_currency={"EUR": 1}, by_amount=True)
    assert len(compare(ours, theirs, allowed).matches) == 1
    assert not compare(ours, theirs, Tolerance(minor_by_currency={"EUR": 1})).matches
    assert not compare(ours, [item("line", 1_001, "b", day=5)], allowed).matches


def test_a_word_that_everything_carries_is_no_name() -> None:
    ours = [item(f"o{number}", 1_000, f"id-{number}", "payout") for number in range(MOST_SHARING + 1)]
    theirs = [item("line", 500, "payout")]
    assert breaks_of(compare(ours, theirs))[-1] == (BreakKind.MISSING_HERE.value, ["line"])
