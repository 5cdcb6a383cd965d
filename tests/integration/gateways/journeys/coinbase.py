"""Coinbase Business: a checkout is paid on its page, and part of it is sent back."""

from tests.gateways.coinbase import CDP_KEY_ID, CDP_PRIVATE_KEY, WEBHOOK_SECRET
from tests.integration.gateways.journey import Journey

JOURNEY = Journey(
    gateway="coinbase",
    server="tests.gateways.coinbase",
    credentials=lambda url, _: {
        "api": "business",
        "cdp_key_id": CDP_KEY_ID,
        "cdp_private_key": CDP_PRIVATE_KEY,
        "webhook_secret": WEBHOOK_SECRET,
        "hook_signature_version": "v1",
        "api_base": url,
    },
    amount_minor=1099,
    currency="EUR",
    create={"return_url": "https://shop.example/back"},
    refund_minor=400,
)
