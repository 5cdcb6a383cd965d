"""Payment options: what an account offers to its payers, in its own order."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from api.schemas.available_methods import Country
from api.schemas.base import RequestModel, ResponseModel
from api.schemas.json_objects import SmallJsonObject
from domain.money import MAX_AMOUNT_MINOR
from services.payment_options import OptionTerms
from storage.payment_options import DEFAULT_PRIORITY, PaymentOption
from topics.message import Currency, Name
from topics.safe_text import SafeText

MAX_PRIORITY = 10_000
MAX_OPTIONS = 100

Priority = Annotated[int, Field(strict=True, ge=0, le=MAX_PRIORITY)]
Bound = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_MINOR)]
DisplayName = Annotated[SafeText, Field(min_length=1, max_length=100)]

EXAMPLE: dict[str, JsonValue] = {
    "priority": 10,
    "payment_methods": ["card"],
    "countries": ["DE", "US"],
    "min_amount_minor": 100,
    "display_name": "Credit or debit card",
}


class PaymentOptionRequest(RequestModel):
    """How a gateway is offered. What is left out has its default: nothing is kept of the option that was there."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    enabled: bool = True
    priority: Priority = Field(default=DEFAULT_PRIORITY, description="The least comes first.")
    payment_methods: list[Name] | None = Field(
        default=None, min_length=1, max_length=100, description="Some of the gateway's, in your order; all by default."
    )
    countries: list[Country] | None = Field(
        default=None, min_length=1, max_length=300, description="Some of the gateway's; all by default."
    )
    currencies: list[Currency] | None = Field(
        default=None, min_length=1, max_length=300, description="Some of the gateway's; all by default."
    )
    min_amount_minor: Bound | None = Field(default=None, description="In minor units of the payment's currency.")
    max_amount_minor: Bound | None = Field(default=None, description="In minor units of the payment's currency.")
    display_name: DisplayName | None = Field(default=None, description="What payers read, else the gateway's name.")
    settings: SmallJsonObject = Field(default_factory=dict, description="Anything of yours to keep beside it.")

    def terms(self, gateway: str) -> OptionTerms:
        """How the gateway is to be offered."""
        return OptionTerms(gateway=gateway, **{name: getattr(self, name) for name in PaymentOptionRequest.model_fields})


class NamedPaymentOptionRequest(PaymentOptionRequest):
    """A gateway, and how it is offered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"gateway": "stripe", **EXAMPLE}]})

    gateway: Name


class ReplacePaymentOptionsRequest(RequestModel):
    """Everything that the account offers. What is not among it is offered no more."""

    data: list[NamedPaymentOptionRequest] = Field(max_length=MAX_OPTIONS)


class PaymentOptionResponse(ResponseModel):
    """A gateway as an account offers it. Null means all that the gateway has."""

    object: Literal["payment_option"] = "payment_option"
    account: str
    gateway: str
    enabled: bool
    priority: int
    payment_methods: list[str] | None
    countries: list[str] | None
    currencies: list[str] | None
    min_amount_minor: int | None
    max_amount_minor: int | None
    display_name: str | None
    settings: dict[str, JsonValue]
    updated_at: datetime


def payment_option_response(option: PaymentOption) -> PaymentOptionResponse:
    """Show an option."""
    return PaymentOptionResponse.model_validate(option)


def payment_option_responses(options: Iterable[PaymentOption]) -> list[PaymentOptionResponse]:
    """Show options."""
    return [payment_option_response(option) for option in options]
