"""What applying a callback costs while the tables grow: the real batch transaction at each size, by processor time."""

import secrets
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
from sqlalchemy import text

from bench.ground import Ground, add_payments
from bench.http_load import processor_seconds
from bench.machine import describe_machine
from bench.multiplication import add_copies, keep_originals, settle_down
from bench.steps import Steps
from bench.workload import BenchPayment, make_callback
from bootstrap.wiring import build_gateways
from devstack.errors import StackFailed
from devstack.stack import Stack
from domain.errors import PaystreamError
from services.apply_events import ReceivedFact, apply_events
from services.gateways import Gateways
from services.verify_webhooks import verify_webhook
from storage.unit_of_work import Database

ORIGINALS = 1_000
"""So many payments go the real way and are then multiplied."""

SAMPLE_PAYMENTS = 500
"""Payments of one measurement; each gets two callbacks, which makes two batches."""

WARM_UPS = 2
BATCH = 500


@dataclass(frozen=True, slots=True)
class _Cost:
    """Microseconds for a callback: of our processor, of PostgreSQL's, and on the clock."""

    ours: float
    database: float
    wall: float

    @property
    def processor(self) -> float:
        return self.ours + self.database


async def measure_growth(
    stack: Stack,
    steps: Steps,
    *,
    sizes: Sequence[int],
    repeats: int,
    originals: int = ORIGINALS,
    sample: int = SAMPLE_PAYMENTS,
) -> dict[str, Any]:
    """Measure at each number of stored payments, smallest first; returns the figures.

    The database needs about ten kilobytes of disk for each payment, the audit log included.
    """
    secret = f"whsec_{secrets.token_hex(16)}"
    machine = describe_machine(stack)
    ground = Ground(stack, secret)
    await ground.prepare_with((), datetime.now(UTC))
    async with ground.fresh() as settings:
        database = Database(settings.database_url, pool_size=1)
        try:
            samples = _Samples(database, build_gateways(settings, database), secret, sample)
            costs = await _measure_sizes(samples, steps, sorted(sizes), repeats, originals)
            stored = await _bytes_stored(database)
        finally:
            await database.close()
    return _figures(costs, stored) | {"repeats": repeats, "machine": machine}


async def _measure_sizes(
    samples: "_Samples", steps: Steps, sizes: Sequence[int], repeats: int, originals: int
) -> dict[int, list[_Cost]]:
    with steps.step(f"{originals:,} payments the real way"):
        await samples.apply(originals)
        await samples.count_entries()
        await keep_originals(samples.database)
    copies, costs = 1, {}
    for size in sizes:
        wanted = max(copies, size // originals)
        with steps.step(f"filling up to {size:,} payments"), steps.counting(wanted) as show:
            await add_copies(samples.database, range(copies, wanted), show)
            await settle_down(samples.database)
        copies = wanted
        with steps.step(f"measuring at {size:,} payments"):
            measured = [await samples.measure() for _ in range(WARM_UPS + repeats)]
        costs[size] = measured[WARM_UPS:]
    return costs


class _Samples:
    """Makes payments with their callbacks, and applies these as a worker does."""

    def __init__(self, database: Database, gateways: Gateways, secret: str, sample: int) -> None:
        self.database = database
        self._gateways = gateways
        self._secret = secret
        self._sample = sample
        self._made = 0

    async def measure(self) -> _Cost:
        """Apply a sample; only the applying counts."""
        return await self.apply(self._sample)

    async def apply(self, payments: int) -> _Cost:
        """Add so many payments and apply both callbacks of each, in batches."""
        numbers = range(self._made, self._made + payments)
        self._made += payments
        made, now = [BenchPayment(number) for number in numbers], datetime.now(UTC)
        await add_payments(self.database, made, now)
        facts = [fact for status in ("processing", "succeeded") for fact in await self._facts(made, status, now)]
        backend = psutil.Process(await self._backend())
        ours, theirs, started = time.process_time(), processor_seconds(backend), time.perf_counter()
        for first in range(0, len(facts), BATCH):
            await apply_events(self.database, facts[first : first + BATCH], now)
        wall, ours = time.perf_counter() - started, time.process_time() - ours
        theirs = processor_seconds(backend) - theirs
        async with self.database.transaction() as transaction:
            await transaction.connection.execute(text("delete from outbox"))
        each = 1e6 / len(facts)
        return _Cost(ours * each, theirs * each, wall * each)

    async def count_entries(self) -> None:
        """Leave the entries as the settlement agent leaves them."""
        async with self.database.transaction() as transaction:
            counted = "update settlement_entries set counted = true, window_start = date_trunc('day', occurred_at)"
            await transaction.connection.execute(text(counted))

    async def _facts(self, payments: Sequence[BenchPayment], status: str, now: datetime) -> list[ReceivedFact]:
        facts = []
        for payment in payments:
            verdict = await verify_webhook(self._gateways, make_callback(payment, status, self._secret, now))
            if isinstance(verdict, PaystreamError):
                raise StackFailed(f"a callback of the benchmark was refused: {verdict.message}")
            facts += [ReceivedFact(fact=event.to_fact(), raw_partition=0, raw_offset=0) for event in verdict]
        return facts

    async def _backend(self) -> int:
        async with self.database.transaction() as transaction:
            return int((await transaction.connection.execute(text("select pg_backend_pid()"))).scalar_one())


async def _bytes_stored(database: Database) -> int:
    async with database.transaction() as transaction:
        query = text("select pg_database_size(current_database())")
        return int((await transaction.connection.execute(query)).scalar_one())


def _figures(costs: dict[int, list[_Cost]], stored: int) -> dict[str, Any]:
    sizes = list(costs)
    processor = {size: statistics.median(cost.processor for cost in of) for size, of in costs.items()}
    database = {size: statistics.median(cost.database for cost in of) for size, of in costs.items()}
    wall = {size: statistics.median(cost.wall for cost in of) for size, of in costs.items()}
    middle = (max(processor.values()) + min(processor.values())) / 2
    deviation = (max(processor.values()) - middle) / middle * 100
    return {
        "bench": "growth",
        "cost_deviation_percent": round(deviation, 1),
        "cost_ratio_largest_to_smallest": round(processor[sizes[-1]] / processor[sizes[0]], 3),
        "cost_us_by_payments": {str(size): round(cost, 1) for size, cost in processor.items()},
        "database_us_by_payments": {str(size): round(cost, 1) for size, cost in database.items()},
        "wall_us_by_payments": {str(size): round(cost, 1) for size, cost in wall.items()},
        "largest_payments": sizes[-1],
        "database_bytes": stored,
        "charts": [
            {
                "kind": "lines",
                "title": "What applying a callback costs as payments pile up",
                "x": "payments stored",
                "y": "µs of processor time for a callback",
                "lines": {
                    "all": [[size, round(cost, 1)] for size, cost in processor.items()],
                    "PostgreSQL": [[size, round(cost, 1)] for size, cost in database.items()],
                },
            }
        ],
    }
