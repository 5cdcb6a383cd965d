"""Small JSON objects that callers keep with us: shallow, short, and nothing that PostgreSQL or the law refuses."""

import json
from typing import Annotated

from pydantic import BeforeValidator, JsonValue

from domain.card_numbers import refuse_card_number
from domain.errors import InvalidInput

MAX_DEPTH = 4
MAX_LENGTH = 4_096
LEAST, GREATEST = 1e-15, 2**53


def _check(value: object) -> object:
    """Raise ValueError, which never repeats what was sent. Walks without recursion: the depth is the caller's."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise ValueError(f"at most {MAX_DEPTH} levels deep")
            parts = [*item.keys(), *item.values()] if isinstance(item, dict) else item
            waiting += [(part, depth + 1) for part in parts]
        else:
            _check_plain(item)
    if len(json.dumps(value)) > MAX_LENGTH:
        raise ValueError(f"at most {MAX_LENGTH} characters as JSON")
    return value


def _check_plain(item: object) -> None:
    if isinstance(item, int | float) and not _is_bearable(item):
        # The database writes numbers out: 1e300 would come back as three hundred digits.
        raise ValueError("numbers lie between -2^53 and 2^53, and have few decimals")
    text = str(item)
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("texts have neither NUL nor halves of characters")
    try:
        refuse_card_number(text)
    except InvalidInput as error:
        # Not chained and without the input: the number must not reach a log through the traceback.
        raise ValueError(error.message) from None


def _is_bearable(number: float) -> bool:
    return number == 0 or LEAST <= abs(number) <= GREATEST


SmallJsonObject = Annotated[dict[str, JsonValue], BeforeValidator(_check)]
"""At most 4 levels deep and 4,096 characters long, without card numbers."""
