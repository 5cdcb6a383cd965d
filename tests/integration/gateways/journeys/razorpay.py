"""Razorpay: the order is paid in the browser and captured by itself."""

import time
from collections.abc import Mapping

import httpx

from devstack.gateways.razorpay import KEY_ID, KEY_SECRET, build_event, sign_webhook
from tests.integration.gateways.journey import Journey

WEBHOOK_SECRET = "razorpay-journey"


async def arrange(http: httpx.AsyncClient, callback_url: str) -> None:
    """Nothing: this local gateway leaves posting to whoever pays."""


async def pay(http: httpx.AsyncClient, reference: str, client_parameters: Mapping[str, str], callback_url: str) -> None:
    """Pay the order, and post what Razorpay would, twice."""
    assert client_parameters["order_id"] == reference
    payment = (await http.post(f"/_control/orders/{reference}/pay", json={"outcome": "captured"})).json()
    body = build_event("payment.captured", {"payment": payment}, created_at=int(time.time()))
    for _ in range(2):
        response = await http.post(callback_url, content=body, headers=sign_webhook(WEBHOOK_SECRET, body))
        response.raise_for_status()


JOURNEY = Journey(
    gateway="razorpay",
    server="devstack.gateways.razorpay",
    credentials=lambda url, _: {
        "key_id": KEY_ID,
        "key_secret": KEY_SECRET,
        "webhook_secret": WEBHOOK_SECRET,
        "api_base": url,
    },
    amount_minor=50000,
    currency="INR",
    refund_minor=20000,
    arrange=arrange,
    pay=pay,
    settles=False,
)
