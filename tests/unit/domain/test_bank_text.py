"""Names as banks take them: transliterated, never cut out, and refused when there is no Latin form."""

# ruff: noqa: RUF001 - letters that look like others are what is tested.

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bank_text import ALLOWED, bank_name, transliterate
from domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Müller & Söhne GmbH", "Muller + Sohne GmbH"),
        ("Straße des 17. Juni", "Strasse des 17. Juni"),
        ("Łukasz Żółć", "Lukasz Zolc"),
        ("Ångström Øresund Æbeltoft", "Angstrom Oresund AEbeltoft"),
        ("Ελλάς Ψάρια", "Ellas Psaria"),
        ("Щербак Юлия", "Shterbak Yuliya"),
        ("O’Brien – “Café”", "O'Brien - 'Cafe'"),
        ("İstanbul ığdır", "Istanbul igdir"),
        ("a  b\tc\nd", "a b c d"),
        ("№ 5 ﬁne ½", "No 5 fine 1/2"),
    ],
)
def test_letters_keep_their_sound(written: str, expected: str) -> None:
    assert transliterate(written) == expected


@pytest.mark.parametrize("written", ["株式会社", "شركة", "company 🚀"])
def test_what_has_no_latin_form_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        transliterate(written)
    assert written not in refusal.value.message


@pytest.mark.parametrize("written", ["", "...", "/-+"])
def test_a_name_needs_a_letter_or_a_digit(written: str) -> None:
    with pytest.raises(InvalidInput):
        bank_name(written, 70)


def test_a_name_begins_with_a_letter_and_ends_with_no_space() -> None:
    assert bank_name("+Ann Lee", 4) == "Ann"


@given(st.text())
def test_whatever_is_written_is_allowed(written: str) -> None:
    try:
        result = transliterate(written)
    except InvalidInput:
        return
    assert ALLOWED.fullmatch(result)
    assert transliterate(result) == result
