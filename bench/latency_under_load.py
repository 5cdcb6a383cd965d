"""How long a callback takes to become a domain event while others come at a steady rate, a part of the peak."""

import asyncio
import secrets
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer

from bench.ground import Ground
from bench.http_load import Connection, close_connections, open_connections, send_on_time
from bench.latency import EVENT_TYPE, PATIENCE_SECONDS, measure_latency
from bench.machine import describe_machine
from bench.pipeline_side import fill_raw_topic, partitions_of, run_pipeline
from bench.steps import Steps
from bench.workload import BenchPayment, Workload, make_callback, make_workload
from bootstrap.settings import Settings
from devstack.application import running_processes, variables_of
from devstack.ports import free_port
from devstack.stack import Stack
from topics.catalog import PAYMENT_EVENTS
from topics.message import header
from topics.webhooks import RawWebhook

PART_OF_PEAK = 0.3
WARM_UP_PART = 5
"""One in so many of the callbacks comes first, at the same rate, and is not counted. The rest waits for its events."""
CONNECTIONS = 32
IDLE_SAMPLES = 50
NO_LIMIT = {"PAYSTREAM_INGRESS__RATE_LIMIT_PER_SECOND": "1e9", "PAYSTREAM_INGRESS__RATE_LIMIT_BURST": "1000000000"}
POINTS = (1, 5, 10, 25, 50, 75, 90, 95, 99)


async def measure_latency_under_load(
    stack: Stack, steps: Steps, *, callbacks: int, per_second: float | None
) -> dict[str, Any]:
    """Find the pipeline's peak unless a rate is given, and send so many at 30 % of it; returns the figures."""
    secret = f"whsec_{secrets.token_hex(16)}"
    workload = make_workload(2 * callbacks, secret)
    ground, logs, machine = Ground(stack, secret), stack.directory / "logs", describe_machine(stack)
    with steps.step("filling a database with payments"):
        await ground.prepare(workload)
    peak = None
    if per_second is None:
        with steps.step("finding the pipeline's peak"):
            peak = await _peak(ground, workload, logs)
        per_second = peak * PART_OF_PEAK
    with steps.step(f"{callbacks:,} callbacks, {per_second:,.0f} a second"):
        async with ground.fresh() as settings:
            loaded = await _at_rate(settings, workload.payments[:callbacks], secret, logs, per_second)
    with steps.step(f"{IDLE_SAMPLES} callbacks, one at a time"):
        async with ground.fresh() as settings:
            idle = await measure_latency(settings, workload, secret, logs, samples=IDLE_SAMPLES)
    return _figures(loaded, idle, per_second, peak) | {"callbacks": callbacks, "machine": machine}


async def _peak(ground: Ground, workload: Workload, logs: Path) -> float:
    async with ground.fresh() as settings:
        await fill_raw_topic(settings.kafka, workload.callbacks)
        run = await run_pipeline(settings, workload, logs / "worker.log", {})
    return len(workload.callbacks) / run.to_events_seconds


async def _at_rate(
    settings: Settings, payments: Sequence[BenchPayment], secret: str, logs: Path, per_second: float
) -> list[float]:
    """Return the milliseconds from when each callback was due to when a consumer had its capture's event."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers, fetch_max_wait_ms=500)
    await consumer.start()
    try:
        await partitions_of(consumer, settings.kafka, PAYMENT_EVENTS)
        port = free_port()
        with running_processes(logs, variables_of(settings) | NO_LIMIT, ingress_port=port):
            connections = await open_connections(port, CONNECTIONS)
            warming = len(payments) // WARM_UP_PART
            # Whoever comes while the worker starts waits for that, and so does everybody behind.
            await _pay(consumer, connections, payments[:warming], secret, per_second)
            taken = await _pay(consumer, connections, payments[warming:], secret, per_second)
            close_connections(connections)
    finally:
        await consumer.stop()
    return taken


async def _pay(
    consumer: AIOKafkaConsumer,
    connections: Sequence[Connection],
    payments: Sequence[BenchPayment],
    secret: str,
    per_second: float,
) -> list[float]:
    """Have the payments' callbacks come at their times; returns the milliseconds until their events, once all came."""
    sending = [request_of(make_callback(each, "succeeded", secret, datetime.now(UTC))) for each in payments]
    reading = asyncio.create_task(_arrivals(consumer, len(payments)))
    started = time.perf_counter()
    await send_on_time(connections, sending, per_second)
    async with asyncio.timeout(PATIENCE_SECONDS):
        arrived = await reading
    return [(arrived[payment.id] - started - number / per_second) * 1e3 for number, payment in enumerate(payments)]


async def _arrivals(consumer: AIOKafkaConsumer, expected: int) -> dict[str, float]:
    """When the capture's event of each payment arrived."""
    arrived: dict[str, float] = {}
    async for record in consumer:
        if header(record.headers, "ce_type") == EVENT_TYPE:
            arrived.setdefault(record.key.decode(), time.perf_counter())
            if len(arrived) == expected:
                break
    return arrived


def request_of(callback: RawWebhook) -> bytes:
    """The HTTP request that a gateway would send."""
    head = "".join(f"{name}: {value}\r\n" for name, value in callback.http_headers)
    head = f"POST {callback.path} HTTP/1.1\r\n{head}content-length: {len(callback.body)}\r\n\r\n"
    return head.encode() + callback.body


def _figures(loaded: Sequence[float], idle: Sequence[float], per_second: float, peak: float | None) -> dict[str, Any]:
    cuts = statistics.quantiles(loaded, n=100, method="inclusive")
    idle_cuts = statistics.quantiles(idle, n=100, method="inclusive")
    found = {} if peak is None else {"peak_per_second": round(peak, 1)}
    return {
        "bench": "latency",
        "p50_ms": round(cuts[49], 1),
        "p90_ms": round(cuts[89], 1),
        "p99_ms": round(cuts[98], 1),
        "idle_p50_ms": round(idle_cuts[49], 1),
        "idle_p99_ms": round(idle_cuts[98], 1),
        "rate_per_second": round(per_second, 1),
        **found,
        "charts": [
            {
                "kind": "lines",
                "title": f"From callback to domain event at {per_second:,.0f} callbacks a second",
                "x": "percent of callbacks",
                "y": "milliseconds at most",
                "lines": {
                    "under load": [[point, round(cuts[point - 1], 1)] for point in POINTS],
                    "idle": [[point, round(idle_cuts[point - 1], 1)] for point in POINTS],
                },
            }
        ],
    }
