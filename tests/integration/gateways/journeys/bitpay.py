"""BitPay: an invoice is paid in Bitcoin; every callback only has it read, its refunds as well."""

from tests.gateways.bitpay import MERCHANT_TOKEN, POS_TOKEN, PRIVATE_KEY
from tests.integration.gateways.journey import Journey

JOURNEY = Journey(
    gateway="bitpay",
    server="tests.gateways.bitpay",
    credentials=lambda url, callback_url: {
        "pos_token": POS_TOKEN,
        "merchant_token": MERCHANT_TOKEN,
        "private_key": PRIVATE_KEY,
        "callback_url": callback_url,
        "api_base": url,
    },
    amount_minor=1099,
    currency="USD",
    create={"return_url": "https://shop.example/back"},
    refund_minor=400,
)
