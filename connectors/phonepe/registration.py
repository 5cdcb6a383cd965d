"""What the house knows about PhonePe without calling it."""

from typing import Literal

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from domain.errors import InvalidInput
from domain.facts import Trust

API_BASE_PATTERN = r"^https?://[^\s/@?#]+$"
RETURN_URL_PATTERN = r"^https?://[\x21-\x7e]+$"


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
    previous_webhook_username: SecretStr | None = Field(
        default=None,
        min_length=1,
        title="Previous webhook username",
        description="Still accepted with the previous password. Leave it out when only the password has changed.",
    )
    previous_webhook_password: SecretStr | None = Field(
        default=None,
        min_length=1,
        title="Previous webhook password",
        description="Still accepted after a change, until every callback carries the new one.",
    )
    return_url: str | None = Field(
        default=None,
        pattern=RETURN_URL_PATTERN,
        title="Page after paying",
        description="Where payers go back to when a payment names no page of its own.",
    )
    mobile_sdk: bool = Field(
        default=False,
        title="Mobile SDK",
        description="Payments that name no page to go back to are for PhonePe's SDK in an app, and get a token for it.",
    )
    api_base: str | None = Field(
        default=None,
        pattern=API_BASE_PATTERN,
        title="API base URL",
        description="Only for a stand-in of PhonePe, such as http://127.0.0.1:8422. Leave it out for PhonePe itself.",
    )


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # Processes that only look gateways up need no HTTP client.
    from connectors.phonepe.client import PhonePeConnector  # noqa: PLC0415 - see above

    if not isinstance(credentials, PhonePeCredentials):
        raise InvalidInput("these are not credentials for PhonePe", field="credentials")
    return PhonePeConnector(credentials)


REGISTRATION = Registration(
    key="phonepe",
    display_name="PhonePe",
    description=(
        "UPI, cards and netbanking in India, by version 2 of the API. Payments are captured at once. Callbacks prove"
        " little, so each only leads to a look at PhonePe's own records. Payment links are not made."
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
