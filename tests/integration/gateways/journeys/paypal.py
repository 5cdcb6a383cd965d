"""PayPal: the payer approves the order on PayPal's page, reading it back authorizes it, and a command captures it."""

import httpx

from tests.gateways.paypal import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID
from tests.integration.gateways.journey import Journey


def credentials(url: str, _: str) -> dict[str, str]:
    """The account's credentials, with the authority that this local PayPal made for its signing certificate."""
    authority = httpx.get(f"{url}/_control/authority").raise_for_status().text
    return {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "webhook_id": WEBHOOK_ID,
        "certificate_authorities": authority,
        "api_base": url,
    }


JOURNEY = Journey(
    gateway="paypal",
    server="tests.gateways.paypal",
    credentials=credentials,
    create={"manual_capture": True, "return_url": "https://shop.example/back"},
    amount_minor=1099,
    currency="USD",
    captures=True,
    refund_minor=400,
)
