"""Disputes: what payers' banks take back, listed and read."""

from datetime import UTC, datetime

import httpx
import pytest

from domain.facts import FactKind
from services.api_keys import Scope
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.api.paying import disputed, get, id_of, paid

DUE = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _gateway_of_acme(api: Api) -> None:
    api.gateway.account = "acme"


async def test_a_dispute_is_shown_with_the_day_it_must_be_answered(acme: httpx.AsyncClient, database: Database) -> None:
    path = await paid(acme)
    await disputed(database, path, "dp_1", evidence_due_at=DUE)

    (shown,) = (await get(acme, "/v1/disputes"))["data"]

    expected = {
        "object": "dispute",
        "account": "acme",
        "payment_id": id_of(path),
        "gateway": "testgate",
        "reference": "dp_1",
        "status": "opened",
        "amount_minor": 300,
        "amount": "3.00",
        "currency": "USD",
    }
    assert {name: shown[name] for name in expected} == expected
    assert datetime.fromisoformat(shown["evidence_due_at"]) == DUE
    assert await get(acme, f"/v1/disputes/{shown['id']}") == shown
    assert (await get(acme, f"{path}/disputes"))["data"] == [shown]


async def test_disputes_are_listed_by_what_is_asked(acme: httpx.AsyncClient, database: Database) -> None:
    first, second = await paid(acme), await paid(acme)
    await disputed(database, first, "dp_1")
    await disputed(database, second, "dp_2")
    await disputed(database, second, "dp_2", FactKind.DISPUTE_LOST)

    async def found(**query: str) -> list[str]:
        return [dispute["reference"] for dispute in (await get(acme, "/v1/disputes", **query))["data"]]

    assert sorted(await found()) == ["dp_1", "dp_2"]
    assert await found(status="opened") == ["dp_1"]
    assert await found(status="lost", gateway="testgate", payment_id=id_of(second)) == ["dp_2"]
    assert await found(status="won") == []
    assert await found(created_before="2026-01-01T00:00:00Z") == []
    assert (await get(acme, second))["disputed_minor"] == 300


async def test_disputes_of_another_account_are_not_there(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient, database: Database
) -> None:
    path = await paid(acme)
    await disputed(database, path, "dp_1")
    (shown,) = (await get(acme, "/v1/disputes"))["data"]

    assert (await rival.get(f"/v1/disputes/{shown['id']}")).status_code == 404
    assert (await rival.get(f"{path}/disputes")).status_code == 404
    assert (await get(rival, "/v1/disputes"))["data"] == []
    assert (await acme.get(f"/v1/disputes/{shown['id'].replace('dp_', 're_')}")).status_code == 404


async def test_reading_disputes_needs_a_scope(api: Api) -> None:
    client = api.client(await api.key(scopes=[Scope.PAYOUTS_APPROVE]))

    assert (await client.get("/v1/disputes")).json()["code"] == "scope_missing"
