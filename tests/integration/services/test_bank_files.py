"""Bank files: executing and writing are one thing, and a batch is in one file that stands, whoever tries."""

import asyncio
import hashlib
import uuid
from dataclasses import replace
from datetime import date, timedelta
from xml.etree.ElementTree import fromstring

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from domain.errors import InvalidInput, InvariantViolated, NotFound, OperationNotAllowed
from domain.settlement import BatchStatus
from services.audit.run import audit_database
from services.bank_files.export import (
    BankFile,
    cancel_bank_file,
    export_bank_file,
    list_bank_files,
    read_bank_file,
)
from services.bank_files.formats import BankFileFormat
from services.bank_files.pain001 import NAMESPACE
from services.payouts import execute_payout, fail_payout, get_payout
from storage.bank_files import BankFileRow, BankFiles
from storage.sealing import KeyRing
from storage.unit_of_work import Database
from tests.integration.services.banking import (
    AFTER,
    NET,
    TENANT,
    balances,
    capture,
    make_batch,
    new_ring,
    open_bank_accounts,
)
from tests.integration.services.books import open_account, rows

TODAY = date(2026, 1, 2)


@pytest.fixture
async def batches(database: Database) -> list[uuid.UUID]:
    """Two approved batches of an account with bank accounts."""
    await open_account(database)
    await open_bank_accounts(database, new_ring())
    for number in (1, 2):
        await capture(database, number)
    return [await make_batch(database, number) for number in (1, 2)]


async def export(
    database: Database,
    batch_ids: list[uuid.UUID],
    file_format: BankFileFormat = BankFileFormat.PAIN_001,
    *,
    account: str = "demo",
    ring: KeyRing | None = None,
    day: date = TODAY,
) -> BankFile:
    return await export_bank_file(
        database,
        ring or new_ring(),
        account,
        batch_ids,
        file_format,
        execution_date=day,
        actor="cfo",
        request_id="r",
        now=AFTER,
    )


async def cancel(database: Database, file_id: uuid.UUID, reason: str = "the bank refused it") -> None:
    await cancel_bank_file(database, "demo", file_id, reason=reason, actor="cfo", request_id="r", now=AFTER)


async def statuses(database: Database) -> list[object]:
    return [status for (status,) in await rows(database, "select status from payout_batches order by id")]


async def test_a_file_executes_its_batches_and_pays_them_to_the_cent(
    database: Database, batches: list[uuid.UUID]
) -> None:
    file = await export(database, batches)
    assert await statuses(database) == ["processing", "processing"]
    held = await balances(database)
    assert (held["payouts:in_transit"], held.get("recipient:tenant:demo:payable", 0)) == (-2 * NET, 0)
    document = fromstring(file.content)  # noqa: S314 - what this test had written itself
    ids = [element.text for element in document.iter(f"{{{NAMESPACE}}}EndToEndId")]
    assert sorted(map(str, ids)) == sorted(batch_id.hex for batch_id in batches)
    amounts = [(element.text, element.get("Ccy")) for element in document.iter(f"{{{NAMESPACE}}}InstdAmt")]
    assert amounts == [("9.41", "USD")] * 2
    assert (file.row.totals, file.row.transfer_count, file.row.created_by) == ({"USD": 2 * NET}, 2, "cfo")
    assert file.row.digest == hashlib.sha256(file.content).digest()
    told = await rows(database, "select payload::jsonb ->> 'status' from outbox where aggregatetype like '%payout%'")
    assert told == [("processing",), ("processing",)]


async def test_a_file_can_be_had_again_to_the_byte(database: Database, batches: list[uuid.UUID]) -> None:
    file = await export(database, batches, BankFileFormat.NACHA)
    again = await read_bank_file(database, new_ring(), "demo", file.row.id)
    assert (again.content, again.name) == (file.content, f"payouts-2026-01-02-{file.row.id.hex[:8]}.ach")
    assert [row.id for row in await list_bank_files(database, "demo")] == [file.row.id]
    with pytest.raises(NotFound):
        await read_bank_file(database, new_ring(), "other", file.row.id)
    await rows(database, "update bank_files set digest = sha256('x') returning 1")
    with pytest.raises(InvariantViolated):
        await read_bank_file(database, new_ring(), "demo", file.row.id)
    stored = await rows(database, "select (kept.*)::text from bank_files kept")
    assert "021000021" not in str(stored)


async def test_a_batch_is_in_one_file_until_a_person_cancels_it(database: Database, batches: list[uuid.UUID]) -> None:
    first = await export(database, batches[:1])
    with pytest.raises(OperationNotAllowed) as refusal:
        await export(database, batches)
    assert refusal.value.code == "in_bank_file"
    assert (await get_payout(database, "demo", batches[1])).status is BatchStatus.APPROVED

    await cancel(database, first.row.id)
    second = await export(database, batches)
    assert second.row.transfer_count == 2
    with pytest.raises(OperationNotAllowed):
        await cancel(database, first.row.id)
    assert (await balances(database))["payouts:in_transit"] == -2 * NET
    cancelled = await rows(
        database,
        "select actor, after ->> 'cancel_reason' from audit_log where subject_type = 'bank_file' and action = 'update'",
    )
    assert cancelled == [("cfo", "the bank refused it")]


