"""What the house knows about PhonePe's legacy API without calling it."""

from typing import Literal

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import (
    URL_PATTERN,
    api_base_field,
    own_credentials,
    previous_secret_field,
    return_url_field,
)


class PhonePeV1Credentials(CredentialsModel):
    """What an account needs to take payments through PhonePe's legacy API."""

    merchant_id: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,38}$",
        title="Merchant id",
        description="The id that PhonePe gave the merchant. It is no secret.",
    )
    salt_key: SecretStr = Field(
        min_length=1,
        title="Salt key",
        description="The key that requests and callbacks are signed with.",
    )
    salt_index: int = Field(
        default=1,
        ge=1,
        title="Salt index",
        description="The number of the salt key, shown beside it.",
    )
    previous_salt_key: SecretStr | None = previous_secret_field(
        "Previous salt key",
        "Callbacks signed with it are still accepted after a change.",
    )
    previous_salt_index: int | None = Field(
        default=None,
        ge=1,
        title="Previous salt index",
        description="The number of the previous salt key. Leave it out when the number has not changed.",
    )
    environment: Literal["production", "sandbox"] = Field(
        default="production",
        title="Environment",
        description="Which of PhonePe's environments the merchant id belongs to.",
    )
    callback_url: str = Field(
        pattern=URL_PATTERN,
        title="Callback URL",
        description="Where PhonePe posts its callbacks, as it is reached from outside. It is named with every payment.",
    )
    return_url: str | None = return_url_field()
    api_base: str | None = api_base_field("PhonePe", 8423)


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The HTTP client is slow to import, and processes that only look gateways up never need it.
    from connectors.phonepe_v1.client import PhonePeV1Connector  # noqa: PLC0415 - see above

    return PhonePeV1Connector(own_credentials(PhonePeV1Credentials, credentials, "PhonePe's legacy API"))


REGISTRATION = Registration(
    key="phonepe_v1",
    display_name="PhonePe (legacy)",
    description=(
        "UPI, cards and netbanking in India, by PhonePe's legacy API with a salt key. Payments are captured at once. "
        "Recurring payments are not supported."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
        }
    ),
    currencies=frozenset({"INR"}),
    countries=frozenset({"IN"}),
    payment_methods=("upi", "card", "netbanking"),
    credentials=PhonePeV1Credentials,
    factory=build_connector,
    required_headers=("x-verify",),
)
