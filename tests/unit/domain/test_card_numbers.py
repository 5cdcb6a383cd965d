"""What looks like a card number is found, whatever stands around it, and nothing else is taken for one."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.card_numbers import is_card_number, passes_luhn, refuse_card_number
from domain.errors import InvalidInput

VISA = "4242424242424242"

CARDS = (
    VISA,
    "4222222222222",
    "4012888888881881",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3566002020360505",
    "6200000000000005",
    "6304000000000000",
    "8171999927660000",
    "9792030394440796",
)
"""Numbers of the brands' own test cards."""

HIDING_PLACES = (
    "{}",
    "card {} please",
    "card={};",
    "x{}y",
    "card {} 12/30",
    "card {} 12 30 123",
    "5 {}",
    "order 7, paid with {} on 2026-01-02",
    "{}\n{}",
    "2026-01-02 {}",
)

INNOCENT = (
    "",
    "4242",
    "TRX-20260102-1",
    "20260102030405",
    "2026-01-02T03:04:05.123456+00:00",
    "+44 20 7946 0958",
    "192.168.100.200",
    "1234567890123456",
    "0000000000000000",
    VISA[:-1] + "3",
    VISA + "00000",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "a4242424242424242000000000000000",
    "pi_3MtwBwLkdIwHu7ix28a3tqPa",
    "4500.00 3200.50 1200.75 88.10",
)


@pytest.mark.parametrize("place", HIDING_PLACES)
@pytest.mark.parametrize("card", CARDS)
def test_a_card_number_is_refused_wherever_it_stands_and_not_repeated(card: str, place: str) -> None:
    text = place.replace("{}", card)
    with pytest.raises(InvalidInput) as refusal:
        refuse_card_number(text)
    assert refusal.value.code == "card_number_refused"
    assert card not in str(refusal.value)
    assert card not in repr(refusal.value)


@pytest.mark.parametrize(
    "between", [" ", "-", "  ", " - ", "\u00a0", "\u2009", "\u2013", "\u200b", "\t", "\n", ".", "/", "_"]
)
def test_what_stands_between_the_groups_does_not_hide_it(between: str) -> None:
    for grouped in (("4242",) * 4, ("3782", "822463", "10005")):
        with pytest.raises(InvalidInput):
            refuse_card_number(f"card {between.join(grouped)} 12/30")


@pytest.mark.parametrize("grouped", ["4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2", "42424242-42424242", "42 42 42 42 42 42 42 42"])
def test_groups_of_any_size_do_not_hide_it(grouped: str) -> None:
    with pytest.raises(InvalidInput):
        refuse_card_number(grouped)


@pytest.mark.parametrize("zero", ["\uff10", "\u0660", "\u0966"])
def test_digits_of_other_scripts_are_digits(zero: str) -> None:
    with pytest.raises(InvalidInput):
        refuse_card_number("".join(chr(ord(zero) + int(digit)) for digit in VISA))


@pytest.mark.parametrize("text", INNOCENT)
def test_other_text_is_returned_as_it_is(text: str) -> None:
    assert refuse_card_number(text) == text


@given(st.uuids(), st.binary(min_size=16, max_size=32))
def test_random_ids_are_never_taken_for_card_numbers(identifier: uuid.UUID, digest: bytes) -> None:
    for text in (str(identifier), identifier.hex, f"pay_{digest.hex()}"):
        assert refuse_card_number(text) == text


@given(st.integers(min_value=10**11, max_value=10**17))
def test_exactly_one_last_digit_in_ten_passes(number: int) -> None:
    passing = [digit for digit in range(10) if passes_luhn(f"{number}{digit}")]
    assert len(passing) == 1


@given(st.text(alphabet="0123456789 -./x", max_size=60))
def test_whatever_is_let_through_holds_no_whole_group_that_is_a_card_number(text: str) -> None:
    groups = "".join(char if char.isdigit() else " " for char in text).split()
    try:
        refuse_card_number(text)
    except InvalidInput:
        return
    assert not any(map(is_card_number, groups))
