"""Bank files over HTTP: made of approved batches, downloaded as they were made, cancelled."""

import uuid
from dataclasses import replace

import httpx
import pytest

from domain.settlement import Recipient
from services.api_keys import Scope
from services.bank_accounts import confirm_recipient_account, set_debtor_account, set_recipient_account
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.banking import CREDITOR, DEBTOR, capture, make_batch
from tests.integration.services.books import NOW, rows

TENANT = Recipient("acme", "tenant", "acme", "USD")


@pytest.fixture
async def batch_id(api: Api, database: Database) -> uuid.UUID:
    """An approved batch whose recipient has a confirmed bank account."""
    ring = api.context.ring
    await set_recipient_account(database, ring, TENANT, CREDITOR, actor="ann", request_id="r", now=NOW)
    await confirm_recipient_account(database, TENANT, 1, actor="bob", request_id="r", now=NOW)
    await set_debtor_account(database, ring, "acme", "USD", DEBTOR, actor="ann", request_id="r", now=NOW)
    await capture(database, 1, account="acme")
    return await make_batch(database, 1, recipient=TENANT)


@pytest.fixture
async def treasurer(api: Api) -> httpx.AsyncClient:
    """A client that executes payouts."""
    return api.client(await api.key("acme", scopes=[Scope.PAYMENTS_READ, Scope.PAYOUTS_EXECUTE]))


async def test_a_file_is_made_once_and_downloaded_as_it_was_made(
    treasurer: httpx.AsyncClient, batch_id: uuid.UUID
) -> None:
    wanted = {"payout_batch_ids": [str(batch_id)], "format": "csv"}
    made = await treasurer.post("/v1/bank-files", json=wanted)
    again = await treasurer.post("/v1/bank-files", json=wanted)
    listed = (await treasurer.get("/v1/bank-files")).json()["data"]
    content = await treasurer.get(f"/v1/bank-files/{made.json()['id']}/content")

    assert (made.status_code, again.status_code, again.json()["code"]) == (201, 409, "in_bank_file"), made.text
    assert listed == [made.json()]
    assert (made.json()["transfer_count"], made.json()["totals_minor"]) == (1, {"USD": 941})
    assert batch_id.hex in content.text
    assert CREDITOR.number is not None
    assert CREDITOR.number in content.text
    assert content.headers["cache-control"] == "no-store"
    batch = (await treasurer.get(f"/v1/payout-batches/{batch_id}")).json()
    assert batch["status"] == "processing"


async def test_a_cancelled_file_makes_room_for_another(treasurer: httpx.AsyncClient, batch_id: uuid.UUID) -> None:
    wanted = {"payout_batch_ids": [str(batch_id)], "format": "csv"}
    first = (await treasurer.post("/v1/bank-files", json=wanted)).json()
    cancelled = await treasurer.post(f"/v1/bank-files/{first['id']}/cancel", json={"reason": "never sent"})
    second = await treasurer.post("/v1/bank-files", json=wanted)

    assert (cancelled.status_code, second.status_code) == (204, 201), cancelled.text
    reasons = [one["cancel_reason"] for one in (await treasurer.get("/v1/bank-files")).json()["data"]]
    assert sorted(reasons, key=str) == [None, "never sent"]


async def test_bank_accounts_are_for_who_executes_payouts(
    api: Api, treasurer: httpx.AsyncClient, batch_id: uuid.UUID
) -> None:
    wanted = {"payout_batch_ids": [str(batch_id)], "format": "csv"}
    made = (await treasurer.post("/v1/bank-files", json=wanted)).json()
    approver = api.client(await api.key("acme", scopes=[Scope.PAYMENTS_READ, Scope.PAYOUTS_APPROVE]))
    answers = [
        await approver.get(f"/v1/bank-files/{made['id']}/content"),
        await approver.post("/v1/bank-files", json=wanted),
        await approver.post(f"/v1/bank-files/{made['id']}/cancel", json={"reason": "x"}),
    ]
    assert {(one.status_code, one.json()["code"]) for one in answers} == {(403, "scope_missing")}


async def test_nothing_is_executed_when_one_batch_cannot_be_paid(
    database: Database, treasurer: httpx.AsyncClient, batch_id: uuid.UUID
) -> None:
    unknown = replace(TENANT, recipient_type="partner", recipient_id="atelier")
    other = await make_batch(database, 1, recipient=unknown)
    answer = await treasurer.post(
        "/v1/bank-files", json={"payout_batch_ids": [str(batch_id), str(other)], "format": "csv"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "bank_account_missing"), answer.text
    assert await rows(database, "select distinct status from payout_batches") == [("approved",)]
