"""Money survives every way there and back, and is split to the last minor unit."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.money import EXPONENTS, MAX_AMOUNT_MINOR, allocate, from_wire, to_decimal_string, to_minor, to_wire

AMOUNTS = st.integers(min_value=-MAX_AMOUNT_MINOR, max_value=MAX_AMOUNT_MINOR)
WIRE_AMOUNTS = st.integers(min_value=-(10**14), max_value=10**14)
CURRENCIES = st.sampled_from(sorted(EXPONENTS))
OVERRIDES = st.dictionaries(CURRENCIES, st.integers(min_value=0, max_value=4), max_size=8)
WEIGHTS = st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=8).filter(any)


@settings(max_examples=500, deadline=None)
@given(AMOUNTS, CURRENCIES, OVERRIDES)
def test_minor_units_survive_the_decimal_string(amount_minor: int, currency: str, overrides: dict[str, int]) -> None:
    text = to_decimal_string(amount_minor, currency, overrides)
    assert to_minor(text, currency, overrides) == amount_minor
    assert Fraction(text) == Fraction(amount_minor, 10 ** overrides.get(currency, EXPONENTS[currency]))


@settings(max_examples=500, deadline=None)
@given(WIRE_AMOUNTS, CURRENCIES, OVERRIDES)
def test_minor_units_survive_the_wire(amount_minor: int, currency: str, overrides: dict[str, int]) -> None:
    shift = overrides.get(currency, EXPONENTS[currency]) - EXPONENTS[currency]
    expressible = amount_minor * 10 ** max(0, -shift)
    wire = to_wire(expressible, currency, overrides)
    assert from_wire(wire, currency, overrides) == expressible
    assert Fraction(wire) == expressible * Fraction(10) ** shift


@settings(max_examples=1000, deadline=None)
@given(AMOUNTS, WEIGHTS)
def test_an_allocation_sums_exactly_and_is_fair_within_one(amount_minor: int, weights: list[int]) -> None:
    parts = allocate(amount_minor, weights)
    assert sum(parts) == amount_minor
    assert len(parts) == len(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(amount_minor * weight, sum(weights))) < 1
        assert part * amount_minor >= 0


@settings(max_examples=500, deadline=None)
@given(st.data(), WEIGHTS)
def test_nobody_is_allocated_more_than_it_has(data: st.DataObject, holdings: list[int]) -> None:
    amount_minor = data.draw(st.integers(min_value=0, max_value=sum(holdings)))
    assert all(part <= held for part, held in zip(allocate(amount_minor, holdings), holdings, strict=True))
