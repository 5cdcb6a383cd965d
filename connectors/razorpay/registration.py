"""What the house knows about Razorpay without calling it."""

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import api_base_field, own_credentials, previous_secret_field

_CURRENCIES = (
    "AED ALL AMD AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BZD CAD CHF CLP CNY COP CRC CUP "
    "CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD GBP GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD ISK JMD "
    "JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN "
    "NAD NGN NIO NOK NPR NZD OMR PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SCR SEK SGD SOS SVC SZL THB TND "
    "TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV XAF XCD XOF XPF YER ZAR ZMW"
)

CURRENCIES = frozenset(_CURRENCIES.split())
"""Razorpay's published list. Its exponents are those of ISO 4217 throughout; INR alone needs no activation."""


class RazorpayCredentials(CredentialsModel):
    """What an account needs to take payments through Razorpay. The mode, test or live, follows from the key."""

    key_id: str = Field(
        min_length=1,
        pattern=r"^[A-Za-z0-9_]+$",
        title="Key id",
        description="Starts with rzp_. It is handed to the payer's browser and is no secret.",
    )
    key_secret: SecretStr = Field(
        min_length=1,
        title="Key secret",
        description="Shown once when the key is made. In the Razorpay dashboard: Account & Settings, API Keys.",
    )
    webhook_secret: SecretStr = Field(
        min_length=1,
        title="Webhook secret",
        description="The secret you chose for the webhook. Razorpay lets you leave it out; here it is required.",
    )
    previous_webhook_secret: SecretStr | None = previous_secret_field(
        "Previous webhook secret",
        "Still accepted after a change: Razorpay signs repeats of older events with it for about a day.",
    )
    api_base: str | None = api_base_field("Razorpay", 8421)


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The SDK is slow to import, and processes that only look gateways up never need it.
    from connectors.razorpay.client import RazorpayConnector  # noqa: PLC0415 - see above

    return RazorpayConnector(own_credentials(RazorpayCredentials, credentials, "Razorpay"))


REGISTRATION = Registration(
    key="razorpay",
    display_name="Razorpay",
    description=(
        "UPI, cards, netbanking and wallets in India. Payers authorize in the browser; a payment is captured as a "
        "whole, and cannot be voided, raised or reversed."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.CAPTURES,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
            Capability.VERIFIES_REDIRECTS,
            Capability.SETS_UP_MANDATES,
            Capability.CHARGES_MANDATES,
            Capability.CREATES_PAYMENT_LINKS,
        }
    ),
    currencies=CURRENCIES,
    countries=frozenset({"IN", "MY", "SG", "US"}),
    payment_methods=("upi", "card", "netbanking", "wallet", "emi", "pay_later"),
    credentials=RazorpayCredentials,
    factory=build_connector,
    required_headers=("x-razorpay-signature", "x-razorpay-event-id"),
)
