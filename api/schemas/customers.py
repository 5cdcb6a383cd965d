"""Customers' saved payment methods."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.schemas.base import RequestModel, ResponseModel
from storage.vault_list import MethodStatus
from topics.message import Name
from topics.safe_text import SafeReference, Token

CustomerId = Annotated[SafeReference, Field(description="Your own id of the customer.", examples=["customer-17"])]


class SavePaymentMethodRequest(RequestModel):
    """A payment method to keep at a gateway, as the token that the gateway's own client gave. No card numbers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"gateway": "stripe", "token": "pm_card_visa"}]})

    gateway: Name
    token: Token


class SavedPaymentMethodResponse(ResponseModel):
    """A payment method that is kept at its gateway. What is known of it here is what its owner may see.

    `provider_reference` is the gateway's token: it authorizes payments there, as their `payment_method_token`.
    """

    id: str
    object: Literal["payment_method"] = "payment_method"
    account: str
    customer_id: str
    gateway: str
    status: MethodStatus = Field(description="`started` until the gateway has said that it keeps the method.")
    kind: str | None = Field(examples=["card"])
    brand: str | None = Field(examples=["visa"])
    last_four: str | None = Field(examples=["4242"])
    expires: str | None = Field(examples=["12/2030"])
    provider_reference: str | None
    customer_reference: str | None = Field(description="The gateway's own name of the customer.")
    created_at: datetime
    updated_at: datetime
