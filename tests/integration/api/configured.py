"""Gateways of the account `acme`: configuring one, and what is shown and stored of it."""

from typing import Any

import httpx

from services.accounts import load_credentials
from tests.integration.api.conftest import Api

STRIPE = {
    "secret_key": "sk_test_not_a_real_key_p7dc",
    "publishable_key": "pk_test_not_a_real_key",
    "webhook_secret": "whsec_first_000000000000001",
}
URL = "/v1/accounts/acme/gateways/stripe"


async def configured(client: httpx.AsyncClient, url: str = URL, credentials: object = None) -> httpx.Response:
    """Configure a gateway that was not configured before."""
    answer = await client.put(url, json={"credentials": credentials or STRIPE})
    assert answer.status_code == 201, answer.text
    return answer


def shown(answer: httpx.Response) -> dict[str, Any]:
    """The shown value of every credential."""
    return {item["name"]: item["value"] for item in answer.json()["credentials"]}


async def stored(api: Api, gateway: str = "stripe") -> dict[str, Any]:
    """The credentials as a connector gets them, without what was left out."""
    credentials = await load_credentials(api.context.database, api.context.ring, "acme", gateway)
    plain = {name: getattr(value, "get_secret_value", lambda value=value: value)() for name, value in credentials}
    return {name: value for name, value in plain.items() if value is not None}
