"""What a second worker process adds: callbacks a second of two beside one, and the processor time of a callback."""

import asyncio
import secrets
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from aiokafka import AIOKafkaConsumer

from bench.ground import Ground
from bench.http_load import processor_seconds
from bench.machine import describe_machine
from bench.pipeline_side import fill_raw_topic, partitions_of
from bench.steps import Steps
from bench.workload import EVENTS_PER_PAYMENT, Workload, make_workload
from bootstrap.settings import Settings
from devstack.application import variables_of
from devstack.errors import StackFailed
from devstack.processes import ManagedProcess
from devstack.stack import Stack
from topics.catalog import PAYMENT_EVENTS

WARM_UP_CALLBACKS = 1_000
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class _Run:
    per_second: float
    processor_microseconds: float


async def measure_scaling(stack: Stack, steps: Steps, *, callbacks: int, repeats: int) -> dict[str, Any]:
    """Let one worker process, and then two, take in so many callbacks; returns the figures."""
    secret = f"whsec_{secrets.token_hex(16)}"
    workload = make_workload(WARM_UP_CALLBACKS + callbacks, secret)
    ground, machine = Ground(stack, secret), describe_machine(stack)
    with steps.step("filling a database with payments"):
        await ground.prepare(workload)
    runs: dict[int, list[_Run]] = {1: [], 2: []}
    for repeat in range(1, repeats + 1):
        for workers, measured in runs.items():
            with steps.step(f"worker processes: {workers}, repeat {repeat} of {repeats}"):
                async with ground.fresh() as settings:
                    measured.append(await _run(settings, workload, workers, stack.directory / "logs"))
    return _figures(runs) | {"callbacks": callbacks, "repeats": repeats, "machine": machine}


async def _run(settings: Settings, workload: Workload, workers: int, logs: Path) -> _Run:
    started = [ManagedProcess(f"worker-{number}") for number in range(workers)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers)
    await consumer.start()
    try:
        for worker in started:
            command = [sys.executable, "-m", "cli.main", "worker"]
            worker.start(command, logs / f"{worker.name}.log", variables_of(settings))
        first, rest = workload.callbacks[:WARM_UP_CALLBACKS], workload.callbacks[WARM_UP_CALLBACKS:]
        await fill_raw_topic(settings.kafka, first)
        await _until_quiet(consumer, settings, started)
        processes = [psutil.Process(worker.pid) for worker in started]
        used = sum(map(processor_seconds, processes))
        began = time.perf_counter()
        await fill_raw_topic(settings.kafka, rest)
        await _until_events(consumer, settings, started, len(workload.payments) * EVENTS_PER_PAYMENT)
        seconds = time.perf_counter() - began
        used = sum(map(processor_seconds, processes)) - used
    finally:
        await consumer.stop()
        for worker in started:
            worker.stop()
    return _Run(len(rest) / seconds, used / len(rest) * 1e6)


async def _until_quiet(consumer: AIOKafkaConsumer, settings: Settings, workers: Sequence[ManagedProcess]) -> None:
    """Wait until the warm-up's events are there and no more come: by then every process has its partitions."""
    seen, quiet_since = -1, time.monotonic()
    partitions = await partitions_of(consumer, settings.kafka, PAYMENT_EVENTS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while seen <= 0 or time.monotonic() < quiet_since + 3.0:
        _require_running(workers, deadline)
        count = sum((await consumer.end_offsets(partitions)).values())
        if count != seen:
            seen, quiet_since = count, time.monotonic()
        await asyncio.sleep(POLL_SECONDS)


async def _until_events(
    consumer: AIOKafkaConsumer, settings: Settings, workers: Sequence[ManagedProcess], expected: int
) -> None:
    partitions = await partitions_of(consumer, settings.kafka, PAYMENT_EVENTS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum((await consumer.end_offsets(partitions)).values()) < expected:
        _require_running(workers, deadline)
        await asyncio.sleep(POLL_SECONDS)


def _require_running(workers: Sequence[ManagedProcess], deadline: float) -> None:
    for worker in workers:
        if not worker.is_running or time.monotonic() > deadline:
            raise StackFailed(f"{worker.name} did not get through:\n{worker.log_tail()}")


def _figures(runs: dict[int, list[_Run]]) -> dict[str, Any]:
    rate = {workers: statistics.median(run.per_second for run in of) for workers, of in runs.items()}
    cost = {workers: statistics.median(run.processor_microseconds for run in of) for workers, of in runs.items()}
    return {
        "bench": "scaling",
        "ratio_two_to_one": round(rate[2] / rate[1], 3),
        "ratio_two_to_one_by_cpu": round(2 * cost[1] / cost[2], 3),
        "one_per_second": round(rate[1], 1),
        "two_per_second": round(rate[2], 1),
        "one_cpu_us": round(cost[1], 1),
        "two_cpu_us": round(cost[2], 1),
        "charts": [
            {
                "kind": "bars",
                "title": "Callbacks a second by worker processes",
                "bars": [["one process", round(rate[1])], ["two processes", round(rate[2])]],
            }
        ],
    }
