"""The settlement benchmark: a day's entries are counted into windows, and the windows closed into payout batches.

Counting goes the way of the stream, in batches like the settle agent's; every tenth of those is never brought, and
caught up on. Fees, a reserve and splits are in the entries and rules. Afterwards entries, windows, batches, reserve and
ledger are compared with each other.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from sqlalchemy import Row, text

from bench.machine import describe_machine
from bench.resources import resources_watched
from bench.settlement_ground import ENTRIES_OF_TEN_PAYMENTS, NOW, check, fill
from bench.settlement_report import SettlementReport, show
from devstack.databases import create_database_async, database_url, drop_database_async
from devstack.stack import Stack, running_stack
from domain.schedule import Cadence
from services.settle import SequencedEntry, SettlementRules, catch_up, close_windows, count_entries
from storage.migrate import migrate
from storage.unit_of_work import Database
from topics.settlement import SettlementEntry

RULES = SettlementRules(window_seconds=3_600, grace_seconds=0, auto_approve_threshold_minor=0, catch_up_after_seconds=0)
CADENCES = (Cadence.DAILY, Cadence.HOURLY)
RECORDS_AT_ONCE = 500
NEVER_BROUGHT_EVERY = 10
LOOK_SECONDS = 1.0
# The cursor is held without a transaction: a snapshot that stays open would keep every old row from being cleared.
_OPEN = text(
    "declare entries cursor with hold for select id::text as entry_id, account, recipient_type, recipient_id, currency,"
    " payment_id, gateway, cause, gross_minor, fee_minor, net_minor, occurred_at from settlement_entries"
    " order by occurred_at, id"
)
_FETCH = text(f"fetch {RECORDS_AT_ONCE} from entries")


def run_settlement_benchmark(
    directory: Path, *, entries: int, recipients: int, cadence: Cadence, console: Console
) -> SettlementReport:
    """Run the stack and the benchmark on it. Raises StackFailed when the stack does not come up."""
    shutil.rmtree(directory, ignore_errors=True)
    with running_stack(directory, announce=lambda message: console.print(message, style="dim")) as stack:
        return asyncio.run(_run(stack, entries, recipients, cadence, console))


async def _run(stack: Stack, entries: int, recipients: int, cadence: Cadence, console: Console) -> SettlementReport:
    machine = describe_machine(stack)
    process = None if stack.postgres_server is None else stack.postgres_server.process.pid
    async with _own_database(stack) as database:
        with _progress(console) as progress:
            payments = entries * 10 // ENTRIES_OF_TEN_PAYMENTS
            filling = progress.add_task("filling a database with payments", total=payments)
            made = await fill(
                database,
                entries=entries,
                partners=recipients,
                cadence=cadence,
                progress=lambda done: progress.update(filling, completed=done),
            )
            async with resources_watched(process) as resources:
                count_seconds = await count(database, made, progress)
                windows, batches, close_seconds = await close(database, progress)
            auditing = progress.add_task("auditing", total=1)
            started = time.perf_counter()
            checks = await check(database)
            progress.advance(auditing)
    return SettlementReport(
        entries=made,
        recipients=recipients + 1,
        cadence=cadence,
        count_seconds=count_seconds,
        close_seconds=close_seconds,
        audit_seconds=time.perf_counter() - started,
        windows=windows,
        batches=batches,
        resources=resources,
        checks=checks,
        machine=machine,
    )


async def count(database: Database, entries: int, progress: Progress) -> float:
    """Count every entry as the settle agent does; returns the seconds that this took, without reading the entries."""
    task = progress.add_task("counting entries into windows", total=entries)
    seconds, place, sequence = 0.0, 0, 0
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(_OPEN)
        while rows := (await connection.execute(_FETCH)).all():
            place += 1
            if place % NEVER_BROUGHT_EVERY == 0:
                continue
            started = time.perf_counter()
            await count_entries(database, _as_read(rows, sequence), RULES, NOW)
            seconds += time.perf_counter() - started
            sequence += len(rows)
            progress.advance(task, len(rows))
        await connection.execute(text("close entries"))
    started = time.perf_counter()
    await catch_up(database, RULES, NOW)
    progress.update(task, completed=entries)
    return seconds + time.perf_counter() - started


def _as_read(rows: Sequence[Row[Any]], sequence: int) -> list[SequencedEntry]:
    """The rows as records of the entries topic, with the sequence numbers that the relay would have given them."""
    return [
        SequencedEntry(entry=SettlementEntry.model_validate(dict(row._mapping)), sequence=sequence + place)  # noqa: SLF001 - the public name of a row's columns by name
        for place, row in enumerate(rows, start=1)
    ]


async def close(database: Database, progress: Progress) -> tuple[int, int, float]:
    """Close every window; returns how many there were, how many batches came of them, and the seconds."""
    async with database.transaction() as transaction:
        windows = await transaction.settlement.count_open_windows()
    task = progress.add_task("closing windows into batches", total=windows)
    looking = asyncio.create_task(_look(database, windows, progress, task))
    started = time.perf_counter()
    try:
        closed = await close_windows(database, RULES, NOW)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    seconds = time.perf_counter() - started
    progress.update(task, completed=windows)
    return len(closed), sum(window.payout_batch_id is not None for window in closed), seconds


async def _look(database: Database, windows: int, progress: Progress, task: TaskID) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        async with database.transaction() as transaction:
            progress.update(task, completed=windows - await transaction.settlement.count_open_windows())


@asynccontextmanager
async def _own_database(stack: Stack) -> AsyncIterator[Database]:
    name = f"bench_{secrets.token_hex(4)}"
    await create_database_async(stack.database_url, name)
    url = database_url(stack.database_url, name)
    await migrate(url)
    database = Database(url, pool_size=3)
    try:
        yield database
    finally:
        await database.close()
        await drop_database_async(stack.database_url, name)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<34}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def main() -> int:
    """Run once and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--recipients", type=int, default=2_000)
    parser.add_argument("--cadence", type=Cadence, choices=CADENCES, default=Cadence.DAILY)
    parser.add_argument("--directory", type=Path, default=Path(".paystream/settlement"))
    chosen = parser.parse_args()
    console = Console()
    report = run_settlement_benchmark(
        chosen.directory, entries=chosen.entries, recipients=chosen.recipients, cadence=chosen.cadence, console=console
    )
    show(report, console)
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
