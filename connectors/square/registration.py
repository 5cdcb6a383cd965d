"""What the house knows about Square without calling it."""

from pydantic import Field, SecretStr

from connectors.base import Capability, CredentialsModel, Registration
from connectors.registration_fields import (
    URL_PATTERN,
    api_base_field,
    own_credentials,
    previous_secret_field,
)


class SquareCredentials(CredentialsModel):
    """What an account needs to take payments at one location. The mode follows from the application id."""

    access_token: SecretStr = Field(
        min_length=1,
        title="Access token",
        description="In Square's developer console: the application, Credentials; or one obtained by OAuth.",
    )
    application_id: str = Field(
        min_length=1,
        title="Application id",
        description="Starts with sq0idp-, in the sandbox with sandbox-. The payer's browser gets it; it is no secret.",
    )
    location_id: str = Field(
        min_length=1,
        pattern=r"^[\x21-\x7e]+$",
        title="Location id",
        description="Where the payments are taken. In Square's developer console: the application, Locations.",
    )
    callback_url: str = Field(
        pattern=URL_PATTERN,
        title="Notification URL",
        description="The webhook subscription's URL, character for character: Square signs it with every event.",
    )
    webhook_signature_key: SecretStr = Field(
        min_length=1,
        title="Webhook signature key",
        description="In Square's developer console: the application, Webhooks, the subscription's own page.",
    )
    previous_webhook_signature_key: SecretStr | None = previous_secret_field(
        "Previous webhook signature key",
        "Still accepted after the key was replaced. Remove it a day later: Square repeats no longer.",
    )
    payment_link_return_url: str | None = Field(
        default=None,
        pattern=URL_PATTERN,
        title="Page after paying by a link",
        description="Where the payer goes after paying by a link. Without it, Square shows a page of its own.",
    )
    api_base: str | None = api_base_field("Square", 8422)


def build_connector(credentials: CredentialsModel) -> object:
    """Build the connector. Raises InvalidInput for another gateway's credentials."""
    # The SDK is slow to import, and processes that only look gateways up never need it.
    from connectors.square.client import SquareConnector  # noqa: PLC0415 - see above

    return SquareConnector(own_credentials(SquareCredentials, credentials, "Square"))


REGISTRATION = Registration(
    key="square",
    display_name="Square",
    description=(
        "Cards, wallets, gift cards, bank debits and instalments, in the currency of the seller's own location. Cards "
        "alone can be authorized first; whether the amount can then be changed depends on the card and the country."
    ),
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
    currencies=frozenset({"AUD", "CAD", "EUR", "GBP", "JPY", "USD"}),
    countries=frozenset({"AU", "CA", "ES", "FR", "GB", "IE", "JP", "US"}),
    payment_methods=("card", "wallet", "gift_card", "bank_debit", "buy_now_pay_later", "cash_app"),
    credentials=SquareCredentials,
    factory=build_connector,
    required_headers=("x-square-hmacsha256-signature",),
)
