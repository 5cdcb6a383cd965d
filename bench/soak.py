"""How much memory the processes take over many callbacks: ingress, worker and settle, watched while they work."""

import asyncio
import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psutil
from sqlalchemy import text

from bench.ground import Ground, add_payments
from bench.http_load import Connection, close_connections, open_connections
from bench.latency_under_load import NO_LIMIT, request_of
from bench.machine import describe_machine
from bench.steps import Steps
from bench.workload import CALLBACKS_PER_PAYMENT, BenchPayment, make_callback
from devstack.application import Application, running_processes, variables_of
from devstack.errors import StackFailed
from devstack.ports import free_port
from devstack.stack import Stack
from storage.unit_of_work import Database

PAYMENTS_AT_ONCE = 1_000
CONNECTIONS = 32
LAG_ALLOWED = 4_000
"""So many callbacks may wait on the topics; then the sender waits for the worker."""
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 120.0
MEGABYTE = 1_000_000


@dataclass(slots=True)
class _Watch:
    """Resident memory of each process by callbacks applied."""

    processes: Mapping[str, psutil.Process]
    samples: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    outbox_megabytes: float = 0.0

    def look(self, applied: int, outbox_bytes: int) -> None:
        self.outbox_megabytes = max(self.outbox_megabytes, round(outbox_bytes / MEGABYTE, 1))
        for name, process in self.processes.items():
            resident = process.memory_info().rss / MEGABYTE
            self.samples.setdefault(name, []).append((applied, round(resident, 1)))

    def largest(self) -> str:
        return max(self.samples, key=lambda name: max(resident for _, resident in self.samples[name]))


async def measure_memory(stack: Stack, steps: Steps, *, callbacks: int) -> dict[str, Any]:
    """Send so many callbacks through the real ingress, as fast as the worker applies them; returns the figures."""
    secret = f"whsec_{secrets.token_hex(16)}"
    ground, machine, port = Ground(stack, secret), describe_machine(stack), free_port()
    await ground.prepare_with((), datetime.now(UTC))
    async with ground.fresh() as settings:
        variables = variables_of(settings) | NO_LIMIT
        database = Database(settings.database_url, pool_size=2)
        try:
            with (
                steps.step(f"{callbacks:,} callbacks through ingress, worker and settle"),
                steps.counting(callbacks) as show,
                running_processes(stack.directory / "logs", variables, ingress_port=port) as application,
            ):
                watch = _Watch({name: psutil.Process(each.pid) for name, each in application.processes.items()})
                soak = _Soak(database, application, watch, secret)
                connections = await open_connections(port, CONNECTIONS)
                for first in range(0, callbacks, PAYMENTS_AT_ONCE * CALLBACKS_PER_PAYMENT):
                    await soak.send(connections)
                    show(first)
                await soak.wait_for(lag=0)
                close_connections(connections)
        finally:
            await database.close()
    return _figures(watch) | {"callbacks": soak.sent, "machine": machine}


class _Soak:
    def __init__(self, database: Database, application: Application, watch: _Watch, secret: str) -> None:
        self.sent = 0
        self._database = database
        self._application = application
        self._watch = watch
        self._secret = secret
        self._payments = itertools.count()

    async def send(self, connections: list[Connection]) -> None:
        """Post the callbacks of some new payments, then wait until the worker is not far behind."""
        now = datetime.now(UTC)
        payments = [BenchPayment(number) for number in itertools.islice(self._payments, PAYMENTS_AT_ONCE)]
        await add_payments(self._database, payments, now)
        made = [
            make_callback(payment, status, self._secret, now)
            for status in ("processing", "succeeded")
            for payment in payments
        ]
        waiting = iter(made)

        async def post(connection: Connection) -> None:
            for callback in waiting:
                await connection.ask(request_of(callback))

        await asyncio.gather(*map(post, connections))
        self.sent += len(made)
        await self.wait_for(lag=LAG_ALLOWED)

    async def wait_for(self, *, lag: int) -> None:
        """Wait until no more than so many callbacks are not applied. Raises StackFailed when that does not come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                applied, outbox_bytes = await self._progress()
                self._watch.look(applied, outbox_bytes)
                if self.sent - applied <= lag:
                    return
                stopped = [name for name, process in self._application.processes.items() if not process.is_running]
                if stopped:
                    raise StackFailed(f"{', '.join(stopped)} stopped in the middle")
                await asyncio.sleep(POLL_SECONDS)

    async def _progress(self) -> tuple[int, int]:
        """How many callbacks are applied, and how much disk the outbox takes with what was deleted from it."""
        query = text("select count(*) as applied, pg_total_relation_size('outbox') as outbox_bytes from inbox")
        async with self._database.transaction() as transaction:
            row = (await transaction.connection.execute(query)).one()
        return int(row.applied), int(row.outbox_bytes)


def _figures(watch: _Watch) -> dict[str, Any]:
    largest = watch.samples[watch.largest()]
    middle = largest[len(largest) // 2][1]
    return {
        "bench": "memory",
        "peak_memory_mb": max(resident for _, resident in largest),
        "growth_mb_in_last_half": round(largest[-1][1] - middle, 1),
        "largest_process": watch.largest(),
        "outbox_peak_mb": watch.outbox_megabytes,
        "peak_memory_mb_by_process": {
            name: max(resident for _, resident in samples) for name, samples in watch.samples.items()
        },
        "charts": [
            {
                "kind": "lines",
                "title": "Resident memory over callbacks applied",
                "x": "callbacks applied",
                "y": "megabytes",
                "lines": {name: _thinned(samples) for name, samples in watch.samples.items()},
            }
        ],
    }


def _thinned(samples: list[tuple[int, float]]) -> list[list[float]]:
    step = max(1, len(samples) // 60)
    return [[applied, resident] for applied, resident in samples[::step]]
