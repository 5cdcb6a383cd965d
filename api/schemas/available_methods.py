"""What a payer can pay with."""

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import ResponseModel
from services.available_methods import Offer, is_paid_by_hand

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["US"], description="ISO 3166-1 alpha-2.")]


class AvailableMethodResponse(ResponseModel):
    """A gateway that takes the purchase, and the payment methods by which it does, in the account's order."""

    object: Literal["available_payment_method"] = "available_payment_method"
    gateway: str = Field(examples=["stripe"])
    display_name: str = Field(description="What payers read.", examples=["Credit or debit card"])
    description: str
    priority: int = Field(description="The least comes first.")
    payment_methods: list[str] = Field(examples=[["card", "wallet"]])
    is_paid_by_hand: bool = Field(description="Payers follow instructions, and a person confirms the money.")


def available_method_response(offer: Offer) -> AvailableMethodResponse:
    """Show an offer."""
    return AvailableMethodResponse(
        gateway=offer.registration.key,
        display_name=offer.display_name,
        description=offer.registration.description,
        priority=offer.option.priority,
        payment_methods=list(offer.payment_methods),
        is_paid_by_hand=is_paid_by_hand(offer.registration),
    )
