"""What the house knows about Coinbase without calling it."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import api_base_field, own_credentials, previous_secret_field, return_url_field

CURRENCIES = frozenset({"EUR", "GBP", "SGD", "USD"})
"""The fiat currencies that a checkout of Coinbase Business can be priced in; every one of them has two decimals."""

_NEEDED = {"commerce": ("api_key",), "business": ("cdp_key_id", "cdp_private_key")}
_BUSINESS_ONLY = ("cdp_key_id", "cdp_private_key", "sandbox")


class CoinbaseCredentials(CredentialsModel):
    """What an account needs to take payments through one of Coinbase's two products, which `api` chooses."""

    api: Literal["commerce", "business"] = Field(
        title="Product",
        description="business: Coinbase Business. commerce: Coinbase Commerce, which is closed to new payments.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        title="API key",
        description="Only for Commerce, where it is required. In its dashboard: Settings, Security, API keys.",
    )
    cdp_key_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9/_-]+$",
        title="CDP key id",
        description="Only for Business, where it is required: the id of a secret API key of the Developer Platform.",
    )
    cdp_private_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        title="CDP private key",
        description="Only for Business, where it is required: the key's secret, an EC key in PEM or Ed25519 in base64.",
    )
    webhook_secret: SecretStr = Field(
        min_length=1,
        title="Webhook secret",
        description="Business: told when the webhook subscription is made. Commerce: Settings, Notifications.",
    )
    previous_webhook_secret: SecretStr | None = previous_secret_field(
        "Previous webhook secret",
        "Still accepted after a change, until events signed with it have come to their end.",
    )
    hook_signature_version: Literal["v0", "v1"] = Field(
        default="v0",
        title="Signature version of callbacks",
        description="Only for Business. v0 covers time and body; v1 covers the headers that it names as well.",
    )
    pricing: Literal["fiat", "usdc"] = Field(
        default="fiat",
        title="Pricing",
        description=(
            "Only for Business. fiat: checkouts are priced in the payment's currency. usdc: payments in US dollars are "
            "priced in USDC, one for one, for accounts that Coinbase offers no fiat pricing."
        ),
    )
    return_url: str | None = return_url_field("Business wants https.")
    sandbox: bool = Field(
        default=False,
        title="Sandbox",
        description="Only for Business: no money moves. Commerce has no sandbox.",
    )
    api_base: str | None = api_base_field("Coinbase", 8430)

    @model_validator(mode="after")
    def _check_product(self) -> Self:
        missing = [name for name in _NEEDED[self.api] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be given for the product {self.api}")
        foreign = _BUSINESS_ONLY if self.api == "commerce" else ("api_key",)
        if given := [name for name in foreign if getattr(self, name)]:
            raise ValueError(f"{', '.join(given)} cannot be given for the product {self.api}")
        if self.cdp_private_key is not None:
            # Reading keys takes a library that processes which only look gateways up never need.
            from connectors.coinbase.tokens import read_key  # noqa: PLC0415 - see above

            read_key(self.cdp_private_key.get_secret_value())
        return self


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The HTTP client is slow to import, and processes that only look gateways up never need it.
    from connectors.coinbase.client import CoinbaseConnector  # noqa: PLC0415 - see above

    return CoinbaseConnector(own_credentials(CoinbaseCredentials, credentials, "Coinbase"))


REGISTRATION = Registration(
    key="coinbase",
    display_name="Coinbase",
    description=(
        "USDC and other cryptocurrencies, priced in fiat and paid on Coinbase's page. A payment is captured as a whole "
        "and once; Coinbase Business gives it back in whole or in part, Coinbase Commerce does not. Links are for one "
        "payment and always expire."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.VOIDS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
            Capability.CREATES_PAYMENT_LINKS,
        }
    ),
    currencies=CURRENCIES,
    countries=frozenset({"SG", "US"}),
    payment_methods=("crypto",),
    credentials=CoinbaseCredentials,
    factory=build_connector,
)
