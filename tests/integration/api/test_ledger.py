"""The ledger over HTTP: balances at a time, a day's trial balance, transactions with their postings."""

import uuid
from datetime import timedelta

import httpx
import pytest

from domain.facts import FactKind
from services.api_keys import Scope
from services.apply_events import apply_events
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.books import AMOUNT, NOW, fact, open_payment, received, rows

NEXT_DAY = NOW + timedelta(days=1)
FEE = 59


@pytest.fixture
async def books(api: Api, database: Database) -> None:
    """A payment of each account, captured on one day and partly refunded on the next."""
    for account in ("acme", "rival"):
        names = {"account": account, "provider_reference": f"pi_{account}"}
        await open_payment(database, f"p-{account}", account=account, reference=f"pi_{account}")
        capture = fact(f"evt_1_{account}", FactKind.CAPTURED, movement_reference=f"ch_{account}", **names)
        await apply_events(database, received(capture), NOW)
        refund = {"movement_reference": f"re_{account}", "amount_minor": 400}
        await apply_events(database, received(fact(f"evt_2_{account}", FactKind.REFUNDED, **names, **refund)), NEXT_DAY)


def at(moment: object) -> str:
    return str(moment).replace("+", "%2B")


@pytest.mark.usefixtures("books")
async def test_accounts_have_the_balances_that_were_recorded_by_then(acme: httpx.AsyncClient) -> None:
    async def balances(query: str = "") -> dict[str, int]:
        answer = (await acme.get(f"/v1/ledger/accounts{query}")).json()
        return {line["ledger_account"]: line["balances"][0]["balance_minor"] for line in answer["data"]}

    before = {
        "gateway:stripe:receivable": AMOUNT,
        "recipient:tenant:acme:payable": FEE - AMOUNT,
        "fees:revenue": -FEE,
    }
    now = before | {"gateway:stripe:receivable": AMOUNT - 400, "recipient:tenant:acme:payable": FEE - AMOUNT + 400}
    assert await balances() == now
    assert await balances(f"?at={at(NEXT_DAY.isoformat())}") == now
    assert await balances(f"?at={at(NOW.isoformat())}") == before
    assert await balances(f"?at={at((NOW - timedelta(seconds=1)).isoformat())}") == {}


@pytest.mark.usefixtures("books")
async def test_a_trial_balance_sums_to_zero_and_leads_to_the_next_day(acme: httpx.AsyncClient) -> None:
    first, second, third = [
        (await acme.get(f"/v1/ledger/balances?date={NOW.date() + timedelta(days=number)}")).json()
        for number in range(3)
    ]
    for day in (first, second, third):
        (total,) = day["totals"]
        assert (total["opening_minor"], total["closing_minor"]) == (0, 0)
        assert total["debit_minor"] == total["credit_minor"]
        for line in day["lines"]:
            assert line["closing_minor"] == line["opening_minor"] + line["debit_minor"] - line["credit_minor"]
    assert [day["totals"][0]["debit_minor"] for day in (first, second, third)] == [AMOUNT, 400, 0]
    for earlier, later in ((first, second), (second, third)):
        closing = {line["ledger_account"]: line["closing_minor"] for line in earlier["lines"]}
        assert {line["ledger_account"]: line["opening_minor"] for line in later["lines"]} == closing


async def test_todays_trial_balance_of_empty_books_is_empty(api: Api, acme: httpx.AsyncClient) -> None:
    answer = (await acme.get("/v1/ledger/balances")).json()
    assert (answer["lines"], answer["totals"]) == ([], [])
    assert answer["date"] == str(api.context.clock().date())


@pytest.mark.usefixtures("books")
async def test_transactions_are_found_with_their_postings(acme: httpx.AsyncClient, database: Database) -> None:
    page = (await acme.get("/v1/ledger/transactions")).json()["data"]
    assert [transaction["cause"] for transaction in page] == ["refund", "capture"]
    assert all(sum(posting["amount_minor"] for posting in item["postings"]) == 0 for item in page)
    assert {item["payment_id"] for item in page} == {"p-acme"}

    capture = page[1]
    queries = {
        "payment_id=p-acme": 2,
        "payment_id=p-rival": 0,
        "cause=capture": 1,
        "cause=payout_executed": 0,
        "ledger_account=fees:revenue": 1,
        "ledger_account=gateway:stripe:receivable": 2,
        f"payout_batch_id={uuid.uuid4()}": 0,
        f"recorded_from={at(NEXT_DAY.isoformat())}": 1,
        f"recorded_before={at(NEXT_DAY.isoformat())}": 1,
    }
    for query, count in queries.items():
        found = (await acme.get(f"/v1/ledger/transactions?{query}")).json()["data"]
        assert len(found) == count, query
    assert (await acme.get(f"/v1/ledger/transactions/{capture['id']}")).json() == capture


@pytest.mark.usefixtures("books")
async def test_transactions_come_in_pages(acme: httpx.AsyncClient) -> None:
    first = (await acme.get("/v1/ledger/transactions?limit=1&order=asc")).json()
    second = (await acme.get(f"/v1/ledger/transactions?limit=1&order=asc&cursor={first['next_cursor']}")).json()
    assert [page["data"][0]["cause"] for page in (first, second)] == ["capture", "refund"]
    assert (first["has_more"], second["has_more"]) == (True, False)


@pytest.mark.usefixtures("books")
async def test_anothers_books_are_not_there(
    api: Api, acme: httpx.AsyncClient, rival: httpx.AsyncClient, database: Database
) -> None:
    ((foreign,),) = await rows(
        database, "select id::text from ledger_transactions where account = 'rival' and cause = 'capture'"
    )
    answer = await acme.get(f"/v1/ledger/transactions/{foreign}")
    nowhere = await acme.get(f"/v1/ledger/transactions/{uuid.UUID(int=7)}")
    assert (answer.status_code, nowhere.status_code) == (404, 404)
    assert answer.json()["detail"].replace(str(foreign), "") == nowhere.json()["detail"].replace(
        str(uuid.UUID(int=7)), ""
    )
    operator = await api.key("acme", "rival", kind="operator")
    for account, client in (("acme", acme), ("rival", rival)):
        own = (await client.get("/v1/ledger/accounts")).json()["data"]
        seen = (await api.client(operator, **{"Paystream-Account": account}).get("/v1/ledger/accounts")).json()["data"]
        assert seen == own
        assert f"recipient:tenant:{account}:payable" in {line["ledger_account"] for line in own}


@pytest.mark.parametrize(
    "path",
    [
        "transactions/odd",
        "transactions?cause=%00",
        "transactions?payment_id=%00",
        "transactions?cursor=WyIyMDI2LTAxLTAyVDAzOjA0OjA1KzAwOjAwIiwgIngiXQ",
        "accounts?at=2026-01-01",
        "accounts?at=0001-01-01T00:00:00%2B23:59",
        "balances?date=9999-12-31",
        "balances?date=odd",
    ],
)
async def test_what_makes_no_sense_is_a_problem(acme: httpx.AsyncClient, path: str) -> None:
    answer = await acme.get(f"/v1/ledger/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_the_ledger_is_for_those_who_read_payments(api: Api) -> None:
    client = api.client(await api.key(scopes=[Scope.CREDENTIALS_WRITE]))
    for path in ("accounts", "balances", "transactions", f"transactions/{uuid.uuid4()}"):
        assert (await client.get(f"/v1/ledger/{path}")).status_code == 403
