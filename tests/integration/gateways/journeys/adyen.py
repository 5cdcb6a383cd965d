"""Adyen: a session is paid in the browser, captured by hand and refunded; callbacks tell what came of each."""

from tests.gateways.adyen import CREDENTIALS
from tests.integration.gateways.journey import Journey

JOURNEY = Journey(
    gateway="adyen",
    server="tests.gateways.adyen",
    credentials=lambda url, _: {**CREDENTIALS, "api_base": url},
    amount_minor=1200,
    currency="EUR",
    create={"manual_capture": True, "return_url": "https://shop.example/back"},
    captures=True,
    refund_minor=500,
)
