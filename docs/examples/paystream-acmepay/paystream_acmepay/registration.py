"""What Paystream knows about Acmepay without calling it."""

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import api_base_field, own_credentials, previous_secret_field
from pydantic import Field, SecretStr


class AcmepayCredentials(CredentialsModel):
    """What an account needs to take payments through Acmepay."""

    api_key: SecretStr = Field(
        min_length=1,
        title="API key",
        description="In the dashboard: Settings, API keys.",
    )
    webhook_secret: SecretStr = Field(
        min_length=1,
        title="Webhook secret",
        description="In the dashboard: Settings, Webhooks, the endpoint's own page.",
    )
    previous_webhook_secret: SecretStr | None = previous_secret_field(
        "Previous webhook secret",
        "Still accepted after the secret was replaced. Remove it a day later.",
    )
    api_base: str | None = api_base_field("Acmepay", 8450)


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The HTTP client is slow to import, and processes that only look gateways up never need it.
    from paystream_acmepay.client import AcmepayConnector  # noqa: PLC0415 - see above

    own = own_credentials(AcmepayCredentials, credentials, "Acmepay")
    return AcmepayConnector(own)


REGISTRATION = Registration(
    key="acmepay",
    display_name="Acmepay",
    description="Payments on the gateway's own page, captured at once and as a whole, and refunded in parts.",
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
            Capability.REPEATS_SAFELY,
        }
    ),
    currencies=frozenset({"EUR", "GBP", "JPY", "KWD", "USD"}),
    countries=frozenset({"DE", "FR", "GB", "US"}),
    payment_methods=("card",),
    credentials=AcmepayCredentials,
    factory=build_connector,
    required_headers=("x-acmepay-signature",),
)
