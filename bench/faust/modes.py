"""Faust's ways of reading and forwarding, each in a process of its own: `python -m bench.faust.modes MODE PREFIX`.

Prints one JSON object and exits. `bench.faust.compare` runs the modes on an embedded broker and shows medians.
"""

import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faust.transport.consumer import Consumer

from agents import faust_patches
from agents.app import add_agent, build_app, run_app
from agents.periodic import periodically
from agents.records import Record, records_of
from bench.faust.source import RECORDS, SINK, SOURCE, Measured
from bootstrap.producer import build_producer
from bootstrap.settings import KafkaSettings, Settings

BATCH_SIZE = 500
SAMPLES = 30
Process = Callable[[Sequence[Record]], Awaitable[None]]


def finish(**figures: float) -> NoReturn:
    """Print the figures and leave without a shutdown, which is not what is measured."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    os._exit(0)


class Stopwatch:
    """Counts records from the first batch on and finishes with the speed after the last one."""

    def __init__(self) -> None:
        self._count = 0
        self._started = 0.0

    def begin(self) -> None:
        """Start with the first batch."""
        self._started = self._started or time.perf_counter()

    def count(self, records: int) -> None:
        """Take a batch as done."""
        self._count += records
        if self._count >= RECORDS:
            finish(per_second=RECORDS / (time.perf_counter() - self._started))


async def read_raw(kafka: KafkaSettings) -> None:
    """The limit: aiokafka's own consumer."""
    watch = Stopwatch()
    name = kafka.topic(SOURCE)
    consumer = AIOKafkaConsumer(
        name,
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=f"{name}-{os.getpid()}",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=BATCH_SIZE)
        watch.begin()
        for records in fetched.values():
            for record in records:
                Measured.model_validate_json(record.value)
            watch.count(len(records))


def read_with_faust(app: Any, kafka: KafkaSettings, process: Process) -> None:  # noqa: ANN401 - Faust ships no types
    """One agent that takes batches, as ours do."""
    watch = Stopwatch()

    async def body(stream: Any) -> None:  # noqa: ANN401 - Faust ships no types
        async for events in stream.take_events(BATCH_SIZE, within=0.02):
            watch.begin()
            await process(records_of(events))
            watch.count(len(events))

    add_agent(app, kafka, SOURCE, "measured", body)
    run_app(app)


async def decode(records: Sequence[Record]) -> None:
    """Decode a batch and do nothing with it."""
    for record in records:
        Measured.model_validate_json(record.value)


def forward_by_topic(app: Any, kafka: KafkaSettings) -> Process:  # noqa: ANN401 - Faust ships no types
    """Faust's own producer; the promise of each send is awaited, or failures would only be logged."""
    topic = app.topic(kafka.topic(SINK), key_type=bytes, value_type=bytes)

    async def process(records: Sequence[Record]) -> None:
        sent = [await topic.send(key=record.key, value=record.value) for record in records]
        await asyncio.gather(*sent)

    return process


def forward_by_producer(kafka: KafkaSettings, *, in_batches: bool) -> Process:
    """Our idempotent producer: a send per record, or whole batches per partition that are built here."""
    started: list[AIOKafkaProducer] = []

    async def process(records: Sequence[Record]) -> None:
        if not started:
            producer = build_producer(kafka, client_id="modes")
            await producer.start()
            started.append(producer)
        send = _send_batches if in_batches else _send_each
        await asyncio.gather(*await send(started[0], kafka.topic(SINK), records))

    return process


async def _send_each(producer: AIOKafkaProducer, topic: str, records: Sequence[Record]) -> list[asyncio.Future[object]]:
    return [await producer.send(topic, key=record.key, value=record.value) for record in records]


async def _send_batches(
    producer: AIOKafkaProducer, topic: str, records: Sequence[Record]
) -> list[asyncio.Future[object]]:
    batches: dict[int, Any] = {}
    for record in records:
        batch = batches.setdefault(record.partition, producer.create_batch())
        if batch.append(key=record.key, value=record.value, timestamp=None) is None:
            raise AssertionError("these records fit into one batch")
    return [await producer.send_batch(batch, topic, partition=partition) for partition, batch in batches.items()]


def measure_idle_latency(app: Any, kafka: KafkaSettings) -> None:  # noqa: ANN401 - Faust ships no types
    """One record at a time, at random moments, from sending it to the agent's body."""
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def body(stream: Any) -> None:  # noqa: ANN401 - Faust ships no types
        async for events in stream.take_events(BATCH_SIZE, within=0.02):
            for _ in events:
                arrived.put_nowait(time.perf_counter())

    async def measure() -> None:
        producer = build_producer(kafka, client_id="modes", linger_milliseconds=0)
        await producer.start()
        taken = []
        for number in range(SAMPLES + 1):
            sent_at = time.perf_counter()
            await producer.send_and_wait(kafka.topic(SOURCE), key=str(number).encode(), value=b"{}")
            taken.append((await arrived.get() - sent_at) * 1_000)
            await asyncio.sleep(random.uniform(0.2, 0.8))  # noqa: S311 - moments, not secrets
        cuts = statistics.quantiles(taken[1:], n=100, method="inclusive")
        finish(p50_milliseconds=cuts[49], p99_milliseconds=cuts[98])

    add_agent(app, kafka, SOURCE, "measured", body)
    periodically(app, "measure", 0.0, measure)
    run_app(app)


def report_first_event(app: Any, kafka: KafkaSettings) -> None:  # noqa: ANN401 - Faust ships no types
    """Say when the first record is in the agent's hands, and then go on reading until killed."""

    async def body(stream: Any) -> None:  # noqa: ANN401 - Faust ships no types
        async for _ in stream.take_events(BATCH_SIZE, within=0.02):
            sys.stdout.write(json.dumps({"at": time.time()}) + "\n")
            sys.stdout.flush()

    add_agent(app, kafka, SOURCE, "measured", body)
    run_app(app)


def main() -> None:
    """Run one mode."""
    mode, prefix = sys.argv[1:]
    kafka = Settings().kafka.model_copy(update={"topic_prefix": prefix})
    if mode == "raw":
        asyncio.run(read_raw(kafka))
    unpatched = Consumer.wait_first
    app = build_app(f"modes-{mode}" if mode.startswith("ready") else f"modes-{os.getpid()}", kafka)
    if mode == "take-unpatched":
        Consumer.wait_first = unpatched
    if mode.startswith("latency-"):
        faust_patches.FETCH_MAX_WAIT_MILLISECONDS = int(mode.removeprefix("latency-"))
        measure_idle_latency(app, kafka)
    if mode == "ready":
        report_first_event(app, kafka)
    processes: dict[str, Process] = {
        "take": decode,
        "take-unpatched": decode,
        "forward-topic": forward_by_topic(app, kafka),
        "forward-producer": forward_by_producer(kafka, in_batches=False),
        "forward-batches": forward_by_producer(kafka, in_batches=True),
    }
    read_with_faust(app, kafka, processes[mode])


if __name__ == "__main__":
    main()
