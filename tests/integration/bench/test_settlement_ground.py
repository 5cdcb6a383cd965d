"""The settlement benchmark in small: what it makes is settled by the services, and its checks see a wrong ledger."""

import io

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import text

from bench.settlement import close, count
from bench.settlement_ground import check, fill
from domain.schedule import Cadence
from storage.unit_of_work import Database


async def test_every_entry_is_counted_and_paid_and_the_checks_hold(database: Database) -> None:
    made = await fill(database, entries=1_300, partners=5, cadence=Cadence.DAILY, progress=lambda _: None)
    assert made >= 1_300
    with Progress(console=Console(file=io.StringIO())) as progress:
        await count(database, made, progress)
        windows, batches, _ = await close(database, progress)
    # Each of five partners and the tenant, in two currencies.
    assert (windows, batches) == (12, 12)
    async with database.transaction() as transaction:
        assert await transaction.settlement.count_uncounted() == 0
        paid = await transaction.connection.execute(
            text("select count(*) from settlement_entries where payout_batch_id is not null")
        )
        assert paid.scalar_one() == made
        held = await transaction.connection.execute(text("select count(*) from reserve_holds"))
        assert held.scalar_one() == 10
    results = await check(database)
    assert [result.name for result in results if not result.holds] == []
    assert all(result.examined for result in results)


async def test_a_ledger_that_owes_otherwise_is_seen(database: Database) -> None:
    await fill(database, entries=200, partners=2, cadence=Cadence.DAILY, progress=lambda _: None)
    async with database.transaction() as transaction:
        await transaction.connection.execute(
            text(
                "update settlement_entries set gross_minor = gross_minor + 1, net_minor = net_minor + 1 where ctid in"
                " (select ctid from settlement_entries limit 1)"
            )
        )
    assert "payables_agree" in [result.name for result in await check(database) if not result.holds]
