"""What the house knows about the processors behind Prism."""

from typing import Literal

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import api_base_field, own_credentials, return_url_field
from domain.facts import Trust
from domain.money import EXPONENTS

PAGE_PATTERN = r"^https?://[^\s?#]+$"

CARD = "card"
"""The payment method that is put to a payment by a token, in a request of its own."""

_BY_REDIRECT = (
    "afterpay_clearpay affirm ali_pay_hk_redirect ali_pay_redirect alma amazon_pay_redirect atome bancontact_card "
    "bizum blik dana_redirect eps gcash_redirect giropay go_pay_redirect grabpay_redirect ideal interac "
    "kakao_pay_redirect klarna local_bank_redirect momo_redirect neteller_redirect online_banking_finland "
    "open_banking open_banking_uk paymaya_redirect paypal_redirect phonepe_redirect przelewy24 pse revolut_pay "
    "satispay skrill_redirect sofort tamara_redirect touch_n_go_redirect trustly twint_redirect vipps_redirect "
    "we_chat_pay_redirect wero"
)
_UNKNOWN_CURRENCIES = "AFN BTN CDF ERN IRR ISK KPW SDG SYP TJS TMT VED XCG ZWG"
_OTHER_UNITS = "IQD LYD MGA UGX"
"""Prism, or a processor that it hands amounts to unchanged, counts these in other units than ISO 4217."""

_COUNTRIES = (
    "AD AE AG AL AM AO AR AT AU AW AZ BA BB BD BE BG BH BJ BM BN BO BR BS BW BY BZ CA CH CI CL CM CN CO CR CV CW CY CZ "
    "DE DJ DK DM DO DZ EC EE EG ES ET FI FJ FO FR GA GB GD GE GG GH GI GL GM GN GR GT GY HK HN HR HT HU ID IE IL IM IN "
    "IS IT JE JM JO JP KE KG KH KM KN KR KW KY KZ LA LC LI LK LS LT LU LV MA MC MD ME MK MM MN MO MR MT MU MV MW MX MY "
    "MZ NA NG NI NL NO NP NZ OM PA PE PF PG PH PK PL PR PT PY QA RO RS RW SA SB SC SE SG SI SK SM SN SR SV SZ TG TH TN "
    "TO TR TT TW TZ UA US UY UZ VA VC VN VU WS ZA ZM"
)


class PrismCredentials(CredentialsModel):
    """What an account needs to take payments through one processor behind Prism."""

    connector: str = Field(
        pattern=r"^[a-z0-9_]{1,64}$",
        title="Processor",
        description="The processor's name in Prism, such as adyen, checkout, mollie or worldpay.",
    )
    connector_config: SecretStr = Field(
        min_length=1,
        title="Settings of the processor",
        description='A JSON object with Prism\'s own names, keys included: {"apiKey": {"value": "..."}} for many.',
    )
    environment: Literal["sandbox", "production"] = Field(
        title="Environment",
        description="Which of the processor's systems is asked: sandbox or production.",
    )
    url_token: SecretStr = Field(
        min_length=16,
        max_length=200,
        title="Token in the callback's URL",
        description="A random text that you make. The processor's callbacks go to a URL that ends in ?token= and it.",
    )
    previous_url_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        max_length=200,
        title="Previous token in the callback's URL",
        description="Still accepted while the processor is told the new URL. Remove it afterwards.",
    )
    callback_url: str | None = Field(
        default=None,
        pattern=PAGE_PATTERN,
        title="Callback URL",
        description="Where callbacks reach us, without the token. Only for processors that are told with each payment.",
    )
    return_url: str | None = return_url_field()
    force_three_d_secure: bool = Field(
        default=False,
        title="Always 3-D Secure",
        description="Ask for 3-D Secure with every card. Otherwise the processor's own rules decide.",
    )
    api_base: str | None = api_base_field("the processor", 8420)


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector.

    Raises InvalidInput for another gateway's credentials and for settings that are none, GatewayUnavailable where
    Prism's SDK does not load.
    """
    # The SDK is an extra, and processes that only look gateways up never need it.
    from connectors.outcomes import Timeouts  # noqa: PLC0415 - see above
    from connectors.prism.client import PrismConnector  # noqa: PLC0415 - see above
    from connectors.prism.sdk import load_sdk  # noqa: PLC0415 - see above

    own = own_credentials(PrismCredentials, credentials, "Prism")
    return PrismConnector(own, load_sdk(own, Timeouts()))


REGISTRATION = Registration(
    key="prism",
    display_name="Prism",
    description=(
        "A bridge to more than a hundred payment processors through the SDK hyperswitch-prism, an extra of its own. "
        "No processor has every operation; disputes are told and not recorded."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.AUTHORIZES,
            Capability.CAPTURES,
            Capability.PARTIAL_CAPTURES,
            Capability.VOIDS,
            Capability.REVERSES,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
            Capability.INCREMENTS_AUTHORIZATION,
            Capability.VERIFIES_REDIRECTS,
            Capability.SETS_UP_MANDATES,
            Capability.CHARGES_MANDATES,
        }
    ),
    currencies=frozenset(EXPONENTS) - frozenset(f"{_UNKNOWN_CURRENCIES} {_OTHER_UNITS}".split()),
    countries=frozenset(_COUNTRIES.split()),
    payment_methods=(CARD, *_BY_REDIRECT.split()),
    credentials=PrismCredentials,
    factory=build_connector,
    callback_trust=Trust.HINT,
    native=False,
)
