"""Customers' saved payment methods."""

import httpx
import pytest

from domain.errors import GatewayDeclined, OutcomeUnknown
from services.api_keys import Scope
from tests.integration.api.conftest import Api
from tests.integration.api.paying import get, post
from tests.integration.services.commands.shop import TESTGATE

METHODS = "/v1/customers/customer-17/payment-methods"
BODY = {"gateway": TESTGATE, "token": "tok_visa"}


async def test_a_saved_method_is_shown_as_its_owner_may_see_it(acme: httpx.AsyncClient) -> None:
    answer = await acme.post(METHODS, json=BODY)

    shown = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{METHODS}/{shown['id']}"
    assert shown["id"].startswith("pm_")
    assert {name: shown[name] for name in ("customer_id", "status", "kind", "brand", "last_four", "expires")} == {
        "customer_id": "customer-17",
        "status": "active",
        "kind": "card",
        "brand": "visa",
        "last_four": "4242",
        "expires": "12/2030",
    }
    assert shown["provider_reference"] == "pm_tok_visa"
    assert await get(acme, f"{METHODS}/{shown['id']}") == shown
    assert (await get(acme, METHODS))["data"] == [shown]


async def test_a_customers_methods_are_pages(acme: httpx.AsyncClient) -> None:
    made = [(await post(acme, METHODS, 201, **BODY))["id"] for _ in range(3)]
    await post(acme, METHODS.replace("17", "18"), 201, **BODY)

    first = await get(acme, METHODS, limit=2)
    rest = await get(acme, METHODS, limit=2, cursor=first["next_cursor"])

    assert [item["id"] for item in first["data"] + rest["data"]] == made[::-1]
    assert not rest["has_more"]


async def test_a_method_belongs_to_its_customer_and_its_account(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    method_id = (await post(acme, METHODS, 201, **BODY))["id"]

    other_customer = await acme.get(f"{METHODS.replace('17', '18')}/{method_id}")
    other_account = await rival.get(f"{METHODS}/{method_id}")
    unknown = await acme.get(f"{METHODS}/pm_0")

    assert [answer.status_code for answer in (other_customer, other_account, unknown)] == [404] * 3
    assert other_account.json()["detail"] == f"there is no payment method '{method_id}'"
    assert (await get(rival, METHODS))["data"] == []


async def test_a_gateway_that_does_not_answer_is_told_apart(api: Api, acme: httpx.AsyncClient) -> None:
    api.gateway.fails_after = [OutcomeUnknown("no answer")]

    answer = await acme.post(METHODS, json=BODY)

    assert (answer.status_code, answer.json()["status"]) == (202, "started")
    assert (await get(acme, f"{METHODS}/{answer.json()['id']}"))["status"] == "started"
    assert (await get(acme, METHODS))["data"] == []


async def test_a_declined_method_is_a_problem(api: Api, acme: httpx.AsyncClient) -> None:
    api.gateway.fails_before = [GatewayDeclined("the token is used up")]

    answer = await acme.post(METHODS, json=BODY)

    assert (answer.status_code, answer.json()["code"]) == (402, "gateway_declined")


@pytest.mark.parametrize(
    ("path", "changes", "pointer"),
    [
        (METHODS, {"token": "4242424242424242"}, "#/token"),
        (METHODS, {"gateway": "Nobody!"}, "#/gateway"),
        (METHODS, {"surprise": 1}, "#/surprise"),
        ("/v1/customers/4242424242424242/payment-methods", {}, "customer_id"),
        ("/v1/customers/%00/payment-methods", {}, "customer_id"),
        (f"/v1/customers/{'c' * 256}/payment-methods", {}, "customer_id"),
    ],
)
async def test_what_cannot_be_saved_is_refused(
    api: Api, acme: httpx.AsyncClient, path: str, changes: dict[str, object], pointer: str
) -> None:
    answer = await acme.post(path, json=BODY | changes)

    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert "4242424242424242" not in answer.text
    assert api.gateway.calls == 0


async def test_gateways_that_keep_nothing_say_so(acme: httpx.AsyncClient) -> None:
    manual = await acme.post(METHODS, json=BODY | {"gateway": "manual"})
    unknown = await acme.post(METHODS, json=BODY | {"gateway": "nobody"})

    assert (manual.status_code, manual.json()["code"]) == (422, "capability_missing")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_saving_again_with_the_same_key_keeps_one(api: Api) -> None:
    client = api.client(await api.key(), **{"Idempotency-Key": "save-1"})

    first, again = [await client.post(METHODS, json=BODY) for _ in range(2)]

    assert first.content == again.content
    assert len(api.gateway.effects) == 1


async def test_a_reader_may_not_save(api: Api) -> None:
    reader = api.client(await api.key(scopes=[Scope.PAYMENTS_READ]))

    assert (await reader.post(METHODS, json=BODY)).status_code == 403
    assert (await reader.get(METHODS)).status_code == 200
