"""What the house knows about Stripe without calling it."""

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import URL_PATTERN, api_base_field, own_credentials, previous_secret_field
from domain.money import EXPONENTS

_COUNTRIES = (
    "AE AT AU BE BG BR CA CH CY CZ DE DK EE ES FI FR GB GI GR HK HR HU IE IT JP LI LT LU LV MT MX MY NL NO NZ PL PT RO "
    "SE SG SI SK TH US"
)


class StripeCredentials(CredentialsModel):
    """What an account needs to take payments through Stripe. The mode, test or live, follows from the keys."""

    secret_key: SecretStr = Field(
        min_length=1,
        title="Secret key",
        description="Starts with sk_ or rk_. In the Stripe dashboard: Developers, API keys.",
    )
    publishable_key: str = Field(
        min_length=1,
        title="Publishable key",
        description="Starts with pk_. It is handed to the payer's browser and is no secret.",
    )
    webhook_secret: SecretStr = Field(
        min_length=1,
        title="Webhook signing secret",
        description="Starts with whsec_. In the Stripe dashboard: Developers, Webhooks, the endpoint's own page.",
    )
    previous_webhook_secret: SecretStr | None = previous_secret_field(
        "Previous webhook signing secret",
        "Still accepted after the secret was rolled. Remove it when Stripe has let the old one expire.",
    )
    payment_link_return_url: str | None = Field(
        default=None,
        pattern=URL_PATTERN,
        title="Page after paying by a link",
        description="Where the payer goes after paying by a link that expires. Such links cannot be made without it.",
    )
    api_base: str | None = api_base_field("Stripe", 8420)


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The SDK is slow to import, and processes that only look gateways up never need it.
    from connectors.stripe.client import StripeConnector  # noqa: PLC0415 - see above

    return StripeConnector(own_credentials(StripeCredentials, credentials, "Stripe"))


REGISTRATION = Registration(
    key="stripe",
    display_name="Stripe",
    description="Cards, wallets, bank debits and local payment methods in more than 135 currencies.",
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.AUTHORIZES,
            Capability.CAPTURES,
            Capability.PARTIAL_CAPTURES,
            Capability.VOIDS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
            Capability.INCREMENTS_AUTHORIZATION,
            Capability.VERIFIES_REDIRECTS,
            Capability.SETS_UP_MANDATES,
            Capability.CHARGES_MANDATES,
            Capability.STORES_PAYMENT_METHODS,
            Capability.CREATES_PAYMENT_LINKS,
            Capability.REPEATS_SAFELY,
        }
    ),
    currencies=frozenset(EXPONENTS),
    countries=frozenset(_COUNTRIES.split()),
    payment_methods=("card", "wallet", "bank_debit", "bank_transfer", "bank_redirect", "buy_now_pay_later", "voucher"),
    credentials=StripeCredentials,
    factory=build_connector,
    required_headers=("stripe-signature",),
)
