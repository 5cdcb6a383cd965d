"""The local Stripe keeps the rules that Stripe documents for idempotency keys; the proofs of repeats rest on them."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateways.stripe import SECRET_KEY, create_app
from tests.gateways.stripe_form import decode_form

ORDER = {"amount": "1000", "currency": "usd", "metadata[payment_id]": "payment-1"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {SECRET_KEY}"}
    transport = httpx.ASGITransport(create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
        yield client


async def post(http: httpx.AsyncClient, path: str, key: str | None, **data: str) -> httpx.Response:
    return await http.post(f"/v1{path}", data=data, headers={} if key is None else {"Idempotency-Key": key})


def test_a_form_is_decoded_as_nested_objects() -> None:
    assert decode_form("a=1&b[c]=2&b[d][e]=&f[0][g]=3&f[1][g]=4&h[1]=5") == {
        "a": "1",
        "b": {"c": "2", "d": {"e": ""}},
        "f": [{"g": "3"}, {"g": "4"}],
        "h": {"1": "5"},
    }


async def test_the_same_key_gives_the_same_bytes(http: httpx.AsyncClient) -> None:
    first, again = [await post(http, "/payment_intents", "key-1", **ORDER) for _ in range(2)]
    other = await post(http, "/payment_intents", None, **ORDER)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert other.json()["id"] != first.json()["id"]


async def test_the_same_key_with_other_parameters_or_another_path_is_an_error(http: httpx.AsyncClient) -> None:
    await post(http, "/payment_intents", "key-1", **ORDER)
    others = [
        await post(http, "/payment_intents", "key-1", **{**ORDER, "amount": "1001"}),
        await post(http, "/refunds", "key-1", **ORDER),
    ]

    assert [other.status_code for other in others] == [400, 400]
    assert {other.json()["error"]["type"] for other in others} == {"idempotency_error"}


async def test_an_answer_is_kept_as_it_was_when_the_object_has_changed_since(http: httpx.AsyncClient) -> None:
    intent = (await post(http, "/payment_intents", "key-1", **ORDER)).json()["id"]
    await post(http, f"/payment_intents/{intent}/confirm", "key-2", payment_method="pm_card_visa")
    again = await post(http, "/payment_intents", "key-1", **ORDER)

    assert again.json()["status"] == "requires_payment_method"
    assert (await http.get(f"/v1/payment_intents/{intent}")).json()["status"] == "succeeded"


async def test_a_decline_is_kept_and_a_mistake_is_not(http: httpx.AsyncClient) -> None:
    intent = (await post(http, "/payment_intents", "key-1", **ORDER)).json()["id"]
    path = f"/payment_intents/{intent}/confirm"
    declines = [await post(http, path, "key-2", payment_method="pm_card_chargeDeclined") for _ in range(2)]
    mistake = await post(http, "/payment_intents", "key-3", **{**ORDER, "amount": "ten"})
    corrected = await post(http, "/payment_intents", "key-3", **ORDER)

    assert [decline.status_code for decline in declines] == [402, 402]
    assert declines[1].headers["idempotent-replayed"] == "true"
    assert (mistake.status_code, corrected.status_code) == (400, 200)


async def test_undocumented_parameters_and_wrong_keys_are_refused(http: httpx.AsyncClient) -> None:
    misspelt = await post(http, "/payment_intents", None, **ORDER, capture_methode="manual")
    stranger = await http.post("/v1/payment_intents", data=ORDER, headers={"Authorization": "Bearer sk_test_other"})

    assert (misspelt.status_code, stranger.status_code) == (400, 401)
    assert "capture_methode" in misspelt.json()["error"]["message"]
