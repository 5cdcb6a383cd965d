"""Card numbers must not be stored anywhere. This finds what looks like one: 13 to 19 digits that pass the Luhn check.

The digits may stand in groups with spaces or hyphens between them, and text or other numbers may stand around: every
row of whole groups is tried, so that an expiry date behind the number does not hide it. Numbers that begin as no card
brand's do are let through, and so are UUIDs and hexadecimal digests, which may hold such digits by chance.
"""

import re
from collections.abc import Iterator

from domain.errors import InvalidInput

CARD_NUMBER_REFUSED = "card_number_refused"

_BETWEEN = r"[\s\-\u2010-\u2015\u200b-\u200d\u2060\ufeff]{1,3}"
_GROUPS = re.compile(rf"\d+(?:{_BETWEEN}\d+)*")
_PUNCTUATED = re.compile(r"(?<!\d)\d{4}([._/])(?:\d{4}\1\d{4}\1\d{1,7}|\d{6}\1\d{4,5})(?!\d)")
"""The groupings printed on cards, with punctuation between. Other numbers in a row with dots are no card."""
_RANDOM = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32,})(?![0-9A-Za-z])", re.IGNORECASE
)
_SEPARATED = re.compile(rf"(?:{_BETWEEN}|[._/])")
_BRANDS = re.compile("2[2-7]|[3-6]|8[12]|9792")
_SHORTEST, _LONGEST = 13, 19


def refuse_card_number(text: str) -> str:
    """Return the text unchanged; raise InvalidInput, without repeating it, when it holds a card number."""
    if any(map(is_card_number, _candidates(_RANDOM.sub("x", text)))):
        raise InvalidInput("this looks like a card number; use the gateway's token", code=CARD_NUMBER_REFUSED)
    return text


def is_card_number(digits: str) -> bool:
    """Say whether digits, without anything between them, are as long as a card number, begin and end like one."""
    return _SHORTEST <= len(digits) <= _LONGEST and _BRANDS.match(digits) is not None and passes_luhn(digits)


def passes_luhn(digits: str) -> bool:
    """Say whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2  # noqa: PLR2004 - doubled digits above 9 lose 9
        total += value
    return total % 10 == 0


def _candidates(text: str) -> Iterator[str]:
    """Every row of whole groups that is as long as a card number, in ASCII digits."""
    for row in _GROUPS.finditer(text):
        groups = [_ascii(group) for group in re.findall(r"\d+", row.group())]
        for first in range(len(groups)):
            digits = ""
            for group in groups[first:]:
                digits += group
                if len(digits) > _LONGEST:
                    break
                if len(digits) >= _SHORTEST:
                    yield digits
    for match in _PUNCTUATED.finditer(text):
        yield _ascii(_SEPARATED.sub("", match.group()))


def _ascii(digits: str) -> str:
    """The same digits as 0 to 9: every script has its own, and all of them are read as numbers."""
    return "".join(str(int(digit)) for digit in digits)
