"""Card numbers must not be stored anywhere. This finds what looks like one: 13 to 19 digits that pass the Luhn check.

Spaces and hyphens between the digits do not hide a number, nor does text around it. Payment cards begin with 2 to
6 (ISO/IEC 7812-1); long numbers that begin otherwise, as most generated ids do, are let through.
"""

import re

from domain.errors import InvalidInput

_CANDIDATE = re.compile(r"(?<![0-9])[2-6](?:[ -]?[0-9]){12,18}(?![0-9])")


def refuse_card_number(text: str) -> str:
    """Return the text unchanged; raise InvalidInput, without repeating it, when it holds a card number."""
    for candidate in _CANDIDATE.finditer(text):
        if passes_luhn(re.sub("[ -]", "", candidate.group())):
            raise InvalidInput("this looks like a card number; use the gateway's token", code="card_number_refused")
    return text


def passes_luhn(digits: str) -> bool:
    """Say whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2  # noqa: PLR2004 - doubled digits above 9 lose 9
        total += value
    return total % 10 == 0
