"""The worker: verify, apply, commands, reconciliation and the relay in one process. It holds no tables."""

from collections.abc import Awaitable, Callable
from typing import Any

from agents.app import add_agent, build_app, run_app
from agents.apply import ApplyAgent
from agents.batches import batches
from agents.commands import CommandsAgent
from agents.guard import Process
from agents.periodic import periodically
from agents.probes import add_probes
from agents.reconcile import add_reconciliation
from agents.records import records_of
from agents.relay import Relay
from agents.runtime import Runtime
from agents.verify import VerifyAgent
from bootstrap.garbage_collection import tune_garbage_collection
from bootstrap.settings import Settings
from connectors.registry import load_entry_points
from services.commands.runner import CommandRunner
from topics.catalog import COMMANDS, GATEWAY_EVENTS, RAW_WEBHOOKS
from topics.spec import TopicSpec

APP_ID = "paystream-worker"
COMMANDS_IN_HAND = 4
"""How many commands an agent takes at once, for each call that may be under way to one gateway."""


def build_worker(runtime: Runtime, *, with_relay: bool = True) -> Any:
    """Build the worker's Faust app. Names are given, so that moving a file never moves a consumer group."""
    app = build_app(APP_ID, runtime.settings.kafka)
    batch_size, lanes = runtime.settings.worker.batch_size, runtime.settings.worker.apply_lanes
    _add_batch_agent(app, runtime, RAW_WEBHOOKS, "verify", _build_verify, batch_size)
    _add_batch_agent(app, runtime, GATEWAY_EVENTS, "apply", _build_apply, batch_size * lanes)
    # A rebalance waits until the commands in hand have ended, each of which may wait for a gateway.
    in_hand = COMMANDS_IN_HAND * runtime.settings.worker.commands_per_gateway
    _add_batch_agent(app, runtime, COMMANDS, "commands", _build_commands, in_hand)
    add_reconciliation(app, runtime)
    periodically(app, "credential-changes", 0.0, runtime.follow_credentials)
    if with_relay:

        async def relay() -> None:
            await Relay(runtime.database, await runtime.producer(), runtime.settings.kafka).run()

        periodically(app, "relay", 0.0, relay)
    return app


def _add_batch_agent(
    app: Any, runtime: Runtime, source: TopicSpec, name: str, build: Callable[[Runtime], Awaitable[Process]], size: int
) -> None:
    async def run(stream: Any) -> None:
        process = await build(runtime)
        async for events in batches(stream, size, runtime.settings.worker.batch_wait_seconds):
            await process(records_of(events))

    add_agent(app, runtime.settings.kafka, source, name, run)


async def _build_verify(runtime: Runtime) -> Process:
    guard = await runtime.guard("verify", RAW_WEBHOOKS)
    agent = VerifyAgent(runtime.gateways, await runtime.producer(), runtime.settings.kafka)
    return lambda records: guard.run(records, agent.process)


async def _build_apply(runtime: Runtime) -> Process:
    guard = await runtime.guard("apply", GATEWAY_EVENTS)
    worker = runtime.settings.worker
    agent = ApplyAgent(runtime.database, runtime.clock, batch_size=worker.batch_size, lanes=worker.apply_lanes)
    return lambda records: guard.run(records, agent.process)


async def _build_commands(runtime: Runtime) -> Process:
    guard = await runtime.guard("commands", COMMANDS)
    runner = CommandRunner(runtime.database, runtime.gateways, runtime.clock)
    return CommandsAgent(runner, guard, per_gateway=runtime.settings.worker.commands_per_gateway).run


def run_worker(settings: Settings, *, with_relay: bool = True) -> None:
    """Run the worker until it is told to stop."""
    load_entry_points()
    runtime = Runtime(settings, "worker")
    app = build_worker(runtime, with_relay=with_relay)
    add_probes(app, runtime, APP_ID, (RAW_WEBHOOKS, GATEWAY_EVENTS, COMMANDS))
    run_app(app)


async def run_relay(settings: Settings) -> None:
    """Run the relay alone, until cancelled."""
    tune_garbage_collection()
    runtime = Runtime(settings, "relay")
    try:
        await Relay(runtime.database, await runtime.producer(), settings.kafka).run()
    finally:
        await runtime.close()
