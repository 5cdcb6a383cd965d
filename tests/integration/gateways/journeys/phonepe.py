"""PhonePe: paid on the hosted page, hinted at by a callback, captured and refunded by what PhonePe's records say."""

from tests.gateways.phonepe_payer import CREDENTIALS
from tests.integration.gateways.journey import Journey

JOURNEY = Journey(
    gateway="phonepe",
    server="tests.gateways.phonepe",
    credentials=lambda url, _: {**CREDENTIALS, "api_base": url},
    amount_minor=50000,
    currency="INR",
    create={"return_url": "https://shop.example/back"},
    refund_minor=20000,
)
