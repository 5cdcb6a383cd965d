"""Kills a working worker again and again with SIGKILL, then audits: is anything lost, or done twice?

    python -m bench.faust.kills --callbacks 20000 --kills 20

The kills fall at random moments while batches are under way. Exit code 1 when the audit does not hold.
"""

import argparse
import asyncio
import logging
import random
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import uvloop
from sqlalchemy import text

from bench.ground import Ground
from bench.pipeline_side import fill_raw_topic
from bench.workload import Workload, make_workload
from bootstrap.settings import Settings
from devstack.application import Application, running_processes, variables_of
from devstack.errors import StackFailed
from devstack.stack import Stack, announce_on_stderr, running_stack
from services.audit.report import AuditReport
from services.audit.run import audit
from storage.unit_of_work import Database

REPEATED_EVERY = 40
"""One in so many callbacks lies on the raw topic twice, as gateways send them."""
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 600.0
_COUNTS = (
    "select (select count(*) from inbox), (select count(*) from outbox),"
    " (select count(*) from settlement_entries where not counted)"
)


class Kills:
    """One run: callbacks on the raw topic, all processes up, kills spread over the work, and the audit at the end."""

    def __init__(self, workload: Workload, kills: int, seed: int, announce: Callable[[str], None]) -> None:
        self._workload = workload
        self._kills = kills
        self._random = random.Random(seed)  # noqa: S311 - moments to repeat, not secrets
        self._announce = announce

    async def run(self, settings: Settings, log_directory: Path) -> AuditReport:
        """Fill the raw topic, kill and restart the worker, wait until everything has come to rest, audit."""
        repeated = self._workload.callbacks[::REPEATED_EVERY]
        await fill_raw_topic(settings.kafka, [*self._workload.callbacks, *repeated])
        database = Database(settings.database_url, pool_size=2)
        try:
            with running_processes(log_directory, variables_of(settings)) as application:
                await self._kill_often(application, database)
                await self._wait_for_rest(application, database)
            kafka = settings.kafka
            return await audit(database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix)
        finally:
            await database.close()

    async def _kill_often(self, application: Application, database: Database) -> None:
        worker, total = application.processes["worker"], len(self._workload.callbacks)
        for number in range(1, self._kills + 1):
            reached = total * number // (self._kills + 2)
            await self._wait(application, database, partial(_has_facts, reached))
            await asyncio.sleep(self._random.uniform(0.0, 0.4))
            facts, waiting, _ = await _counts(database)
            worker.kill()
            self._announce(f"kill {number}: {facts:,} facts committed, {waiting:,} messages in the outbox")
            worker.restart()

    async def _wait_for_rest(self, application: Application, database: Database) -> None:
        total = len(self._workload.callbacks)
        await self._wait(application, database, lambda counts: counts == (total, 0, 0))

    async def _wait(
        self, application: Application, database: Database, holds: Callable[[tuple[int, int, int]], bool]
    ) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds(counts := await _counts(database)):
            if time.monotonic() > deadline:
                raise StackFailed(f"stalled at facts, outbox, uncounted entries: {counts}")
            if stopped := application.restart_stopped():
                self._announce(f"stopped by itself and started again: {', '.join(stopped)}")
            await asyncio.sleep(POLL_SECONDS)


def _has_facts(reached: int, counts: tuple[int, int, int]) -> bool:
    return counts[0] >= reached


async def _counts(database: Database) -> tuple[int, int, int]:
    async with database.transaction() as transaction:
        facts, waiting, uncounted = (await transaction.connection.execute(text(_COUNTS))).one()
    return facts, waiting, uncounted


async def _run_on(stack: Stack, callbacks: int, kills: int, seed: int) -> AuditReport:
    secret = f"whsec_{secrets.token_hex(16)}"
    workload = make_workload(callbacks, secret)
    ground = Ground(stack, secret)
    await ground.prepare(workload)
    async with ground.fresh() as settings:
        return await Kills(workload, kills, seed, announce_on_stderr).run(settings, stack.directory / "logs")


def main() -> int:
    """Run once and print the audit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callbacks", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=Path(".paystream/kills"))
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    started = time.monotonic()
    with running_stack(arguments.directory) as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(_run_on(stack, arguments.callbacks, arguments.kills, arguments.seed))
    print(report.to_json())
    print(f"{arguments.kills} kills, {arguments.callbacks:,} callbacks, {time.monotonic() - started:.0f} s:", end=" ")
    print("every invariant holds." if report.holds else "NOT every invariant holds.")
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
