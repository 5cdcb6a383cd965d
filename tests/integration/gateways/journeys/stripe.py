"""Stripe, at localstripe: a card is confirmed in the browser."""

from collections.abc import Mapping
from typing import Any

import httpx

from devstack.demo.stripe_customer import register_webhook
from tests.integration.gateways.journey import Journey

SECRET_KEY = "sk_test_journey"
WEBHOOK_SECRET = "whsec_journey"


async def arrange(http: httpx.AsyncClient, callback_url: str) -> None:
    """Register the webhook."""
    await register_webhook(http, str(http.base_url).rstrip("/"), SECRET_KEY, callback_url, WEBHOOK_SECRET)


async def pay(http: httpx.AsyncClient, reference: str, client_parameters: Mapping[str, str], callback_url: str) -> None:
    """Confirm the intent with a card, in the payer's client."""
    assert client_parameters["client_secret"]
    card = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2034"}
    method = await call(http, "/payment_methods", {**card, "card[cvc]": "123"})
    await call(http, f"/payment_intents/{reference}", {"payment_method": method["id"]})
    assert (await call(http, f"/payment_intents/{reference}/confirm", {}))["status"] == "succeeded"


async def call(http: httpx.AsyncClient, path: str, form: dict[str, str]) -> dict[str, Any]:
    """Call the API as Stripe's own client does."""
    response = await http.post(f"/v1{path}", data=form, auth=(SECRET_KEY, ""))
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


JOURNEY = Journey(
    gateway="stripe",
    server="devstack.gateways.local_stripe",
    credentials=lambda url, _: {
        "secret_key": SECRET_KEY,
        "publishable_key": "pk_test_journey",
        "webhook_secret": WEBHOOK_SECRET,
        "api_base": url,
    },
    amount_minor=1099,
    currency="USD",
    create={"description": None},
    refund_minor=400,
    arrange=arrange,
    pay=pay,
    settles=False,
)
