"""A payout batch in people's hands: four eyes, the ledger behind every step, and what a failure gives back."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.errors import CommandConflict, InvalidInput, NotFound, OperationNotAllowed
from domain.facts import FactKind
from domain.settlement import BatchStatus
from services.apply_events import apply_events
from services.audit.run import audit_database
from services.payouts import approve_payout, execute_payout, fail_payout, get_payout
from services.settle import SettlementRules, catch_up, close_windows
from storage.settlement import BatchRow
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, NOW, fact, open_account, open_payment, received, rows

RULES = SettlementRules(window_seconds=3_600, grace_seconds=0, auto_approve_threshold_minor=0)
AFTER = NOW + timedelta(hours=2)
NET = 1_000 - 59


@pytest.fixture
async def batch_id(database: Database) -> uuid.UUID:
    """A batch of one captured payment that waits for approval."""
    await open_account(database)
    await open_payment(database)
    await apply_events(database, received(fact("evt_1", FactKind.CAPTURED)), NOW)
    return await next_batch(database, AFTER)


async def next_batch(database: Database, now: object) -> uuid.UUID:
    await catch_up(database, RULES, AFTER + timedelta(days=9))
    await close_windows(database, RULES, now)  # type: ignore[arg-type]  # a time of this file
    found = await rows(database, "select id from payout_batches order by created_at desc, id limit 1")
    return uuid.UUID(str(found[0][0]))


async def approve(database: Database, batch_id: uuid.UUID, who: str = "ann") -> BatchRow:
    return await approve_payout(database, "demo", batch_id, actor=who, request_id="r", now=AFTER)


async def execute(database: Database, batch_id: uuid.UUID, reference: str | None = None) -> BatchRow:
    return await execute_payout(
        database, "demo", batch_id, actor="cfo", request_id="r", now=AFTER, bank_reference=reference
    )


async def fail(database: Database, batch_id: uuid.UUID, reason: str = "account closed") -> BatchRow:
    return await fail_payout(database, "demo", batch_id, reason=reason, actor="cfo", request_id="r", now=AFTER)


async def balances(database: Database) -> dict[str, int]:
    async with database.transaction() as transaction:
        return {name: amount for name, _, amount in await transaction.ledger.balances() if amount}


async def told(database: Database) -> list[object]:
    found = await rows(
        database,
        "select payload::jsonb ->> 'status' from outbox where aggregatetype = 'settlement.payout-batches.v1'"
        " order by id",
    )
    return [status for (status,) in found]


async def test_a_batch_is_approved_executed_and_completed(database: Database, batch_id: uuid.UUID) -> None:
    assert (await approve(database, batch_id)).status is BatchStatus.APPROVED
    assert (await execute(database, batch_id)).status is BatchStatus.PROCESSING
    in_transit = await balances(database)
    completed = await execute(database, batch_id, "bank-1")

    assert (in_transit["payouts:in_transit"], in_transit.get("recipient:tenant:demo:payable", 0)) == (-NET, 0)
    assert (completed.status, completed.bank_reference, completed.paid_at) == (
        BatchStatus.COMPLETED,
        "bank-1",
        AFTER,
    )
    assert await balances(database) == {
        "gateway:stripe:receivable": AMOUNT,
        "fees:revenue": -59,
        "bank:settlement": -NET,
    }
    assert await told(database) == ["draft", "approved", "processing", "completed"]
    assert (await get_payout(database, "demo", batch_id)).totals.payment_ids == ("p1",)


async def test_executing_again_with_the_same_reference_changes_nothing(database: Database, batch_id: uuid.UUID) -> None:
    await approve(database, batch_id)
    for _ in range(2):
        assert (await execute(database, batch_id, "bank-1")).bank_reference == "bank-1"
    with pytest.raises(CommandConflict):
        await execute(database, batch_id, "bank-2")
    assert (await balances(database))["bank:settlement"] == -NET


async def test_whoever_made_a_batch_does_not_approve_it(database: Database, batch_id: uuid.UUID) -> None:
    with pytest.raises(OperationNotAllowed) as refusal:
        await approve(database, batch_id, "settlement-agent")
    assert refusal.value.code == "four_eyes"


async def test_two_approvals_are_by_two_people(database: Database, batch_id: uuid.UUID) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("update payout_batches set required_approvals = 2"))
    assert (await approve(database, batch_id, "ann")).status is BatchStatus.DRAFT
    for same in ("ann", "Ann ", " ANN", "Settlement-Agent", " "):
        with pytest.raises(OperationNotAllowed) as refusal:
            await approve(database, batch_id, same)
        assert refusal.value.code == "four_eyes"
    assert (await approve(database, batch_id, "bob")).status is BatchStatus.APPROVED


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_a_failed_batch_gives_everything_back_to_the_next(
    database: Database, batch_id: uuid.UUID, steps: int
) -> None:
    for step in (approve, execute)[:steps]:
        await step(database, batch_id)
    before = await rows(database, "select id from settlement_entries order by id")

    assert (await fail(database, batch_id)).status is BatchStatus.FAILED
    assert await rows(database, "select payout_batch_id from settlement_entries") == [(None,)]
    assert (await balances(database))["recipient:tenant:demo:payable"] == -NET
    await next_batch(database, AFTER + timedelta(hours=3))
    following = await next_batch(database, AFTER + timedelta(hours=5))

    assert following != batch_id
    assert await rows(database, "select id from settlement_entries order by id") == before
    assert (await get_payout(database, "demo", following)).totals.net_minor == NET
    assert (await get_payout(database, "demo", batch_id)).totals.payment_ids == ("p1",)


async def test_what_is_at_its_end_stays_there(database: Database, batch_id: uuid.UUID) -> None:
    with pytest.raises(OperationNotAllowed):
        await execute(database, batch_id)
    await approve(database, batch_id)
    await execute(database, batch_id, "bank-1")
    for step in (approve(database, batch_id, "bob"), fail(database, batch_id)):
        with pytest.raises(OperationNotAllowed):
            await step


async def test_another_accounts_batch_is_not_there(database: Database, batch_id: uuid.UUID) -> None:
    with pytest.raises(NotFound):
        await get_payout(database, "other", batch_id)
    with pytest.raises(InvalidInput):
        await fail(database, batch_id, "  ")


async def test_the_books_hold_after_every_step(database: Database, batch_id: uuid.UUID) -> None:
    await approve(database, batch_id)
    await execute(database, batch_id)
    await fail(database, batch_id)
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("delete from outbox"))
    report = await audit_database(database)
    assert report.holds, report.to_json()


async def test_a_large_batch_is_read_with_its_first_payments(
    database: Database, batch_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.payouts.LISTED_PAYMENTS", 1)
    await fail(database, batch_id)
    await open_payment(database, "p0", reference="pi_0")
    names = {"provider_reference": "pi_0", "movement_reference": "ch_0"}
    await apply_events(database, received(fact("evt_0", FactKind.CAPTURED, **names)), NOW)
    await next_batch(database, AFTER + timedelta(hours=3))
    following = await get_payout(database, "demo", await next_batch(database, AFTER + timedelta(hours=5)))

    assert following.totals.payment_ids == ("p0",)
    assert following.payment_count == 2
