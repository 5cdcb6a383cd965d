"""Reconciliation over HTTP: what was imported, a run, its breaks, and how an operator resolves one."""

import httpx
import pytest

from domain.statement_lines import Side
from services.api_keys import Scope
from services.statement_matching.importing import ReportFormat, import_statement
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.banking import capture
from tests.integration.services.books import NOW

STATEMENT = """\
balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,source_id,charge_id,payment_intent_id
txn_1,2026-01-02 03:04:05,usd,9.00,0.50,8.50,charge,ch_1,ch_1,pi_1
"""
"""It tells of nine dollars where ten were captured."""


@pytest.fixture
async def operator(api: Api, database: Database) -> httpx.AsyncClient:
    """A client with an operator's key, of an account that has imported a statement."""
    await capture(database, 1, account="acme")
    await import_statement(
        database,
        "acme",
        Side.GATEWAY,
        "stripe",
        ReportFormat.STRIPE,
        STATEMENT.encode(),
        file_name="balance.csv",
        actor="ann",
        request_id="r",
        now=NOW,
    )
    return api.client(await api.key("acme", kind="operator"))


async def test_a_break_is_found_and_resolved_with_a_posting(operator: httpx.AsyncClient) -> None:
    statements = (await operator.get("/v1/reconciliation/statements")).json()["data"]
    run = await operator.post("/v1/reconciliation/runs", json={"tolerances_minor": {"EUR": 1}})
    again = await operator.post("/v1/reconciliation/runs", json={})
    found = (await operator.get("/v1/reconciliation/breaks", params={"kind": "amount"})).json()["data"]
    path = f"/v1/reconciliation/breaks/{found[0]['id']}"
    resolved = await operator.post(
        f"{path}/resolve", json={"reason": "they lost it", "counter_account": "losses:reconciliation"}
    )
    posted = (await operator.get(f"/v1/ledger/transactions/{resolved.json()['ledger_transaction_id']}")).json()

    assert [(one["file_name"], one["line_count"]) for one in statements] == [("balance.csv", 1)]
    assert run.status_code == 200, run.text
    assert (run.json()["breaks"], run.json()["opened"]) == ({"amount": 1}, 1)
    assert (again.json()["opened"], again.json()["closed"]) == (0, 0)
    assert [(one["expected_minor"], one["actual_minor"]) for one in found] == [(1_000, 900)]
    assert resolved.status_code == 200, resolved.text
    assert resolved.json()["resolved_by"].startswith("key:")
    assert sum(posting["amount_minor"] for posting in posted["postings"]) == 0
    assert (await operator.get("/v1/reconciliation/breaks")).json()["data"] == []
    assert (await operator.get(path)).json() == resolved.json()
    shown = (await operator.get("/v1/reconciliation/breaks", params={"with_resolved": True})).json()["data"]
    assert shown == [resolved.json()]


async def test_who_only_reads_sees_breaks_and_resolves_none(api: Api, operator: httpx.AsyncClient) -> None:
    await operator.post("/v1/reconciliation/runs", json={})
    reader = api.client(await api.key("acme", scopes=[Scope.PAYMENTS_READ]))
    merchant = api.client(await api.key("acme"))
    (found,) = (await reader.get("/v1/reconciliation/breaks")).json()["data"]
    path = f"/v1/reconciliation/breaks/{found['id']}/resolve"

    answers = [await one.post(path, json={"reason": "x"}) for one in (reader, merchant)]
    runs = await merchant.post("/v1/reconciliation/runs", json={})

    assert [(one.status_code, one.json()["code"]) for one in (*answers, runs)] == [
        (403, "scope_missing"),
        (403, "operator_key_needed"),
        (403, "operator_key_needed"),
    ]


async def test_a_break_is_resolved_once_and_only_against_the_named_accounts(operator: httpx.AsyncClient) -> None:
    await operator.post("/v1/reconciliation/runs", json={})
    (found,) = (await operator.get("/v1/reconciliation/breaks")).json()["data"]
    path = f"/v1/reconciliation/breaks/{found['id']}/resolve"

    stolen = await operator.post(path, json={"reason": "x", "counter_account": "recipient:tenant:acme:payable"})
    first = await operator.post(path, json={"reason": "nothing to post"})
    second = await operator.post(path, json={"reason": "again"})

    assert (stolen.status_code, first.status_code, second.status_code) == (422, 200, 409), stolen.text
    assert first.json()["ledger_transaction_id"] is None
