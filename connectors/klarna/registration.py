"""What the house knows about Klarna without calling it."""

from typing import Literal

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import PLAIN_URL_PATTERN, api_base_field, own_credentials, previous_secret_field
from domain.facts import Trust

_CURRENCIES = "AUD CAD CHF CZK DKK EUR GBP HUF MXN NOK NZD PLN RON SEK USD"
_COUNTRIES = "AT AU BE CA CH CZ DE DK ES FI FR GB GR HU IE IT MX NL NO NZ PL PT RO SE SK US"
"""Each country pays in its own currency; Klarna refuses any other pair."""

PAYMENT_METHODS = ("klarna", "pay_now", "pay_later", "pay_over_time", "direct_debit", "direct_bank_transfer")


class KlarnaCredentials(CredentialsModel):
    """What an account needs to take payments through Klarna."""

    username: str = Field(
        min_length=1,
        title="API username",
        description="Made together with the API key in the Klarna portal. It is no secret.",
    )
    password: SecretStr = Field(
        min_length=1,
        title="API key",
        description="Shown once when it is made. In the Klarna portal: Klarna API keys. It goes with the username.",
    )
    region: Literal["eu", "na", "oc"] = Field(
        default="eu",
        title="Region",
        description="Where the account is kept: eu for Europe, na for North America, oc for Australia and New Zealand.",
    )
    environment: Literal["live", "playground"] = Field(
        default="live",
        title="Environment",
        description="Playground is Klarna's own place for trials, with API keys of its own.",
    )
    purchase_country: str = Field(
        pattern="^[A-Z]{2}$",
        title="Purchase country",
        description="Where the account's payers live, such as SE. It must fit the currency of the payments.",
    )
    locale: str = Field(
        pattern="^[a-z]{2}-[A-Z]{2}$",
        title="Locale",
        description="Language and country of Klarna's page, such as sv-SE.",
    )
    tax_rate: int = Field(
        default=0,
        ge=0,
        le=10_000,
        title="Tax rate",
        description="The tax within every amount, in hundredths of a per cent: 2500 is 25 %. Payers see it.",
    )
    callback_url: str = Field(
        pattern=PLAIN_URL_PATTERN,
        title="Callback URL",
        description="The public address of this account's callbacks. Klarna is told it with every payment.",
    )
    return_url: str | None = Field(
        default=None,
        pattern=PLAIN_URL_PATTERN,
        title="Page after paying",
        description="Where payers go when a payment names no page of its own. Without it, they stay on Klarna's.",
    )
    url_secret: SecretStr = Field(
        min_length=1,
        title="URL secret",
        description=(
            "A random text of your own. Klarna does not sign its callbacks; their addresses carry tokens made with "
            "this secret. The address to enter for Klarna Network webhooks ends with ?token= and the hexadecimal "
            "HMAC-SHA256 of the word account under this secret."
        ),
    )
    previous_url_secret: SecretStr | None = previous_secret_field(
        "Previous URL secret",
        "Still accepted after a change, for payments that were begun before it.",
    )
    api_base: str | None = api_base_field("Klarna", 8423)


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The HTTP client is slow to import, and processes that only look gateways up never need it.
    from connectors.klarna.client import KlarnaConnector  # noqa: PLC0415 - see above

    return KlarnaConnector(own_credentials(KlarnaCredentials, credentials, "Klarna"))


REGISTRATION = Registration(
    key="klarna",
    display_name="Klarna",
    description=(
        "Pay now, later or in instalments, on Klarna's page or in its widget. Callbacks are not signed: each is proven "
        "by a token in its address and only makes the order be read. Disputes are handled in Klarna's portal."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.AUTHORIZES,
            Capability.CAPTURES,
            Capability.PARTIAL_CAPTURES,
            Capability.MULTIPLE_CAPTURES,
            Capability.VOIDS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
            Capability.INCREMENTS_AUTHORIZATION,
            Capability.VERIFIES_REDIRECTS,
            Capability.SETS_UP_MANDATES,
            Capability.CHARGES_MANDATES,
            Capability.CREATES_PAYMENT_LINKS,
        }
    ),
    currencies=frozenset(_CURRENCIES.split()),
    countries=frozenset(_COUNTRIES.split()),
    payment_methods=PAYMENT_METHODS,
    credentials=KlarnaCredentials,
    factory=build_connector,
    callback_trust=Trust.HINT,
)
