"""The settle app: the only one with a table, so that no agent that decides about money shares a consumer with it."""

from typing import Any

import structlog
from prometheus_client import start_http_server

from agents.app import add_agent, build_app, run_app
from agents.metrics import WINDOWS_CLOSED
from agents.periodic import periodically
from agents.records import Record, records_of
from agents.runtime import Runtime
from agents.settle import SettleAgent, TotalsView, closed_totals, event_time
from bootstrap.settings import Settings
from bootstrap.wiring import build_settlement_rules
from services.settle import SettlementRules, catch_up, close_windows
from topics.catalog import SETTLE_APP_ID, SETTLEMENT_ENTRIES, SETTLEMENT_TABLE, SETTLEMENT_WINDOWS

KEPT_WINDOWS = 14
"""How many windows back the table keeps; PostgreSQL keeps them all."""

_log = structlog.get_logger(__name__)


def build_settle_app(runtime: Runtime) -> Any:
    """Build the settle app: counting, the live view, and the closing of windows."""
    kafka, settings = runtime.settings.kafka, runtime.settings.settlement
    rules = build_settlement_rules(settings)
    app = build_app(SETTLE_APP_ID, kafka)
    kept_seconds = KEPT_WINDOWS * settings.window_seconds + settings.grace_seconds
    table = app.Table(SETTLEMENT_TABLE, default=dict, partitions=SETTLEMENT_ENTRIES.partitions).tumbling(
        settings.window_seconds, expires=kept_seconds
    )
    table = table.relative_to(event_time)

    async def count(stream: Any) -> None:
        guard = await runtime.guard("settle", SETTLEMENT_ENTRIES)
        agent = SettleAgent(runtime.database, rules)
        batch_size, wait = runtime.settings.worker.batch_size, runtime.settings.worker.batch_wait_seconds
        async for events in stream.take_events(batch_size, within=wait):
            await guard.run(records_of(events), agent.process)

    async def show(stream: Any) -> None:
        guard = await runtime.guard("totals", SETTLEMENT_ENTRIES)
        view = await _view(runtime)

        async def take_in(record: Record) -> None:
            await view.take_in(table, record)

        async for event in stream.events():
            await guard.run_single(Record.of(event), take_in)

    add_agent(app, kafka, SETTLEMENT_ENTRIES, "settle", count)
    add_agent(app, kafka, SETTLEMENT_ENTRIES, "totals", show)

    async def close() -> None:
        await _close(runtime, rules, await _view(runtime))

    periodically(app, "close-windows", settings.close_interval_seconds, close)
    return app


def run_settle(settings: Settings) -> None:
    """Run the settle app until it is told to stop."""
    if settings.worker.metrics_port:
        start_http_server(settings.worker.metrics_port)
    run_app(build_settle_app(Runtime(settings, "settle")))


async def _view(runtime: Runtime) -> TotalsView:
    return TotalsView(
        await runtime.producer(),
        runtime.settings.kafka.topic(SETTLEMENT_WINDOWS),
        runtime.settings.settlement.window_seconds,
    )


async def _close(runtime: Runtime, rules: SettlementRules, view: TotalsView) -> None:
    if missed := await catch_up(runtime.database, rules, runtime.clock()):
        _log.warning("entries the stream did not bring were counted", entries=missed)
    for window in await close_windows(runtime.database, rules, runtime.clock()):
        WINDOWS_CLOSED.labels(verdict="paid" if window.net_minor > 0 else "carried").inc()
        await view.publish(closed_totals(window))
