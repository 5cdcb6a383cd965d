"""Mandates: customers' agreements to be charged later."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.purchases import PurchaseRequest
from storage.vault_list import MandateRecord, MandateStatus
from topics.commands import CommandResult
from topics.message import Currency, Name, PositiveMinor
from topics.safe_text import ReturnUrl, SafeReference, Token

_OURS = frozenset({"mandate_id", "mandate_status"})
"""What a result tells beside the gateway's own parameters, and the answer says by other names."""


class CreateMandateRequest(RequestModel):
    """A customer's agreement to begin. Which of the optional fields are needed depends on the gateway."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "gateway": "stripe",
                    "customer_id": "customer-17",
                    "currency": "USD",
                    "payment_method_token": "pm_card_visa",
                    "max_amount_minor": 5000,
                }
            ]
        }
    )

    gateway: Name
    customer_id: SafeReference = Field(description="Your own id of the customer.")
    currency: Currency
    payment_method_token: Token | None = Field(default=None, description="The gateway's token. No card numbers.")
    max_amount_minor: PositiveMinor | None = Field(
        default=None, description="The most that may be charged at a time, in minor units of `currency`."
    )
    return_url: ReturnUrl | None = Field(default=None, description="Where the customer goes after confirming.")


class ChargeMandateRequest(PurchaseRequest):
    """A payment to charge to a mandate, in the mandate's currency."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"amount_minor": 999, "currency": "USD", "resource_type": "subscription", "resource_id": "sub-1-march"}
            ]
        }
    )


class MandateResponse(ResponseModel):
    """A mandate. It can be charged while it is `active`, and where the gateway allows it while it is `pending`."""

    id: str
    object: Literal["mandate"] = "mandate"
    account: str
    gateway: str
    customer_id: str
    currency: str
    max_amount_minor: int | None
    status: MandateStatus = Field(description="`started` until the gateway has answered.")
    provider_reference: str | None
    created_at: datetime
    updated_at: datetime
    client_parameters: dict[str, str] | None = Field(
        default=None, description="What the customer's client needs to confirm the mandate. Told once."
    )


def mandate_response(mandate: MandateRecord, result: CommandResult | None = None) -> MandateResponse:
    """Show a mandate, with what the command that has just begun it told for the customer's client."""
    told = {} if result is None else result.client_parameters
    needed = {name: value for name, value in told.items() if name not in _OURS}
    return MandateResponse.model_validate(mandate).model_copy(update={"client_parameters": needed or None})
