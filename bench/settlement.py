"""How long counting entries into windows takes, and closing the windows into payout batches; and how much memory.

    python -m bench.settlement --entries 1000000 --recipients 1000

The entries are those of a day, in hourly windows. Afterwards the audit's checks of settlement run over all of it. Exit
code 1 when one does not hold.
"""

import argparse
import asyncio
import resource
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text

from devstack.databases import create_database_async, database_url, drop_database_async
from devstack.stack import Stack, running_stack
from domain.schedule import Cadence, Schedule
from services.accounts import create_account
from services.audit.report import CheckResult
from services.audit.schedule_check import check_schedules
from services.audit.settlement_checks import SETTLEMENT_CHECKS
from services.audit.table_checks import run_table_check
from services.settle import SettlementRules, catch_up, close_windows
from services.settlement_rules import set_schedule
from storage.accounts import Account
from storage.migrate import migrate
from storage.unit_of_work import Database

ACCOUNT = "bench"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
NOW = DAY + timedelta(days=2)
ENTRIES_PER_PAYMENT = 2
RULES = SettlementRules(window_seconds=3_600, grace_seconds=0, auto_approve_threshold_minor=0, catch_up_after_seconds=0)

_PAYMENTS = """
    insert into payments (id, account, gateway, resource_type, resource_id, amount_minor, currency, splits,
        fee_basis_points, fee_fixed_minor, status, created_at, updated_at)
    select 'p' || number, :account, 'stripe', 'order', 'o' || number, 1000, 'USD', '[]', 290, 30, 'completed',
        :day, :day from generate_series(1, :payments) as number
"""
_ENTRIES = """
    insert into settlement_entries (id, account, recipient_type, recipient_id, currency, payment_id, gateway, cause,
        gross_minor, fee_minor, net_minor, occurred_at, recorded_at)
    select gen_random_uuid(), :account, 'partner', 'r' || number % :recipients, 'USD',
        'p' || 1 + number % :payments, 'stripe', case when number % 10 = 0 then 'refund' else 'capture' end,
        case when number % 10 = 0 then -500 else 1000 end, case when number % 10 = 0 then 0 else 59 end,
        case when number % 10 = 0 then -500 else 941 end,
        :day + number * interval '1 day' / :entries, :day from generate_series(0, :entries - 1) as number
"""

Result = TypeVar("Result")


async def _fill(database: Database, entries: int, recipients: int) -> None:
    await create_account(database, Account(ACCOUNT, ACCOUNT, 290, 30))
    hourly = Schedule(cadence=Cadence.HOURLY, time_zone="Europe/Berlin")
    await set_schedule(database, ACCOUNT, hourly, grace_seconds=None, actor="bench", now=NOW)
    values = {"account": ACCOUNT, "day": DAY, "entries": entries, "recipients": recipients}
    payments = {"payments": max(1, entries // ENTRIES_PER_PAYMENT)}
    async with database.transaction() as transaction:
        await transaction.connection.execute(text(_PAYMENTS), {**values, **payments})
        await transaction.connection.execute(text(_ENTRIES), {**values, **payments})
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("vacuum analyze settlement_entries, payments"))


async def _timed(what: str, work: Callable[[], Awaitable[Result]]) -> tuple[Result, float]:
    started = time.monotonic()
    result = await work()
    seconds = time.monotonic() - started
    print(f"{what:<28} {seconds:8.1f} s   {_peak_mebibytes():6.0f} MiB at most")
    return result, seconds


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


async def _check(database: Database) -> list[CheckResult]:
    async with database.snapshot() as transaction:
        results = [await run_table_check(transaction.connection, check) for check in SETTLEMENT_CHECKS]
        return [*results, await check_schedules(transaction.connection)]


async def _run_on(stack: Stack, entries: int, recipients: int) -> bool:
    name = f"bench_{secrets.token_hex(4)}"
    await create_database_async(stack.database_url, name)
    url = database_url(stack.database_url, name)
    await migrate(url)
    database = Database(url, pool_size=2)
    try:
        await _timed("fill", lambda: _fill(database, entries, recipients))
        counted, seconds = await _timed("count", lambda: catch_up(database, RULES, NOW))
        print(f"{'':<28} {counted / seconds:8,.0f} entries per second")
        closed, seconds = await _timed("close", lambda: close_windows(database, RULES, NOW))
        batches = sum(window.payout_batch_id is not None for window in closed)
        print(f"{'':<28} {entries / seconds:8,.0f} entries per second, {len(closed):,} windows, {batches:,} batches")
        results, _ = await _timed("audit", lambda: _check(database))
    finally:
        await database.close()
        await drop_database_async(stack.database_url, name)
    for result in results:
        print(f"{result.name:<28} {'holds' if result.holds else 'DOES NOT HOLD'} ({result.examined:,} examined)")
    return all(result.holds for result in results)


def main() -> int:
    """Run once and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--recipients", type=int, default=1_000)
    parser.add_argument("--directory", type=Path, default=Path(".paystream/settlement"))
    arguments = parser.parse_args()
    with running_stack(arguments.directory) as stack:
        return 0 if asyncio.run(_run_on(stack, arguments.entries, arguments.recipients)) else 1


if __name__ == "__main__":
    sys.exit(main())
