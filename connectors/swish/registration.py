"""What the house knows about Swish without calling it."""

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import API_BASE_PATTERN, PLAIN_URL_PATTERN, own_credentials, previous_secret_field
from domain.facts import Trust

CERTIFICATE_PATTERN = r"^-----BEGIN CERTIFICATE-----"


class SwishCredentials(CredentialsModel):
    """What an account needs to take payments through Swish. Certificates and keys are given as PEM text."""

    merchant_swish_number: str = Field(
        pattern="^[0-9]{10}$",
        title="Swish number",
        description="The account's own number, which begins with 123.",
    )
    client_certificate: str = Field(
        pattern=CERTIFICATE_PATTERN,
        title="Client certificate",
        description="The TLS certificate from Swish's certificate portal, with the certificates above it, as PEM text.",
    )
    client_key: SecretStr = Field(
        min_length=1,
        title="Client key",
        description="The private key of the client certificate, as PEM text.",
    )
    client_key_passphrase: SecretStr | None = Field(
        default=None,
        min_length=1,
        title="Passphrase of the client key",
        description="Only for a key that is encrypted.",
    )
    ca_certificates: str | None = Field(
        default=None,
        pattern=CERTIFICATE_PATTERN,
        title="CA certificates",
        description="What Swish's own servers are checked by, as PEM text. Otherwise the system's certificates count.",
    )
    callback_url: str = Field(
        pattern=PLAIN_URL_PATTERN,
        title="Callback URL",
        description="The public address of this account's callbacks. Swish wants https on port 443, and sends no SNI.",
    )
    callback_secret: SecretStr = Field(
        min_length=1,
        title="Callback secret",
        description="A random text of your own. Requests carry identifiers made with it, which callbacks repeat.",
    )
    previous_callback_secret: SecretStr | None = previous_secret_field(
        "Previous callback secret",
        "Still accepted after a change, for requests that were made before it.",
    )
    api_base: str | None = Field(
        default=None,
        pattern=API_BASE_PATTERN,
        title="API base URL",
        description="For the simulator, https://mss.cpc.getswish.net, or a stand-in. Leave it out for Swish itself.",
    )


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The HTTP client is slow to import, and processes that only look gateways up never need it.
    from connectors.swish.client import SwishConnector  # noqa: PLC0415 - see above

    return SwishConnector(own_credentials(SwishCredentials, credentials, "Swish"))


REGISTRATION = Registration(
    key="swish",
    display_name="Swish",
    description=(
        "Swedish payments by mobile app. Money moves at once, so nothing is captured later; a payment request can be "
        "withdrawn until it is paid. Callbacks repeat an identifier that is ours and only make the payment be read."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.VOIDS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
            Capability.REPEATS_SAFELY,
        }
    ),
    currencies=frozenset({"SEK"}),
    countries=frozenset({"SE"}),
    payment_methods=("swish",),
    credentials=SwishCredentials,
    factory=build_connector,
    required_headers=("callbackidentifier",),
    callback_trust=Trust.HINT,
)
