"""Rotation: the present secret is accepted further on, and the key ring can change underneath."""

import base64

import httpx
import pytest

from services.accounts import rotate_keys
from storage.sealing import KeyRing
from tests.integration.api.configured import STRIPE, URL, configured, shown, stored
from tests.integration.api.conftest import Api

PHONEPE = {
    "client_id": "shop-1",
    "client_secret": "phonepe-client-secret",
    "client_version": 1,
    "webhook_username": "user-1",
    "webhook_password": "password-1",
}


async def test_a_rotation_accepts_the_present_secret_further_on(api: Api, acme: httpx.AsyncClient) -> None:
    await configured(acme)

    rotated = await acme.post(f"{URL}/rotate", json={"credentials": {"webhook_secret": "whsec_second_00000002"}})

    assert (rotated.status_code, rotated.json()["version"]) == (200, 2)
    assert shown(rotated)["previous_webhook_secret"] == "••••0001"
    assert await stored(api) == {
        **STRIPE,
        "webhook_secret": "whsec_second_00000002",
        "previous_webhook_secret": STRIPE["webhook_secret"],
    }


async def test_a_rotation_can_end_the_overlap(api: Api, acme: httpx.AsyncClient) -> None:
    await configured(acme)
    second = {"credentials": {"webhook_secret": "whsec_second_00000002"}}

    await acme.post(f"{URL}/rotate", json=second)
    ended = await acme.post(f"{URL}/rotate", json={**second, "keep_previous": False})

    assert ended.status_code == 200
    assert await stored(api) == {**STRIPE, "webhook_secret": "whsec_second_00000002"}


async def test_fields_that_belong_together_become_previous_together(api: Api, acme: httpx.AsyncClient) -> None:
    url = "/v1/accounts/acme/gateways/phonepe"
    await configured(acme, url, PHONEPE)

    both = {"webhook_username": "user-2", "webhook_password": "password-2"}
    await acme.post(f"{url}/rotate", json={"credentials": both})
    await acme.post(f"{url}/rotate", json={"credentials": {"webhook_password": "password-3"}})

    now = await stored(api, "phonepe")
    assert (now["webhook_username"], now["webhook_password"]) == ("user-2", "password-3")
    assert (now["previous_webhook_username"], now["previous_webhook_password"]) == ("user-2", "password-2")


async def test_fields_of_different_kinds_rotate_apart(api: Api, acme: httpx.AsyncClient) -> None:
    url = "/v1/accounts/acme/gateways/paypal"
    await configured(acme, url, {"client_id": "app-1", "client_secret": "secret-1", "webhook_id": "1AB23456CD789012E"})

    await acme.post(f"{url}/rotate", json={"credentials": {"client_secret": "secret-2"}})
    await acme.post(f"{url}/rotate", json={"credentials": {"webhook_id": "2AB23456CD789012E"}})

    now = await stored(api, "paypal")
    assert (now["client_secret"], now["previous_client_secret"]) == ("secret-2", "secret-1")
    assert (now["webhook_id"], now["previous_webhook_id"]) == ("2AB23456CD789012E", "1AB23456CD789012E")


@pytest.mark.parametrize(
    ("credentials", "pointer"),
    [
        ({"secret_key": "sk_test_new"}, "#/credentials/secret_key"),
        ({"previous_webhook_secret": "whsec_x"}, "#/credentials/previous_webhook_secret"),
        ({"webhook_secret": STRIPE["webhook_secret"]}, "#/credentials/webhook_secret"),
        ({"webhook_secret": ""}, "#/credentials/webhook_secret"),
        ({"webhook_secret": None}, "#/credentials/webhook_secret"),
        ({}, "#/credentials"),
    ],
)
async def test_what_cannot_be_rotated_is_refused(
    api: Api, acme: httpx.AsyncClient, credentials: dict[str, object], pointer: str
) -> None:
    await configured(acme)

    answer = await acme.post(f"{URL}/rotate", json={"credentials": credentials})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert await stored(api) == STRIPE


async def test_a_rotation_happens_once_for_an_idempotency_key(api: Api, acme: httpx.AsyncClient) -> None:
    await configured(acme)
    asked = {"json": {"credentials": {"webhook_secret": "whsec_second_00000002"}}, "headers": {"Idempotency-Key": "r1"}}

    first, again = [await acme.post(f"{URL}/rotate", **asked) for _ in range(2)]  # type: ignore[arg-type]  # by name

    assert first.content == again.content
    assert (await stored(api))["previous_webhook_secret"] == STRIPE["webhook_secret"]


async def test_an_answer_can_be_repeated_after_the_key_ring_was_rotated(api: Api, acme: httpx.AsyncClient) -> None:
    await configured(acme)
    asked = {"json": {"credentials": {"webhook_secret": "whsec_second_00000002"}}, "headers": {"Idempotency-Key": "r1"}}
    first = await acme.post(f"{URL}/rotate", **asked)  # type: ignore[arg-type]  # by name
    old, new = api.context.settings.keys.ring["test"].get_secret_value(), base64.b64encode(b"n" * 32).decode()

    assert await rotate_keys(api.context.database, KeyRing.from_base64({"test": old, "next": new}, "next")) == 2
    object.__setattr__(api.context, "ring", KeyRing.from_base64({"next": new}, "next"))
    again = await acme.post(f"{URL}/rotate", **asked)  # type: ignore[arg-type]  # by name

    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert (await acme.get(URL)).json()["key_id"] == "next"
    assert (await acme.get(URL)).headers["etag"] == first.headers["etag"]
