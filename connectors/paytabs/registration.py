"""What the house knows about PayTabs without calling it."""

from collections.abc import Mapping
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

Region = Literal["ARE", "SAU", "EGY", "OMN", "JOR", "KWT", "IRQ", "MAR", "QAT", "GLOBAL"]

HOSTS: Mapping[Region, str] = {
    "ARE": "https://secure.paytabs.com",
    "SAU": "https://secure.paytabs.sa",
    "EGY": "https://secure-egypt.paytabs.com",
    "OMN": "https://secure-oman.paytabs.com",
    "JOR": "https://secure-jordan.paytabs.com",
    "KWT": "https://secure-kuwait.paytabs.com",
    "IRQ": "https://secure-iraq.paytabs.com",
    "MAR": "https://secure-morocco.paytabs.com",
    "QAT": "https://secure-doha.paytabs.com",
    "GLOBAL": "https://secure-global.paytabs.com",
}
"""Test profiles live on the same hosts as live ones."""

_CURRENCIES = "AED BHD EGP EUR GBP IQD JOD JPY KWD MAD OMR QAR SAR USD"
_COUNTRIES = "AE BH EG IQ JO KW MA OM QA SA"


class PayTabsCredentials(CredentialsModel):
    """What an account needs to take payments through PayTabs. Whether it is a test follows from the profile."""

    profile_id: str = Field(
        pattern=r"^[0-9]{1,20}$",
        title="Profile id",
        description="A number. In the PayTabs dashboard: Developers, Key management.",
    )
    server_key: SecretStr = Field(
        min_length=1,
        title="Server key",
        description="The profile's server key, which opens the API and signs callbacks as well. Beside the profile id.",
    )
    previous_server_key: SecretStr | None = previous_secret_field(
        "Previous server key",
        "Still accepted in callbacks after the server key was changed. The API is called with the new one.",
    )
    region: Region = Field(
        title="Region",
        description="Where the profile was opened. A server key works in its own region only.",
    )
    callback_url: str | None = Field(
        default=None,
        pattern=URL_PATTERN,
        title="Callback URL",
        description=(
            "The public address of this account's callbacks, told to PayTabs with every payment. It must be https: "
            "over http, PayTabs posts an empty body. Leave it out when the dashboard's IPN has the address."
        ),
    )
    return_url: str | None = return_url_field()
    api_base: str | None = api_base_field("PayTabs", 8422)


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The HTTP client is slow to import, and processes that only look gateways up never need it.
    from connectors.paytabs.client import PayTabsConnector  # noqa: PLC0415 - see above

    return PayTabsConnector(own_credentials(PayTabsCredentials, credentials, "PayTabs"))


REGISTRATION = Registration(
    key="paytabs",
    display_name="PayTabs",
    description=(
        "Cards, mada, wallets and instalments in the Middle East and North Africa, on PayTabs' own payment page. "
        "Authorizations cannot be raised, captures cannot be reversed, and links are made in the dashboard."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.CAPTURES,
            Capability.PARTIAL_CAPTURES,
            Capability.VOIDS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
            Capability.VERIFIES_REDIRECTS,
            Capability.SETS_UP_MANDATES,
            Capability.CHARGES_MANDATES,
        }
    ),
    currencies=frozenset(_CURRENCIES.split()),
    countries=frozenset(_COUNTRIES.split()),
    payment_methods=("card", "wallet", "bank_debit", "buy_now_pay_later", "cash"),
    credentials=PayTabsCredentials,
    factory=build_connector,
    required_headers=("signature",),
)
