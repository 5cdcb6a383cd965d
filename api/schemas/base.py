"""Bases of the API's models: requests refuse what they do not know, answers say everything they have."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.errors import InvalidInput
from domain.money import to_decimal_string, to_minor
from topics.message import Currency, PositiveMinor

DecimalString = Annotated[str, Field(pattern=r"^[0-9]{1,16}(\.[0-9]{1,4})?$", examples=["10.99"])]


class RequestModel(BaseModel):
    """A body. A field that nobody knows is refused: it may be a misspelt amount."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ResponseModel(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class AmountRequest(RequestModel):
    """An amount of a currency: integer minor units, or a decimal string of major units; exactly one of the two."""

    amount_minor: PositiveMinor | None = Field(default=None, description="In minor units.", examples=[1099])
    amount: DecimalString | None = Field(default=None, description="In major units, instead of `amount_minor`.")
    currency: Currency = Field(examples=["USD"])

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.amount_minor is None) == (self.amount is None):
            raise ValueError("give `amount_minor` or `amount`, and not both")
        return self

    def minor(self) -> int:
        """The amount in minor units. Raises InvalidMoney when the decimals do not fit the currency."""
        return exact_minor(self.amount_minor, self.amount, self.currency)


class OptionalAmountRequest(RequestModel):
    """A part of an existing payment, in its currency; all that is left when no amount is given."""

    amount_minor: PositiveMinor | None = Field(default=None, description="In minor units.", examples=[400])
    amount: DecimalString | None = Field(default=None, description="In major units, instead of `amount_minor`.")

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.amount_minor is not None and self.amount is not None:
            raise ValueError("give `amount_minor` or `amount`, and not both")
        return self

    def minor(self, currency: str) -> int | None:
        """The amount in minor units; None when none was given. Raises InvalidMoney."""
        if self.amount_minor is None and self.amount is None:
            return None
        return exact_minor(self.amount_minor, self.amount, currency)


def exact_minor(amount_minor: int | None, amount: str | None, currency: str) -> int:
    """One of two ways to say an amount, in minor units above zero."""
    minor = to_minor(amount, currency) if amount_minor is None else amount_minor
    if minor <= 0:
        raise InvalidInput("an amount is above zero", field="amount")
    return minor


def decimal_of(amount_minor: int, currency: str) -> str:
    """The decimal string beside an integer of minor units."""
    return to_decimal_string(amount_minor, currency)
