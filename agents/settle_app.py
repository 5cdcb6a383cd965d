"""The settle app: the only one with a table, so that no agent that decides about money shares a consumer with it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from agents.app import add_agent, build_app, run_app
from agents.batches import batches
from agents.guard import Process
from agents.metrics import WINDOWS_CLOSED
from agents.periodic import periodically
from agents.probes import add_probes
from agents.records import records_of
from agents.runtime import Runtime
from agents.settle import SettleAgent, TotalsView
from agents.window_comparison import WindowComparison
from bootstrap.settings import Settings
from bootstrap.wiring import build_settlement_rules
from services.settle import SettlementRules, catch_up, close_windows, load_windows
from topics.catalog import SETTLE_APP_ID, SETTLEMENT_ENTRIES, SETTLEMENT_TABLE

_log = structlog.get_logger(__name__)


def build_settle_app(runtime: Runtime) -> Any:
    """Build the settle app: counting, the live view and its comparison, and the closing of windows."""
    settings = runtime.settings.settlement
    rules = build_settlement_rules(settings)
    app = build_app(SETTLE_APP_ID, runtime.settings.kafka)
    live = _LiveTotals(app, runtime, rules)

    async def build_settle() -> Process:
        return SettleAgent(runtime.database, rules, runtime.clock).process

    async def build_totals() -> Process:
        return (await live.view()).process

    _add_batch_agent(app, runtime, "settle", build_settle)
    _add_batch_agent(app, runtime, "totals", build_totals)

    async def close() -> None:
        await _close(runtime, rules)
        await live.compare()

    periodically(app, "close-windows", settings.close_interval_seconds, close)
    return app


def run_settle(settings: Settings) -> None:
    """Run the settle app until it is told to stop."""
    runtime = Runtime(settings, "settle")
    app = build_settle_app(runtime)
    add_probes(app, runtime, SETTLE_APP_ID, (SETTLEMENT_ENTRIES,))
    run_app(app)


class _LiveTotals:
    """The view on Faust's table and its comparison, built inside the event loop at the first use."""

    def __init__(self, app: Any, runtime: Runtime, rules: SettlementRules) -> None:
        self._app = app
        self._runtime = runtime
        self._rules = rules
        self._table = app.Table(SETTLEMENT_TABLE, default=None, partitions=SETTLEMENT_ENTRIES.partitions)
        self._topic = runtime.settings.kafka.topic(SETTLEMENT_ENTRIES)
        self._building = asyncio.Lock()
        self._view: TotalsView | None = None
        self._comparison: WindowComparison | None = None

    async def view(self) -> TotalsView:
        """The view; Faust has recovered the table by the time that a stream brings its first record."""
        async with self._building:
            if self._view is None:
                runtime = self._runtime
                producer, windows = await runtime.producer(), await load_windows(runtime.database, self._rules)
                self._view = TotalsView(self._table.data, producer, runtime.settings.kafka, windows, runtime.clock)
            return self._view

    async def compare(self) -> None:
        """Compare the view with PostgreSQL."""
        if self._comparison is None:
            runtime, view = self._runtime, await self.view()
            self._comparison = WindowComparison(
                runtime.database, view, runtime.settings.kafka, self._rules, runtime.clock, self._owned
            )
        await self._comparison.run()

    def _owned(self) -> frozenset[int]:
        """The partitions this process has; none while they are being assigned or their table recovered."""
        if self._app.rebalancing or not self._app.tables.actives_ready:
            return frozenset()
        return frozenset(each.partition for each in self._app.consumer.assignment() if each.topic == self._topic)


def _add_batch_agent(app: Any, runtime: Runtime, name: str, build: Callable[[], Awaitable[Process]]) -> None:
    size, wait_seconds = runtime.settings.worker.batch_size, runtime.settings.settlement.batch_wait_seconds

    async def run(stream: Any) -> None:
        guard, process = await runtime.guard(name, SETTLEMENT_ENTRIES), await build()
        async for events in batches(stream, size, wait_seconds):
            await guard.run(records_of(events), process)

    add_agent(app, runtime.settings.kafka, SETTLEMENT_ENTRIES, name, run)


async def _close(runtime: Runtime, rules: SettlementRules) -> None:
    if missed := await catch_up(runtime.database, rules, runtime.clock()):
        _log.warning("entries the stream did not bring were counted", entries=missed)
    for window in await close_windows(runtime.database, rules, runtime.clock()):
        WINDOWS_CLOSED.labels(verdict="carried" if window.payout_batch_id is None else "paid").inc()
