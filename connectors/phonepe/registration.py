"""What the house knows about PhonePe without calling it."""

from typing import Literal

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import api_base_field, own_credentials, previous_secret_field, return_url_field
from domain.facts import Trust


class PhonePeCredentials(CredentialsModel):
    """What an account needs to take payments through PhonePe's API of version 2."""

    client_id: str = Field(
        min_length=1,
        title="Client id",
        description="In the PhonePe Business dashboard: Developer Settings, API Credentials.",
    )
    client_secret: SecretStr = Field(
        min_length=1,
        title="Client secret",
        description="Shown beside the client id. Access tokens are fetched with it.",
    )
    client_version: int = Field(
        ge=0,
        title="Client version",
        description="The version shown beside the client id; 1 in the sandbox.",
    )
    environment: Literal["production", "sandbox"] = Field(
        default="production",
        title="Environment",
        description="Which of PhonePe's environments the client id belongs to.",
    )
    webhook_username: SecretStr = Field(
        min_length=1,
        title="Webhook username",
        description="The username you chose for the webhook, with the authentication type SHA; HMAC is not supported.",
    )
    webhook_password: SecretStr = Field(
        min_length=1,
        title="Webhook password",
        description="The password you chose for the webhook.",
    )
    previous_webhook_username: SecretStr | None = previous_secret_field(
        "Previous webhook username",
        "Still accepted with the previous password. Leave it out when only the password has changed.",
    )
    previous_webhook_password: SecretStr | None = previous_secret_field(
        "Previous webhook password",
        "Still accepted after a change, until every callback carries the new one.",
    )
    return_url: str | None = return_url_field()
    mobile_sdk: bool = Field(
        default=False,
        title="Mobile SDK",
        description="Payments that name no page to go back to are for PhonePe's SDK in an app, and get a token for it.",
    )
    api_base: str | None = api_base_field("PhonePe", 8422)


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The HTTP client is slow to import, and processes that only look gateways up never need it.
    from connectors.phonepe.client import PhonePeConnector  # noqa: PLC0415 - see above

    return PhonePeConnector(own_credentials(PhonePeCredentials, credentials, "PhonePe"))


REGISTRATION = Registration(
    key="phonepe",
    display_name="PhonePe",
    description=(
        "UPI, cards and netbanking in India, by version 2 of the API. Payments are captured at once. Callbacks prove "
        "little, so each only leads to a look at PhonePe's own records. Payment links are not made."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
            Capability.VERIFIES_REDIRECTS,
            Capability.SETS_UP_MANDATES,
            Capability.CHARGES_MANDATES,
        }
    ),
    currencies=frozenset({"INR"}),
    countries=frozenset({"IN"}),
    payment_methods=("upi", "card", "netbanking"),
    credentials=PhonePeCredentials,
    factory=build_connector,
    required_headers=("authorization",),
    callback_trust=Trust.HINT,
)
