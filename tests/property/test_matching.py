"""Matching holds for any two sides: nothing is lost, nothing counts twice, and the order of the items is nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain.matching import BreakKind, Coverage, ExpectedFee, Item, Outcome, Tolerance, match_items

START = datetime(2026, 1, 1, tzinfo=UTC)
COVERAGE: Coverage = {"stripe": (START, START + timedelta(days=20)), "EUR": (START, START + timedelta(days=5))}
TOLERANCES = st.builds(
    Tolerance,
    minor_by_currency=st.dictionaries(st.sampled_from(["EUR", "USD"]), st.integers(min_value=0, max_value=5)),
    days=st.integers(min_value=0, max_value=10),
    fees=st.sampled_from([{}, {"stripe": ExpectedFee(basis_points=290, fixed_minor=3, tolerance_minor=1)}]),
    by_amount=st.booleans(),
)


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[Item], list[Item]]:
    """Two sides that share few names, amounts and days, so that everything that can happen does."""

    def item(side: str, number: int) -> Item:
        return Item(
            id=f"{side}{number}",
            kind=draw(st.sampled_from(["capture", "refund"])),
            names=tuple(draw(st.lists(st.sampled_from("abcdef"), max_size=3, unique=True))),
            amount_minor=draw(st.integers(min_value=-3, max_value=8)) * 100
            + draw(st.integers(min_value=0, max_value=3)),
            currency=draw(st.sampled_from(["EUR", "USD"])),
            at=START + timedelta(days=draw(st.integers(min_value=0, max_value=12))),
            place=draw(st.sampled_from(["stripe", "EUR", "nowhere"])),
            fee_minor=draw(st.integers(min_value=0, max_value=30)),
            is_optional=draw(st.booleans()),
        )

    count = st.integers(min_value=0, max_value=9)
    return [item("o", n) for n in range(draw(count))], [item("t", n) for n in range(draw(count))]


def everything(outcome: Outcome) -> list[Item]:
    pairs = [item for match in outcome.matches for item in (match.ours, match.theirs)]
    return [*pairs, *(item for found in outcome.breaks for item in found.items), *outcome.waiting]


@given(sides(), TOLERANCES)
def test_every_item_is_in_exactly_one_place(given_sides: tuple[list[Item], list[Item]], tolerance: Tolerance) -> None:
    ours, theirs = given_sides
    outcome = match_items(ours, theirs, tolerance, COVERAGE)
    assert sorted(item.id for item in everything(outcome)) == sorted(item.id for item in (*ours, *theirs))
    assert not any(item in theirs for item in outcome.waiting)


@given(sides(), TOLERANCES, st.randoms(use_true_random=False))
def test_the_order_of_the_items_is_nothing(
    given_sides: tuple[list[Item], list[Item]], tolerance: Tolerance, random: Random
) -> None:
    ours, theirs = given_sides
    straight = match_items(ours, theirs, tolerance, COVERAGE)
    shuffled_ours, shuffled_theirs = list(ours), list(theirs)
    random.shuffle(shuffled_ours)
    random.shuffle(shuffled_theirs)
    assert match_items(shuffled_ours, shuffled_theirs, tolerance, COVERAGE) == straight


@given(sides(), TOLERANCES)
def test_a_match_is_of_one_kind_within_the_tolerance_and_a_break_says_what_differs(
    given_sides: tuple[list[Item], list[Item]], tolerance: Tolerance
) -> None:
    outcome = match_items(*given_sides, tolerance, COVERAGE)
    for match in outcome.matches:
        apart = abs(match.ours.amount_minor - match.theirs.amount_minor)
        assert match.ours.kind == match.theirs.kind
        assert match.ours.currency == match.theirs.currency
        assert apart <= tolerance.minor(match.ours.currency)
    for found in outcome.breaks:
        alone = {BreakKind.MISSING_HERE, BreakKind.MISSING_THERE, BreakKind.DUPLICATE}
        assert (len(found.items) == 1) == (found.kind in alone)
        assert found.kind is not BreakKind.MISSING_THERE or (found.ours is not None and not found.ours.is_optional)


@given(sides(), TOLERANCES)
def test_what_is_left_over_has_no_partner_by_name(
    given_sides: tuple[list[Item], list[Item]], tolerance: Tolerance
) -> None:
    outcome = match_items(*given_sides, tolerance, COVERAGE)
    alone = [found for found in outcome.breaks if len(found.items) == 1]
    here = [*outcome.waiting, *(found.ours for found in alone if found.ours is not None)]
    there = [found.theirs for found in alone if found.theirs is not None]
    shared = [
        (ours.id, theirs.id)
        for ours in here
        for theirs in there
        if ours.kind == theirs.kind and set(ours.names) & set(theirs.names)
    ]
    assert shared == []


@given(sides())
def test_two_equal_sides_match_whole(given_sides: tuple[list[Item], list[Item]]) -> None:
    ours, _ = given_sides
    named = [replace(item, names=(item.id,)) for item in ours]
    theirs = [replace(item, id=f"t-{item.id}") for item in named]
    outcome = match_items(named, theirs, Tolerance(), COVERAGE)
    assert len(outcome.matches) == len(named)
    assert not outcome.breaks
    assert not outcome.waiting
