"""What the house knows about PesoPay and its sisters without calling them."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, SecretStr

from connectors.base import Acknowledgement, Capability, CredentialsModel, Registration
from connectors.registration_fields import api_base_field, own_credentials, previous_secret_field, return_url_field

Brand = Literal["pesopay", "paydollar", "siampay"]
Environment = Literal["live", "test"]
HashFunction = Literal["sha1", "sha256", "sha512"]

HOSTS: Mapping[tuple[Brand, Environment], str] = {
    ("pesopay", "live"): "https://www.pesopay.com",
    ("pesopay", "test"): "https://test.pesopay.com",
    ("paydollar", "live"): "https://www.paydollar.com",
    ("paydollar", "test"): "https://test.paydollar.com",
    ("siampay", "live"): "https://www.siampay.com",
    ("siampay", "test"): "https://test.siampay.com",
}
PREFIXES: Mapping[Environment, str] = {"live": "/b2c2", "test": "/b2cDemo"}
"""The first segment of every path: the test hosts have one of their own."""

NUMERIC_CODES: Mapping[str, str] = {
    "AUD": "036",
    "CAD": "124",
    "CNY": "156",
    "HKD": "344",
    "IDR": "360",
    "INR": "356",
    "JPY": "392",
    "KRW": "410",
    "MOP": "446",
    "MYR": "458",
    "NZD": "554",
    "PHP": "608",
    "SGD": "702",
    "THB": "764",
    "USD": "840",
    "TWD": "901",
    "EUR": "978",
    "GBP": "826",
    "VND": "704",
}
"""AsiaPay names currencies by their numeric ISO 4217 codes. Most merchant accounts take one of them only."""


class PesoPayCredentials(CredentialsModel):
    """What an account needs to take payments through AsiaPay.

    The datafeed's address is set in the merchant portal: Profile, Profile Settings, Payment Options, Return Value Link.
    """

    merchant_id: str = Field(
        pattern=r"^[A-Za-z0-9]{1,20}$",
        title="Merchant id",
        description="The number of the merchant account, which payers can see.",
    )
    secure_hash_secret: SecretStr = Field(
        min_length=1,
        title="Secure hash secret",
        description="Issued by AsiaPay on request. Without it datafeeds prove nothing, so here it is required.",
    )
    previous_secure_hash_secret: SecretStr | None = previous_secret_field(
        "Previous secure hash secret",
        "Still accepted in datafeeds after the secret was changed. Remove it when no older ones can come.",
    )
    hash_function: HashFunction = Field(
        default="sha1",
        title="Hash function",
        description="As AsiaPay has set the account up: sha1 unless something else was agreed.",
    )
    api_login_id: str = Field(
        min_length=1,
        title="API login",
        description="The merchant API's own user, who is not one of the portal's. AsiaPay opens it on request.",
    )
    api_password: SecretStr = Field(
        min_length=1,
        title="API password",
        description="The password of the merchant API's user.",
    )
    brand: Brand = Field(
        default="pesopay",
        title="Brand",
        description="Under which of AsiaPay's brands the account was opened: pesopay, paydollar or siampay.",
    )
    environment: Environment = Field(
        default="live",
        title="Environment",
        description="live, or test for an account on AsiaPay's test hosts.",
    )
    return_url: str | None = return_url_field("AsiaPay demands one.")
    api_base: str | None = api_base_field("AsiaPay", 8423)

    @property
    def base_url(self) -> str:
        """The host and the first segment of every path."""
        return (self.api_base or HOSTS[self.brand, self.environment]) + PREFIXES[self.environment]


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The HTTP client is slow to import, and processes that only look gateways up never need it.
    from connectors.pesopay.client import PesoPayConnector  # noqa: PLC0415 - see above

    return PesoPayConnector(own_credentials(PesoPayCredentials, credentials, "PesoPay"))


REGISTRATION = Registration(
    key="pesopay",
    display_name="PesoPay",
    description=(
        "Cards, wallets and bank debits in the Philippines and its neighbours, on the payment page of AsiaPay, whose "
        "other brands PayDollar and SiamPay work alike. A payment is captured as a whole, and cannot be raised or "
        "reversed. Refunds take days, and one of a payment must come to its end before the next."
    ),
    capabilities=frozenset(
        {
            Capability.VERIFIES_WEBHOOKS,
            Capability.CREATES_ORDERS,
            Capability.CAPTURES,
            Capability.VOIDS,
            Capability.REFUNDS,
            Capability.PARTIAL_REFUNDS,
            Capability.FETCHES_STATUS,
        }
    ),
    currencies=frozenset(NUMERIC_CODES),
    countries=frozenset({"CN", "HK", "ID", "IN", "MY", "PH", "SG", "TH", "TW", "VN"}),
    payment_methods=("card", "wallet", "bank_debit"),
    credentials=PesoPayCredentials,
    factory=build_connector,
    acknowledgement=Acknowledgement(body=b"OK"),
)
