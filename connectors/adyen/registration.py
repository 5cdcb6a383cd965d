"""What the house knows about Adyen without calling it."""

import re
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.base import Acknowledgement, Capability, CredentialsModel, Registration
from connectors.registration_fields import api_base_field, own_credentials, previous_secret_field, return_url_field

_HEX_KEY = re.compile(r"(?:[0-9A-Fa-f]{2}){16,}")

_CURRENCIES = (
    "AED ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BMD BND BOB BRL BSD BWP BYN BZD CAD CHF CLP CNY COP CRC "
    "CUP CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD "
    "ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LYD MAD MDL MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR "
    "MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS "
    "SRD STN SVC SZL THB TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XOF XPF YER ZAR ZMW"
)

CURRENCIES = frozenset(_CURRENCIES.split())
"""Adyen's published currency codes; which of them an account takes depends on its payment methods."""

_COUNTRIES = (
    "AE AT AU BE BG BR CA CH CY CZ DE DK EE ES FI FR GB GG GI GR HK HR HU IE IM IT JE JP LI LT LU LV MT MX MY NL NO NZ "
    "PL PR PT RO SE SG SI SK US"
)


class AdyenCredentials(CredentialsModel):
    """What an account needs to take payments through Adyen. It is live when it has a live prefix."""

    api_key: SecretStr = Field(
        min_length=1,
        title="API key",
        description="Shown once when it is made. In the Customer Area: Developers, API credentials.",
    )
    merchant_account: str = Field(
        pattern=r"^[A-Za-z0-9_-]+$",
        title="Merchant account",
        description="The account that payments are processed with. Callbacks about any other are ignored.",
    )
    client_key: str = Field(
        pattern=r"^[A-Za-z0-9_]+$",
        title="Client key",
        description="Starts with test_ or live_. It is handed to the payer's browser and is no secret.",
    )
    hmac_key: SecretStr = Field(
        min_length=1,
        title="HMAC key of the standard webhook",
        description="In the Customer Area: Developers, Webhooks, the webhook's own page. Test and live have their own.",
    )
    previous_hmac_key: SecretStr | None = previous_secret_field(
        "Previous HMAC key",
        "Still accepted after a new key was made: callbacks that waited for us carry the old signature.",
    )
    token_hmac_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        title="HMAC key of the recurring tokens webhook",
        description="Each webhook has a key of its own. Leave it out when recurring.token events are not sent here.",
    )
    webhook_user: str | None = Field(
        default=None,
        min_length=1,
        pattern=r"^[^:\x00-\x1f]+$",
        title="Webhook user",
        description="User name of the basic authentication that was set for the webhooks. Given with its password.",
    )
    webhook_password: SecretStr | None = Field(
        default=None,
        min_length=1,
        title="Webhook password",
        description="Password of the basic authentication that was set for the webhooks.",
    )
    live_prefix: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9-]+$",
        title="Live endpoint prefix",
        description="In the live Customer Area: Developers, API URLs, Prefix. Without it, the test platform is called.",
    )
    return_url: str | None = return_url_field("Adyen always wants one.")
    api_base: str | None = api_base_field("Adyen", 8422)

    @field_validator("hmac_key", "previous_hmac_key", "token_hmac_key")
    @classmethod
    def _check_hexadecimal(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _HEX_KEY.fullmatch(key.get_secret_value()):
            raise ValueError("an HMAC key is written in hexadecimal, as Adyen shows it")
        return key

    @model_validator(mode="after")
    def _check_webhook_login(self) -> Self:
        if (self.webhook_user is None) != (self.webhook_password is None):
            raise ValueError("webhook_user and webhook_password are given together")
        return self


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The SDK is slow to import, and processes that only look gateways up never need it.
    from connectors.adyen.client import AdyenConnector  # noqa: PLC0415 - see above

    return AdyenConnector(own_credentials(AdyenCredentials, credentials, "Adyen"))


REGISTRATION = Registration(
    key="adyen",
    display_name="Adyen",
    description=(
        "Cards, wallets, bank debits and local payment methods in most countries. What is captured, cancelled or "
        "refunded is told by callbacks alone: a payment cannot be read back. Several captures of one authorization "
        "must be switched on by Adyen."
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
            Capability.REVERSES,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.INCREMENTS_AUTHORIZATION,
            Capability.VERIFIES_REDIRECTS,
            Capability.SETS_UP_MANDATES,
            Capability.CHARGES_MANDATES,
            Capability.CREATES_PAYMENT_LINKS,
            Capability.REPEATS_SAFELY,
        }
    ),
    currencies=CURRENCIES,
    countries=frozenset(_COUNTRIES.split()),
    payment_methods=("card", "wallet", "bank_debit", "bank_transfer", "bank_redirect", "buy_now_pay_later", "voucher"),
    credentials=AdyenCredentials,
    factory=build_connector,
    acknowledgement=Acknowledgement(body=b"[accepted]"),
)
