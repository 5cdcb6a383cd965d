"""Payout batches over HTTP: who may do what to them, and the statement that goes with each."""

import csv
import io
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from domain.errors import InvariantViolated
from domain.facts import FactKind
from services.api_keys import Scope
from services.apply_events import apply_events
from services.payout_exports import COLUMNS, Statement
from services.payouts import get_payout
from services.settle import SettlementRules, catch_up, close_windows
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.books import NOW, fact, open_payment, received, rows

RULES = SettlementRules(window_seconds=3_600, grace_seconds=0, auto_approve_threshold_minor=0)
AFTER = NOW + timedelta(hours=2)
FEE, NET = 59, 941


async def pay(database: Database, account: str, payment_ids: Sequence[str], *, refund_minor: int = 0) -> str:
    """A draft batch of payments of 10.00 USD, each of them partly refunded if asked for."""
    for payment_id in payment_ids:
        reference = f"pi_{payment_id}"
        await open_payment(database, payment_id, account=account, reference=reference)
        names = {"account": account, "provider_reference": reference}
        facts = [fact(f"evt_{payment_id}", FactKind.CAPTURED, movement_reference=f"ch_{payment_id}", **names)]
        if refund_minor:
            refund = {"movement_reference": f"re_{payment_id}", "amount_minor": refund_minor}
            facts.append(fact(f"evt_{payment_id}_refund", FactKind.REFUNDED, **names, **refund))
        await apply_events(database, received(*facts), NOW)
    await catch_up(database, RULES, AFTER + timedelta(days=9))
    await close_windows(database, RULES, AFTER)
    found = await rows(
        database,
        f"select id from payout_batches where account = '{account}' order by created_at desc limit 1",  # noqa: S608 - a name of this file
    )
    return str(found[0][0])


@pytest.fixture
async def batch(api: Api, database: Database) -> str:
    """The URL of a draft batch of one payment of `acme`."""
    return f"/v1/payout-batches/{await pay(database, 'acme', ['p1'])}"


async def test_a_batch_is_approved_executed_and_completed_by_keys(api: Api, batch: str) -> None:
    approver = api.client(await api.key(scopes=[Scope.PAYMENTS_READ, Scope.PAYOUTS_APPROVE]))
    treasurer = api.client(await api.key(scopes=[Scope.PAYMENTS_READ, Scope.PAYOUTS_EXECUTE]))

    draft = (await approver.get(batch)).json()
    approved = await approver.post(f"{batch}/approve")
    sent = await treasurer.post(f"{batch}/execute", json={})
    done = await treasurer.post(f"{batch}/execute", json={"bank_reference": "bank-1"})

    assert (draft["status"], draft["net_minor"], draft["net"], draft["fee_minor"]) == ("draft", NET, "9.41", FEE)
    assert (draft["payment_ids"], draft["payment_count"], draft["approvals"]) == (["p1"], 1, [])
    assert (approved.status_code, approved.json()["status"]) == (200, "approved")
    assert approved.json()["approvals"][0]["approved_by"] == approved.json()["approved_by"]
    assert approved.json()["approved_by"].startswith("key:")
    assert (sent.json()["status"], sent.json()["bank_reference"]) == ("processing", None)
    assert (done.json()["status"], done.json()["bank_reference"]) == ("completed", "bank-1")
    assert done.json()["executed_by"].startswith("key:")


async def test_a_failed_batch_says_why(acme: httpx.AsyncClient, batch: str) -> None:
    answer = await acme.post(f"{batch}/fail", json={"reason": "account closed"})
    again = await acme.post(f"{batch}/fail", json={"reason": "account closed"})

    assert (answer.status_code, answer.json()["failure_reason"]) == (200, "account closed")
    assert answer.json()["failed_by"].startswith("key:")
    assert (again.status_code, again.json()["code"]) == (409, "operation_not_allowed")


async def test_each_step_needs_its_own_scope(api: Api, batch: str) -> None:
    approver = api.client(await api.key(scopes=[Scope.PAYMENTS_READ, Scope.PAYOUTS_APPROVE]))
    treasurer = api.client(await api.key(scopes=[Scope.PAYMENTS_READ, Scope.PAYOUTS_EXECUTE]))
    nobody = api.client(await api.key(scopes=[Scope.PAYMENTS_WRITE, Scope.REFUNDS_WRITE]))

    refused = [
        await treasurer.post(f"{batch}/approve"),
        await approver.post(f"{batch}/execute", json={}),
        await approver.post(f"{batch}/fail", json={"reason": "x"}),
        await nobody.get(batch),
        await nobody.get(f"{batch}/export"),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "scope_missing")}
    assert (await approver.get(batch)).json()["status"] == "draft"


