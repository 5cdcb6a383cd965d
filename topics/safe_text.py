"""Text that may be stored: no NUL, which PostgreSQL refuses, and nothing that looks like a card number."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from domain.card_numbers import CARD_NUMBER_REFUSED, is_card_number, refuse_card_number
from domain.errors import InvalidInput
from topics.message import Identifier, Name

_NO_NUL = r"^[^\x00]*$"


def _without_card_number(text: str) -> str:
    try:
        return refuse_card_number(text)
    except InvalidInput as error:
        # Not chained and without the input: the number must not reach a log through the traceback.
        raise PydanticCustomError(CARD_NUMBER_REFUSED, "{reason}", {"reason": error.message}) from None


def _no_card_number(text: str) -> str:
    if is_card_number(text):
        reason = "this is a card number and cannot be an id"
        raise PydanticCustomError(CARD_NUMBER_REFUSED, "{reason}", {"reason": reason})
    return text


SafeText = Annotated[str, Field(max_length=2000, pattern=_NO_NUL), AfterValidator(_without_card_number)]
SafeReference = Annotated[Identifier, AfterValidator(_without_card_number)]
"""Somebody else's name of a thing."""
SafeIdentifier = Annotated[Identifier, AfterValidator(_no_card_number)]
"""An id that upstream makes. Ids are often random, so only one that is a card number as a whole is refused."""
SafeName = Annotated[Name, AfterValidator(_without_card_number)]
ReturnUrl = Annotated[
    str, Field(max_length=1000, pattern=r"^https?://[\x21-\x7e]+$"), AfterValidator(_without_card_number)
]
"""Where a payer's browser goes after paying. Any page of the merchant's: nothing that it brings back is trusted."""
Token = Annotated[Identifier, AfterValidator(_without_card_number)]
"""A gateway's token of a payment method, never the method itself."""

RedirectParameters = Annotated[
    dict[
        Annotated[str, Field(max_length=200, pattern=_NO_NUL), AfterValidator(_without_card_number)],
        Annotated[str, Field(max_length=20_000, pattern=_NO_NUL), AfterValidator(_without_card_number)],
    ],
    Field(max_length=50),
]
"""What a payer's browser brings back from a gateway; some put a whole sealed answer into one parameter."""
Metadata = Annotated[
    dict[
        Annotated[str, Field(max_length=40, pattern=_NO_NUL), AfterValidator(_without_card_number)],
        Annotated[str, Field(max_length=500, pattern=_NO_NUL), AfterValidator(_without_card_number)],
    ],
    Field(max_length=20),
]
