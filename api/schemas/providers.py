"""Gateways as they are: what they can do, and what an account needs to use them."""

from typing import Literal

from pydantic import Field

from api.schemas.base import ResponseModel
from connectors.base import Capability, Registration
from connectors.credentials import FieldKind, describe_credentials
from domain.facts import Trust
from services.gateway_configuration import rotatable_fields


class CredentialFieldResponse(ResponseModel):
    """One field of a gateway's credentials. Secrets can be written and are never shown again."""

    name: str = Field(examples=["secret_key"])
    label: str
    description: str
    type: FieldKind
    required: bool
    secret: bool
    rotatable: bool = Field(description="It can be changed with `rotate`, which accepts the present value further on.")
    default: str | int | bool | None = Field(description="What counts when it is left out.")
    choices: list[str] = Field(description="The only values it may have; empty where any value may do.")


class ProviderResponse(ResponseModel):
    """A gateway that Paystream speaks to."""

    key: str = Field(examples=["stripe"])
    object: Literal["provider"] = "provider"
    display_name: str
    description: str
    native: bool = Field(description="False where other software speaks to the gateway for us.")
    capabilities: list[Capability]
    currencies: list[str] = Field(examples=[["EUR", "USD"]])
    countries: list[str] = Field(examples=[["DE", "US"]])
    payment_methods: list[str] = Field(examples=[["card", "wallet"]])
    callback_trust: Trust = Field(description="What a callback is worth; after a `hint` the gateway is always asked.")
    credentials: list[CredentialFieldResponse]
    callback_url: str | None = Field(
        description="Where the gateway posts the account's callbacks; null where it posts none, or the account is open."
    )


def provider_response(registration: Registration, public_url: str, account: str | None) -> ProviderResponse:
    """Show a gateway to an account."""
    rotatable = rotatable_fields(registration.credentials)
    return ProviderResponse(
        key=registration.key,
        display_name=registration.display_name,
        description=registration.description,
        native=registration.native,
        capabilities=sorted(registration.capabilities),
        currencies=sorted(registration.currencies),
        countries=sorted(registration.countries),
        payment_methods=list(registration.payment_methods),
        callback_trust=registration.callback_trust,
        credentials=[
            CredentialFieldResponse(
                name=field.name,
                label=field.label,
                description=field.description,
                type=field.kind,
                required=field.required,
                secret=field.secret,
                rotatable=field.name in rotatable,
                default=field.default,
                choices=list(field.allowed_values),
            )
            for field in describe_credentials(registration)
        ],
        callback_url=None if account is None else callback_url(registration, public_url, account),
    )


def callback_url(registration: Registration, public_url: str, account: str) -> str | None:
    """Where a gateway posts an account's callbacks; None for one that posts none."""
    if not registration.has(Capability.VERIFIES_WEBHOOKS):
        return None
    return f"{public_url.rstrip('/')}/webhooks/{registration.key}/{account}"