async def test_whoever_approved_does_not_approve_again(api: Api, database: Database, batch: str) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("update payout_batches set required_approvals = 2"))
    first, second = [api.client(await api.key()) for _ in range(2)]

    one = await first.post(f"{batch}/approve")
    same = await first.post(f"{batch}/approve")
    two = await second.post(f"{batch}/approve")

    assert (one.json()["status"], len(one.json()["approvals"])) == ("draft", 1)
    assert (same.status_code, same.json()["code"]) == (409, "four_eyes")
    assert (two.json()["status"], len(two.json()["approvals"])) == ("approved", 2)


async def test_what_does_not_fit_is_refused(acme: httpx.AsyncClient, batch: str) -> None:
    early = await acme.post(f"{batch}/execute", json={"bank_reference": "bank-1"})
    empty = await acme.post(f"{batch}/fail", json={"reason": " "})
    odd = [
        await acme.post(f"{batch}/fail", json={}),
        await acme.post(f"{batch}/execute", json={"bank_reference": "a b"}),
        await acme.post(f"{batch}/execute", json={"surprise": 1}),
        await acme.get("/v1/payout-batches/odd"),
        await acme.get(f"{batch}/export?format=xml"),
        await acme.get("/v1/payout-batches?created_from=0001-01-01T00:00:00%2B23:59"),
    ]
    assert (early.status_code, early.json()["code"]) == (409, "operation_not_allowed")
    assert (empty.status_code, empty.json()["code"]) == (422, "invalid_input")
    assert {answer.status_code for answer in odd} == {422}


async def test_executing_twice_with_one_idempotency_key_posts_once(
    api: Api, database: Database, acme: httpx.AsyncClient, batch: str
) -> None:
    await acme.post(f"{batch}/approve")
    client = api.client(await api.key(), **{"Idempotency-Key": "pay-out"})

    first, again = [await client.post(f"{batch}/execute", json={"bank_reference": "b1"}) for _ in range(2)]

    assert first.content == again.content
    assert await rows(database, "select count(*) from ledger_transactions where cause = 'payout_completed'") == [(1,)]


async def test_batches_are_found_by_what_they_are(
    api: Api, database: Database, acme: httpx.AsyncClient, rival: httpx.AsyncClient, batch: str
) -> None:
    (found,) = (await acme.get("/v1/payout-batches")).json()["data"]
    assert (found["id"], found["payment_ids"], found["payment_count"]) == (batch.rpartition("/")[2], None, 1)
    created = found["created_at"]
    matching = ("status=draft", "recipient_type=tenant", "recipient_id=acme", "currency=USD", f"created_from={created}")
    others = ("status=failed", "recipient_type=partner", "recipient_id=x", "currency=EUR", f"created_before={created}")
    for query in matching:
        assert len((await acme.get(f"/v1/payout-batches?{query.replace('+', '%2B')}")).json()["data"]) == 1, query
    for query in others:
        assert (await acme.get(f"/v1/payout-batches?{query.replace('+', '%2B')}")).json()["data"] == [], query
    assert (await rival.get("/v1/payout-batches")).json()["data"] == []


async def test_anothers_batch_is_not_there(rival: httpx.AsyncClient, acme: httpx.AsyncClient, batch: str) -> None:
    unknown = f"/v1/payout-batches/{uuid.uuid4()}"
    asked = [
        ("GET", "", None),
        ("GET", "/entries", None),
        ("GET", "/export", None),
        ("POST", "/approve", None),
        ("POST", "/execute", {}),
        ("POST", "/fail", {"reason": "x"}),
    ]
    for method, path, body in asked:
        foreign = await rival.request(method, f"{batch}{path}", json=body)
        nowhere = await rival.request(method, f"{unknown}{path}", json=body)
        assert (foreign.status_code, nowhere.status_code) == (404, 404)
        said = foreign.json()["detail"].replace(batch.rpartition("/")[2], "ID")
        assert said == nowhere.json()["detail"].replace(unknown.rpartition("/")[2], "ID")
    assert (await acme.get(batch)).json()["status"] == "draft"


