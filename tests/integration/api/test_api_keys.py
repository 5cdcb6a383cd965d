"""API keys over HTTP: made for one's own account, shown once, revoked."""

from datetime import timedelta

import httpx
import pytest

from services.api_keys import Scope
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.books import rows

NEW = {"name": "shop backend", "scopes": ["payments:read", "refunds:write"]}


async def test_a_key_is_made_used_listed_and_revoked(api: Api, acme: httpx.AsyncClient) -> None:
    answer = await acme.post("/v1/api-keys", json=NEW)
    made = answer.json()
    client = api.client(made["secret"])

    assert (answer.status_code, made["accounts"], made["kind"]) == (201, ["acme"], "merchant")
    assert made["secret"].startswith(f"{made['prefix']}_")
    assert sorted(made["scopes"]) == ["payments:read", "refunds:write"]
    assert (await client.get("/v1/payments")).status_code == 200
    assert (await client.get("/v1/api-keys")).status_code == 403

    listed = (await acme.get("/v1/api-keys")).json()["data"][0]
    assert (listed["id"], listed["created_by"][:4]) == (made["id"], "key:")
    assert listed["last_used_at"] is not None
    assert "secret" not in listed

    revoked = await acme.delete(f"/v1/api-keys/{made['id']}")
    again = await acme.delete(f"/v1/api-keys/{made['id']}")
    assert (revoked.status_code, again.json()) == (200, revoked.json())
    assert revoked.json()["revoked_at"] is not None
    assert (await client.get("/v1/payments")).status_code == 401


async def test_the_secret_is_shown_once_and_stored_nowhere(api: Api, database: Database) -> None:
    client = api.client(await api.key(), **{"Idempotency-Key": "key-1"})

    first, again = [await client.post("/v1/api-keys", json=NEW) for _ in range(2)]

    assert first.content == again.content
    secret = first.json()["secret"].split("_", 3)[3]
    for table in ("api_keys", "api_answers", "audit_log"):
        assert secret not in str(await rows(database, f"select row_to_json({table})::text from {table}"))  # noqa: S608 - names of this file
    assert await rows(database, "select count(*) from api_keys where name = 'shop backend'") == [(1,)]


async def test_a_key_expires(api: Api, acme: httpx.AsyncClient) -> None:
    now = api.context.clock()
    soon = await acme.post("/v1/api-keys", json=NEW | {"expires_at": (now + timedelta(days=1)).isoformat()})
    past = await acme.post("/v1/api-keys", json=NEW | {"expires_at": (now - timedelta(days=1)).isoformat()})
    assert (soon.status_code, past.status_code) == (201, 422)
    assert past.json()["errors"][0]["pointer"] == "#/expires_at"


@pytest.mark.parametrize(
    "body",
    [
        {},
        NEW | {"scopes": []},
        NEW | {"scopes": ["odd"]},
        NEW | {"name": " "},
        NEW | {"name": "x" * 101},
        NEW | {"name": "a\u0000b"},
        NEW | {"mode": "test"},
        NEW | {"expires_at": "2030-01-01"},
        NEW | {"accounts": ["A B"]},
    ],
)
async def test_what_can_be_no_key_is_refused(acme: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await acme.post("/v1/api-keys", json=body)).status_code == 422


async def test_a_merchants_key_makes_keys_of_its_own_account_only(api: Api, acme: httpx.AsyncClient) -> None:
    for account in ("rival", "nowhere"):
        answer = await acme.post("/v1/api-keys", json=NEW | {"accounts": [account]})
        assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no account {account!r}")
    operators = await acme.post("/v1/api-keys", json=NEW | {"kind": "operator"})
    assert (operators.status_code, operators.json()["code"]) == (403, "operators_only")

    operator = api.client(await api.key("acme", "rival", kind="operator"), **{"Paystream-Account": "acme"})
    both = await operator.post("/v1/api-keys", json=NEW | {"kind": "operator", "accounts": ["rival", "acme"]})
    one = await operator.post("/v1/api-keys", json=NEW | {"accounts": ["rival"]})
    neither = await operator.post("/v1/api-keys", json=NEW | {"accounts": ["rival", "acme"]})
    assert (both.json()["accounts"], one.json()["accounts"]) == (["acme", "rival"], ["rival"])
    assert neither.status_code == 422


async def test_anothers_keys_are_not_there(api: Api, acme: httpx.AsyncClient, rival: httpx.AsyncClient) -> None:
    own = (await rival.post("/v1/api-keys", json=NEW)).json()
    shared = await api.key("acme", "rival", kind="operator")

    for foreign in (own["id"], shared.split("_")[2], "a" * 16):
        answer = await acme.delete(f"/v1/api-keys/{foreign}")
        assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no API key '{foreign}'")
    assert (await acme.delete("/v1/api-keys/odd")).status_code == 422
    assert own["id"] not in (await acme.get("/v1/api-keys")).text
    operator = api.client(shared, **{"Paystream-Account": "acme"})
    assert (await operator.delete(f"/v1/api-keys/{own['id']}")).status_code == 404
    assert (await api.client(own["secret"]).get("/v1/payments")).status_code == 200


async def test_keys_come_in_pages(acme: httpx.AsyncClient) -> None:
    made = [(await acme.post("/v1/api-keys", json=NEW)).json()["id"] for _ in range(3)]
    first = (await acme.get("/v1/api-keys?limit=2")).json()
    second = (await acme.get(f"/v1/api-keys?limit=2&cursor={first['next_cursor']}")).json()
    seen = [key["id"] for page in (first, second) for key in page["data"]]
    assert seen[:3] == made[::-1]
    assert (len(seen), second["has_more"]) == (4, False)


async def test_keys_are_for_administrators(api: Api) -> None:
    client = api.client(await api.key(scopes=[scope for scope in Scope if scope is not Scope.ADMIN]))
    answers = [
        await client.post("/v1/api-keys", json=NEW),
        await client.get("/v1/api-keys"),
        await client.delete(f"/v1/api-keys/{'a' * 16}"),
    ]
    assert {answer.status_code for answer in answers} == {403}
