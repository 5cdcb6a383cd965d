"""What the house knows about PayPal without calling it."""

from typing import Literal

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import API_BASE_PATTERN, own_credentials, previous_secret_field, return_url_field
from domain.facts import Trust

WEBHOOK_ID_PATTERN = r"^[A-Za-z0-9]+$"

_CURRENCIES = "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS JPY MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD"

_COUNTRIES = (
    "AD AE AG AI AL AM AO AR AT AU AW AZ BA BB BE BF BG BH BI BJ BM BN BO BR BS BT BW BY BZ CA CD CG CH CI CK CL CM CN "
    "CO CR CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GI GL GM GN GP GR GT GW GY HK "
    "HN HR HU ID IE IL IN IS IT JM JO JP KE KG KH KI KM KN KR KW KY KZ LA LC LI LK LS LT LU LV MA MC MD ME MG MH MK ML "
    "MN MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PL PM PN PT PW PY QA RE RO "
    "RS RW SA SB SC SE SG SH SI SJ SK SL SM SN SO SR ST SV SZ TC TD TG TH TJ TM TN TO TT TV TW TZ UA UG US UY VA VC VE "
    "VG VN VU WF WS YE YT ZA ZM ZW"
)


class PayPalCredentials(CredentialsModel):
    """What an account needs to take payments through PayPal: a REST app, and the webhook that belongs to it."""

    client_id: str = Field(
        min_length=1,
        pattern=r"^[\x21-\x39\x3b-\x7e]+$",
        title="Client id",
        description="In the PayPal developer dashboard: Apps & Credentials, the app's own page. It is no secret.",
    )
    client_secret: SecretStr = Field(
        min_length=1,
        title="Client secret",
        description="Beside the client id. Saved payment methods need the app's feature Vault, disputes its Disputes.",
    )
    previous_client_secret: SecretStr | None = previous_secret_field(
        "Previous client secret",
        (
            "After a change of the secret: orders set up under the old one are still completed. Remove it when no "
            "payer can come back to one, which is three days later at the most."
        ),
    )
    webhook_id: str = Field(
        min_length=1,
        pattern=WEBHOOK_ID_PATTERN,
        title="Webhook id",
        description="On the app's page, beside the webhook's address. PayPal's signatures are made for one webhook.",
    )
    previous_webhook_id: str | None = Field(
        default=None,
        min_length=1,
        pattern=WEBHOOK_ID_PATTERN,
        title="Previous webhook id",
        description="Still accepted after the webhook was made anew. Remove it when PayPal has stopped retrying.",
    )
    environment: Literal["live", "sandbox"] = Field(
        default="live",
        title="Environment",
        description="live for real money, sandbox for PayPal's test accounts. Client id and secret belong to one.",
    )
    return_url: str | None = return_url_field()
    certificate_authorities: str | None = Field(
        default=None,
        pattern=r"^-----BEGIN CERTIFICATE-----",
        title="Certificate authorities",
        description=(
            "PEM certificates that PayPal's signing certificate must come from. Leave it out for those that this "
            "system trusts."
        ),
    )
    api_base: str | None = Field(
        default=None,
        pattern=API_BASE_PATTERN,
        title="API base URL",
        description=(
            "Only for a stand-in of PayPal, such as http://127.0.0.1:8420: it answers the API and serves its signing "
            "certificate. Leave it out for PayPal itself."
        ),
    )


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials, or for unreadable authorities."""
    # The client takes cryptography with it, which processes that only look gateways up never need.
    from connectors.paypal.client import PayPalConnector  # noqa: PLC0415 - see above

    return PayPalConnector(own_credentials(PayPalCredentials, credentials, "PayPal"))


REGISTRATION = Registration(
    key="paypal",
    display_name="PayPal",
    description=(
        "PayPal accounts, cards and Pay Later on PayPal's own page, and saved payment methods. An order that the payer "
        "has approved is captured or authorized when it is read back."
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
            Capability.VERIFIES_REDIRECTS,
            Capability.SETS_UP_MANDATES,
            Capability.CHARGES_MANDATES,
            Capability.STORES_PAYMENT_METHODS,
        }
    ),
    currencies=frozenset(_CURRENCIES.split()),
    countries=frozenset(_COUNTRIES.split()),
    payment_methods=("wallet", "card", "buy_now_pay_later"),
    credentials=PayPalCredentials,
    factory=build_connector,
    required_headers=(
        "paypal-transmission-id",
        "paypal-transmission-time",
        "paypal-transmission-sig",
        "paypal-cert-url",
        "paypal-auth-algo",
    ),
    # The signature covers the body's CRC-32 only, for which another body is easily found.
    callback_trust=Trust.HINT,
)
