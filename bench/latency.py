"""Latency at idle: one callback at a time through the real ingress, until a consumer holds its domain event."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer

from bench.pipeline_side import partitions_of
from bench.workload import BenchPayment, Workload, make_callback
from bootstrap.settings import Settings
from devstack.application import running_processes, variables_of
from devstack.errors import StackFailed
from topics.catalog import PAYMENT_EVENTS
from topics.message import header
from topics.webhooks import RawWebhook

WARM_UP = 5
PAUSE_SECONDS = 0.15
"""Longer than any batch waits, so that each callback finds the pipeline idle."""
PATIENCE_SECONDS = 60.0
EVENT_TYPE = "paystream.capture.succeeded"


async def measure_latency(
    settings: Settings, workload: Workload, secret: str, log_directory: Path, *, samples: int
) -> list[float]:
    """Return the milliseconds from sending each callback to receiving its capture's event."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers, fetch_max_wait_ms=500)
    await consumer.start()
    try:
        await partitions_of(consumer, settings.kafka, PAYMENT_EVENTS)
        with running_processes(log_directory, variables_of(settings)) as application:
            async with httpx.AsyncClient(base_url=application.ingress_url, timeout=PATIENCE_SECONDS) as http:
                taken = await _post_each(http, consumer, workload.payments[: WARM_UP + samples], secret)
    finally:
        await consumer.stop()
    return taken[WARM_UP:]


async def _post_each(
    http: httpx.AsyncClient, consumer: AIOKafkaConsumer, payments: Sequence[BenchPayment], secret: str
) -> list[float]:
    taken = []
    for payment in payments:
        callback = make_callback(payment, "succeeded", secret, datetime.now(UTC))
        started = time.perf_counter()
        await _post(http, callback)
        await _event_of(consumer, payment)
        taken.append((time.perf_counter() - started) * 1_000)
        await asyncio.sleep(PAUSE_SECONDS)
    return taken


async def _post(http: httpx.AsyncClient, callback: RawWebhook) -> None:
    headers = {name: value for name, value in callback.http_headers if name != "host"}
    response = await http.post(callback.path, content=callback.body, headers=headers)
    if not response.is_success:
        raise StackFailed(f"the ingress answered {response.status_code} to a callback of the benchmark")


async def _event_of(consumer: AIOKafkaConsumer, payment: BenchPayment) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for record in consumer:
            if record.key == payment.id.encode() and header(record.headers, "ce_type") == EVENT_TYPE:
                return
