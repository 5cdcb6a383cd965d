"""What the house knows about payments made by hand."""

from collections.abc import Mapping

from pydantic import Field

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import own_credentials
from domain.money import EXPONENTS

PAYMENT_METHODS = ("bank_transfer", "local_wallet", "check", "money_order")
MAX_INSTRUCTIONS_LENGTH = 2_000

_COUNTRIES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA "
    "CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA "
    "GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP "
    "KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS "
    "MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS "
    "RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW "
    "TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)


class ManualCredentials(CredentialsModel):
    """How an account is paid by hand: for each method it takes, what the payer is told. None of it is secret."""

    bank_transfer_instructions: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_INSTRUCTIONS_LENGTH,
        title="Instructions for bank transfers",
        description="Bank, account holder and account number, as the payer is to read them.",
    )
    local_wallet_instructions: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_INSTRUCTIONS_LENGTH,
        title="Instructions for local wallets",
        description="The wallet's name and your number in it, as the payer is to read them.",
    )
    check_instructions: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_INSTRUCTIONS_LENGTH,
        title="Instructions for checks",
        description="To whom checks are made out and where they are sent.",
    )
    money_order_instructions: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_INSTRUCTIONS_LENGTH,
        title="Instructions for money orders",
        description="To whom money orders are made out and where they are sent.",
    )

    @property
    def instructions(self) -> Mapping[str, str | None]:
        """The texts by payment method; None for a method that the account does not take."""
        return {
            "bank_transfer": self.bank_transfer_instructions,
            "local_wallet": self.local_wallet_instructions,
            "check": self.check_instructions,
            "money_order": self.money_order_instructions,
        }


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The client imports this module for the credentials.
    from connectors.manual.client import ManualConnector  # noqa: PLC0415 - see above

    return ManualConnector(own_credentials(ManualCredentials, credentials, "manual payments"))


REGISTRATION = Registration(
    key="manual",
    display_name="Manual payment",
    description="Bank transfers, local wallets, checks and money orders, confirmed by a person who saw the money.",
    capabilities=frozenset({Capability.APPROVED_BY_PEOPLE, Capability.GIVES_INSTRUCTIONS}),
    currencies=frozenset(EXPONENTS),
    countries=frozenset(_COUNTRIES.split()),
    payment_methods=PAYMENT_METHODS,
    credentials=ManualCredentials,
    factory=build_connector,
)