async def test_many_at_once_make_one_file(database: Database, batches: list[uuid.UUID]) -> None:
    outcomes = await asyncio.gather(*(export(database, batches) for _ in range(4)), return_exceptions=True)
    made = [outcome for outcome in outcomes if isinstance(outcome, BankFile)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, OperationNotAllowed)]
    assert (len(made), len(refused)) == (1, 3)
    assert await rows(database, "select count(*)::int from bank_file_batches where stands") == [(2,)]


async def test_the_database_itself_refuses_a_second_file(database: Database, batches: list[uuid.UUID]) -> None:
    file = await export(database, batches)
    again = replace(file.row, id=uuid.uuid4())
    with pytest.raises(IntegrityError, match="bank_file_batches_once"):
        await insert_file(database, again, batches[0])


async def insert_file(database: Database, row: BankFileRow, batch_id: uuid.UUID) -> None:
    async with database.transaction() as transaction:
        await BankFiles(transaction.connection).insert(row, [(batch_id, NET, "USD")])


async def test_nothing_happens_when_one_batch_cannot_be_paid(database: Database, batches: list[uuid.UUID]) -> None:
    await capture(database, 3)
    partner = await make_batch(database, 3, recipient=type(TENANT)("demo", "partner", "atelier", "USD"))
    with pytest.raises(OperationNotAllowed) as refusal:
        await export(database, [*batches, partner])
    assert refusal.value.code == "bank_account_missing"
    assert await statuses(database) == ["approved"] * 3
    assert "payouts:in_transit" not in await balances(database)
    assert await rows(database, "select 1 from bank_files") == []


@pytest.mark.parametrize(
    "status", [BatchStatus.DRAFT, BatchStatus.FAILED, BatchStatus.PROCESSING, BatchStatus.COMPLETED]
)
async def test_only_what_is_approved_goes_into_a_file(database: Database, status: BatchStatus) -> None:
    await open_account(database)
    await open_bank_accounts(database, new_ring())
    await capture(database, 1)
    batch_id = await make_batch(database, 1)
    async with database.transaction() as transaction:
        values = {"status": status}
        await transaction.connection.execute(
            text("update payout_batches set status = :status, bank_reference = 'x'"), values
        )
    with pytest.raises(OperationNotAllowed):
        await export(database, [batch_id])


async def test_what_was_paid_or_failed_stays_what_it_is(database: Database, batches: list[uuid.UUID]) -> None:
    file = await export(database, batches)
    await execute_payout(database, "demo", batches[0], actor="cfo", request_id="r", now=AFTER, bank_reference="bank-1")
    with pytest.raises(OperationNotAllowed) as refusal:
        await cancel(database, file.row.id)
    assert refusal.value.code == "batch_completed"
    await fail_payout(database, "demo", batches[1], reason="returned", actor="cfo", request_id="r", now=AFTER)
    assert (await balances(database))["bank:settlement"] == -NET


async def test_what_makes_no_sense_is_refused(database: Database, batches: list[uuid.UUID]) -> None:
    with pytest.raises(InvalidInput):
        await export(database, [])
    with pytest.raises(InvalidInput):
        await export(database, batches, day=TODAY - timedelta(days=1))
    with pytest.raises(NotFound):
        await export(database, [uuid.uuid4()])
    with pytest.raises(NotFound):
        await export(database, batches, account="other")
    with pytest.raises(NotFound):
        await cancel(database, uuid.uuid4())
    file = await export(database, batches)
    with pytest.raises(InvalidInput):
        await cancel(database, file.row.id, "  ")


async def test_files_of_one_day_are_told_apart(database: Database, batches: list[uuid.UUID]) -> None:
    for batch_id, modifier in zip(batches, (b"A", b"B"), strict=True):
        file = await export(database, [batch_id], BankFileFormat.NACHA)
        assert file.content[33:34] == modifier
    async with database.transaction() as transaction:
        files = BankFiles(transaction.connection)
        assert await files.count_of_day("demo", "nacha", AFTER) == 2
        assert await files.count_of_day("demo", "nacha", AFTER + timedelta(days=1)) == 0


async def test_a_scope_makes_files_of_its_own_batches_alone(database: Database, batches: list[uuid.UUID]) -> None:
    with pytest.raises(NotFound):
        await export(database.scoped({"other"}), batches, account="demo")
    file = await export(database.scoped({"demo"}), batches)
    assert (await read_bank_file(database.scoped({"demo"}), new_ring(), "demo", file.row.id)).content == file.content
    with pytest.raises(NotFound):
        await read_bank_file(database.scoped({"other"}), new_ring(), "demo", file.row.id)


async def test_the_ledger_still_holds(database: Database, batches: list[uuid.UUID]) -> None:
    await export(database, batches)
    report = await audit_database(database)
    checks = {check.name: check.holds for check in report.checks}
    assert checks["ledger_zero_sum"]
    assert checks["batch_totals"]
