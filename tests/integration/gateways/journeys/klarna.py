"""Klarna: the payer pays on the hosted page, the order is captured by a command; callbacks are only hints."""

from tests.gateways.klarna import COUNTRY, LOCALE, PASSWORD, USERNAME
from tests.integration.gateways.journey import Journey

JOURNEY = Journey(
    gateway="klarna",
    server="tests.gateways.klarna",
    credentials=lambda url, callback_url: {
        "username": USERNAME,
        "password": PASSWORD,
        "purchase_country": COUNTRY,
        "locale": LOCALE,
        "callback_url": callback_url,
        "url_secret": "klarna-journey",
        "api_base": url,
    },
    amount_minor=12_000,
    currency="SEK",
    create={"manual_capture": True, "return_url": "https://shop.example/back"},
    captures=True,
    refund_minor=4_000,
)
