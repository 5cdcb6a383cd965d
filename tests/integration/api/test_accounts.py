"""Accounts: a key sees its own; operators make new ones."""

import httpx
import pytest

from services.api_keys import Scope
from storage.accounts import Account
from storage.api_keys import KeyKind
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.books import rows

NEW = {"id": "third", "name": "Third Ltd", "fee_basis_points": 150, "fee_fixed_minor": 25}


async def test_a_key_sees_the_accounts_that_it_is_for(api: Api) -> None:
    merchant = api.client(await api.key("acme", scopes=[Scope.PAYMENTS_READ]))
    operator = api.client(await api.key("acme", "rival", kind="operator"))

    own = (await merchant.get("/v1/accounts")).json()
    both = (await operator.get("/v1/accounts")).json()

    assert [account["id"] for account in own["data"]] == ["acme"]
    assert [account["id"] for account in both["data"]] == ["acme", "rival"]
    assert own["data"][0] == (await merchant.get("/v1/accounts/acme")).json()
    assert own["data"][0] == {
        "id": "acme",
        "object": "account",
        "name": "acme",
        "mode": "live",
        "fee_basis_points": 290,
        "fee_fixed_minor": 30,
    }


async def test_another_account_is_not_there(acme: httpx.AsyncClient) -> None:
    foreign = await acme.get("/v1/accounts/rival")
    unknown = await acme.get("/v1/accounts/nobody")

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json()["detail"].replace("rival", "nobody") == unknown.json()["detail"]


async def test_an_operator_makes_an_account(api: Api, database: Database) -> None:
    operator = api.client(await api.key("acme", "rival", kind="operator"))

    made = await operator.post("/v1/accounts", json=NEW)
    again = await operator.post("/v1/accounts", json=NEW)

    assert (made.status_code, made.headers["location"]) == (201, "/v1/accounts/third")
    assert made.json() == {**NEW, "object": "account", "mode": "live"}
    assert (again.status_code, again.json()["code"]) == (409, "account_exists")
    assert again.json()["errors"][0]["pointer"] == "#/id"
    ((actor, request_id),) = await rows(
        database, "select actor, request_id from audit_log where subject_type = 'account' and account = 'third'"
    )
    assert str(actor).startswith("key:")
    assert request_id == made.headers["x-request-id"]
    assert (await operator.get("/v1/accounts/third")).status_code == 404


async def test_a_test_key_makes_test_accounts(api: Api, database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.accounts.create(Account("sandbox", "Sandbox", 0, 0, "test"))
    operator = api.client(await api.key("sandbox", kind="operator"))

    assert (await operator.post("/v1/accounts", json=NEW)).json()["mode"] == "test"


@pytest.mark.parametrize(
    ("kind", "scopes", "code"),
    [
        ("merchant", [Scope.ADMIN], "operator_key_needed"),
        ("operator", [Scope.CREDENTIALS_WRITE, Scope.PAYMENTS_READ], "scope_missing"),
    ],
)
async def test_nobody_else_makes_accounts(api: Api, kind: KeyKind, scopes: list[Scope], code: str) -> None:
    client = api.client(await api.key("acme", kind=kind, scopes=scopes))

    answer = await client.post("/v1/accounts", json=NEW)

    assert (answer.status_code, answer.json()["code"]) == (403, code)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": "Third"}, "#/id"),
        ({"id": "third,acme"}, "#/id"),
        ({"id": "x" * 65}, "#/id"),
        ({"name": ""}, "#/name"),
        ({"name": "a\x00b"}, "#/name"),
        ({"name": "4242 4242 4242 4242"}, "#/name"),
        ({"fee_basis_points": 10_001}, "#/fee_basis_points"),
        ({"fee_basis_points": "1"}, "#/fee_basis_points"),
        ({"fee_fixed_minor": -1}, "#/fee_fixed_minor"),
        ({"fee_fixed_minor": 2**63}, "#/fee_fixed_minor"),
        ({"mode": "live"}, "#/mode"),
    ],
)
async def test_an_account_that_cannot_be_is_refused(api: Api, change: dict[str, object], pointer: str) -> None:
    operator = api.client(await api.key("acme", kind="operator"))

    answer = await operator.post("/v1/accounts", json={**NEW, **change})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_an_account_is_made_once_for_an_idempotency_key(api: Api) -> None:
    operator = api.client(await api.key("acme", kind="operator"), **{"Idempotency-Key": "new-account"})

    first, again = [await operator.post("/v1/accounts", json=NEW) for _ in range(2)]

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
