"""What the house knows about BitPay without calling it."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import (
    URL_PATTERN,
    api_base_field,
    own_credentials,
    previous_secret_field,
    return_url_field,
)
from domain.facts import Trust
from domain.money import EXPONENTS

CURRENCIES = frozenset(currency for currency, exponent in EXPONENTS.items() if exponent <= 2)  # noqa: PLR2004 - see below
"""BitPay prices in nearly every currency. Whether its prices may have a third decimal is not documented."""

_COUNTRIES = "AT AU BE CA CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IT LT LU LV MT MX NL NO NZ PL PT RO SE SI SK US ZA"


class BitPayCredentials(CredentialsModel):
    """What an account needs to take payments through BitPay.

    A token of the facade pos makes and reads invoices. Cancelling and refunding takes one of the facade merchant, and
    the private key that its requests are signed with.
    """

    pos_token: SecretStr = Field(
        min_length=1,
        title="POS token",
        description="Makes invoices, and is the key of the signatures on their callbacks. Payment Tools, API Tokens.",
    )
    previous_pos_token: SecretStr | None = previous_secret_field(
        "Previous POS token",
        "Callbacks signed with it are still accepted, until the invoices that it made have been settled.",
    )
    merchant_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        title="Merchant token",
        description="Cancels invoices and refunds them. It needs the private key beside it.",
    )
    private_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        title="Private key",
        description="The EC key (secp256k1) that the merchant token was paired with: PEM, or its number in hex.",
    )
    callback_url: str = Field(
        pattern=URL_PATTERN,
        title="Callback URL",
        description="Where BitPay posts this account's callbacks; named with every invoice. BitPay wants https.",
    )
    accept_unsigned_callbacks: bool = Field(
        default=False,
        title="Accept unsigned callbacks",
        description=(
            "BitPay's documentation and its own plugins differ on whether callbacks are signed. Without a signature a "
            "callback still does no more than have the invoice read."
        ),
    )
    return_url: str | None = return_url_field()
    environment: Literal["live", "test"] = Field(
        default="live",
        title="Environment",
        description="test: test.bitpay.com, whose accounts and tokens are its own and where no money moves.",
    )
    api_base: str | None = api_base_field("BitPay", 8431)

    @model_validator(mode="after")
    def _check_facade(self) -> Self:
        if (self.merchant_token is None) is not (self.private_key is None):
            raise ValueError("merchant_token and private_key must be given together")
        if self.private_key is not None:
            # Reading keys takes a library that processes which only look gateways up never need.
            from connectors.bitpay.signing import read_key  # noqa: PLC0415 - see above

            read_key(self.private_key.get_secret_value())
        return self


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The HTTP client is slow to import, and processes that only look gateways up never need it.
    from connectors.bitpay.client import BitPayConnector  # noqa: PLC0415 - see above

    return BitPayConnector(own_credentials(BitPayCredentials, credentials, "BitPay"))


REGISTRATION = Registration(
    key="bitpay",
    display_name="BitPay",
    description=(
        "Bitcoin and other cryptocurrencies, priced in fiat and paid on BitPay's page within a quarter of an hour. A "
        "payment is captured as a whole and once. A refund waits until the payer has said where to. Bills by e-mail "
        "and payouts are not used."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.VOIDS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
        }
    ),
    currencies=CURRENCIES,
    countries=frozenset(_COUNTRIES.split()),
    payment_methods=("crypto",),
    credentials=BitPayCredentials,
    factory=build_connector,
    callback_trust=Trust.HINT,
)
