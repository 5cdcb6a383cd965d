"""PhonePe's legacy API: paid on its page, captured and refunded by signed callbacks."""

from tests.gateways.phonepe_v1 import MERCHANT_ID, SALT_INDEX, SALT_KEY
from tests.integration.gateways.journey import Journey

JOURNEY = Journey(
    gateway="phonepe_v1",
    server="tests.gateways.phonepe_v1",
    credentials=lambda url, callback_url: {
        "merchant_id": MERCHANT_ID,
        "salt_key": SALT_KEY,
        "salt_index": SALT_INDEX,
        "environment": "sandbox",
        "callback_url": callback_url,
        "api_base": url,
    },
    amount_minor=50000,
    currency="INR",
    create={"return_url": "https://shop.example/back"},
    refund_minor=20000,
)