async def test_entries_come_in_pages(acme: httpx.AsyncClient, database: Database) -> None:
    batch = await pay(database, "acme", [f"p{number}" for number in range(5)])
    seen: list[str] = []
    cursor = ""
    while True:
        answer = await acme.get(f"/v1/payout-batches/{batch}/entries?limit=2&order=asc{cursor}")
        page = answer.json()
        seen += [entry["payment_id"] for entry in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == [f"p{number}" for number in range(5)]
    assert page["data"][0]["net_minor"] == NET


async def test_a_cursor_of_another_list_is_refused(acme: httpx.AsyncClient, batch: str) -> None:
    for said in ("WyIyMDI2LTAxLTAyVDAzOjA0OjA1KzAwOjAwIiwgIngiXQ", "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwgIngiXQ"):
        for path in (f"{batch}/entries", "/v1/payout-batches"):
            answer = await acme.get(f"{path}?cursor={said}")
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/cursor")


async def test_the_statement_as_csv_adds_up(api: Api, acme: httpx.AsyncClient, database: Database) -> None:
    # An id that upstream chose may be a formula to a spreadsheet.
    ids = ["=cmd|'/C'!A0", "@p2", "p,3"]
    batch = await pay(database, "acme", ids, refund_minor=250)

    answer = await acme.get(f"/v1/payout-batches/{batch}/export?format=csv")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="payout-batch-{batch}.csv"'
    assert answer.text.endswith("\r\n")
    assert "\n" not in answer.text.replace("\r\n", "")
    lines = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    entries, total = lines[:-1], lines[-1]
    assert tuple(total) == COLUMNS
    assert {entry["payment_id"] for entry in entries} == {"'=cmd|'/C'!A0", "'@p2", "p,3"}
    assert [line["line"] for line in lines] == ["entry"] * 6 + ["total"]
    assert {entry["gross"] for entry in entries} == {"10.00", "-2.50"}
    for name in ("gross_minor", "fee_minor", "net_minor"):
        assert sum(int(entry[name]) for entry in entries) == int(total[name])
    shown = (await acme.get(f"/v1/payout-batches/{batch}")).json()
    assert (int(total["net_minor"]), total["net"]) == (shown["net_minor"], shown["net"])


async def test_the_statement_as_json_says_the_same(acme: httpx.AsyncClient, database: Database) -> None:
    batch = await pay(database, "acme", ["p1", "p2"], refund_minor=100)

    answer = await acme.get(f"/v1/payout-batches/{batch}/export?format=json")

    assert answer.headers["content-type"] == "application/json"
    statement = answer.json()
    assert statement["payout_batch"]["id"] == batch
    assert [entry["cause"] for entry in statement["entries"]].count("refund") == 2
    assert statement["totals"]["entry_count"] == len(statement["entries"]) == 4
    assert statement["totals"]["reserve_held"] == "0.00"
    assert statement["totals"]["net_minor"] == sum(entry["net_minor"] for entry in statement["entries"])


async def test_a_statement_is_read_in_pages_and_breaks_off_when_it_does_not_add_up(
    api: Api, database: Database
) -> None:
    batch_id = uuid.UUID(await pay(database, "acme", [f"p{number}" for number in range(5)]))
    batch = await get_payout(database, "acme", batch_id)

    pages = [page async for page in Statement(database, batch, page_size=2).csv()]
    assert len(pages) == 5
    async with database.transaction() as transaction:
        await transaction.connection.execute(
            text("delete from payout_batch_entries where entry_id in (select id from settlement_entries limit 1)")
        )
    written: list[str] = []
    with pytest.raises(InvariantViolated):
        await collect(Statement(database, batch, page_size=2), written)
    assert "total" not in "".join(written)


async def test_what_is_held_back_and_released_stands_in_the_statement(api: Api, database: Database) -> None:
    batch = await get_payout(database, "acme", uuid.UUID(await pay(database, "acme", ["p1"])))
    reserve = replace(batch.totals, net_minor=NET - 100 + 30, reserve_held_minor=100, reserve_released_minor=30)

    statement = Statement(database, replace(batch, totals=reserve))
    lines = list(csv.DictReader(io.StringIO("".join([part async for part in statement.csv()]), newline="")))
    totals = json.loads("".join([part async for part in statement.json()]))["totals"]

    assert [(line["line"], line["net"]) for line in lines] == [
        ("entry", "9.41"),
        ("reserve_held", "-1.00"),
        ("reserve_released", "0.30"),
        ("total", "8.71"),
    ]
    assert (totals["reserve_held_minor"], totals["reserve_released"], totals["net_minor"]) == (100, "0.30", 871)


async def collect(statement: Statement, written: list[str]) -> None:
    """Keep what a statement wrote, also when it breaks off."""
    async for page in statement.csv():
        written.append(page)  # noqa: PERF401 - a comprehension would lose it all
