"""Swish: the payer pays in the app, at once; callbacks are hints, and the refund is pending until it is settled."""

from tests.gateways.swish import MERCHANT_NUMBER
from tests.gateways.swish_payer import NO_CERTIFICATE
from tests.integration.gateways.journey import Journey

JOURNEY = Journey(
    gateway="swish",
    server="tests.gateways.swish",
    credentials=lambda url, callback_url: {
        **NO_CERTIFICATE,
        "merchant_swish_number": MERCHANT_NUMBER,
        "callback_url": callback_url,
        "callback_secret": "swish-journey",
        "api_base": url,
    },
    amount_minor=12_000,
    currency="SEK",
    create={"return_url": "https://shop.example/back"},
    refund_minor=4_000,
)
