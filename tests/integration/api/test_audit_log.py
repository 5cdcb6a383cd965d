"""The audit log over HTTP."""

import httpx
import pytest

from services.api_keys import Scope
from tests.integration.api.conftest import Api, payment


async def test_who_changed_what_is_found(acme: httpx.AsyncClient) -> None:
    made = (await acme.post("/v1/payments", json=payment())).json()
    await acme.patch(
        f"/v1/payments/{made['id']}", json={"description": "two"}, headers={"X-Request-Id": "my-own-request"}
    )

    (newest, *_) = (await acme.get(f"/v1/audit-log?subject_type=payment&subject_id={made['id']}")).json()["data"]

    assert (newest["action"], newest["after"]["description"], newest["request_id"]) == (
        "update",
        "two",
        "my-own-request",
    )
    assert newest["actor"].startswith("key:")
    mine = (await acme.get(f"/v1/audit-log?actor={newest['actor']}&action=update")).json()["data"]
    assert newest in mine
    moment = newest["recorded_at"].replace("+", "%2B")
    assert newest in (await acme.get(f"/v1/audit-log?recorded_from={moment}")).json()["data"]
    assert newest not in (await acme.get(f"/v1/audit-log?recorded_before={moment}")).json()["data"]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_hold_every_record_once(acme: httpx.AsyncClient, order: str) -> None:
    for _ in range(3):
        await acme.post("/v1/payments", json=payment())
    whole = (await acme.get(f"/v1/audit-log?limit=100&order={order}")).json()
    assert not whole["has_more"]

    seen: list[int] = []
    cursor = ""
    while True:
        page = (await acme.get(f"/v1/audit-log?limit=4&order={order}{cursor}")).json()
        seen += [record["id"] for record in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert seen == [record["id"] for record in whole["data"]]
    assert seen == sorted(seen, reverse=order == "desc")
    assert len(seen) > 8


async def test_an_account_sees_its_own_log_and_no_secret(
    api: Api, acme: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    key = await api.key("rival")
    made = (await rival.post("/v1/payments", json=payment())).json()
    await rival.post(f"/v1/payments/{made['id']}/authorize", json={"payment_method_token": "tok_very_secret"})

    own = await rival.get("/v1/audit-log?limit=100")
    foreign = await acme.get("/v1/audit-log?limit=100")

    assert {record["account"] for record in own.json()["data"]} == {"rival"}
    assert {record["account"] for record in foreign.json()["data"]} == {"acme"}
    for secret in (key.split("_", 3)[3], "tok_very_secret", "client_secret", 'digest":"\\\\x'):
        assert secret not in own.text
    assert made["id"] not in foreign.text


async def test_the_log_is_for_administrators(api: Api) -> None:
    scopes = [scope for scope in Scope if scope is not Scope.ADMIN]
    answer = await api.client(await api.key(scopes=scopes)).get("/v1/audit-log")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    "query",
    [
        "subject_id=%00",
        "action=odd",
        "cursor=WyIyMDI2LTAxLTAyVDAzOjA0OjA1KzAwOjAwIiwgIngiXQ",  # the id is no number
        "cursor=WyIyMDI2LTAxLTAyVDAzOjA0OjA1KzAwOjAwIiwgIjk5OTk5OTk5OTk5OTk5OTk5OTk5OTkiXQ",  # one of too many bits
    ],
)
async def test_what_makes_no_sense_is_a_problem(acme: httpx.AsyncClient, query: str) -> None:
    assert (await acme.get(f"/v1/audit-log?{query}")).status_code == 422
