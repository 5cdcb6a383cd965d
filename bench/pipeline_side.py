"""The pipeline itself: callbacks on the raw topic, a real worker process, domain events on their topic."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text

from bench.processor_time import ProcessorTime
from bench.workload import Workload, record_of
from bootstrap.producer import build_producer
from bootstrap.settings import KafkaSettings, Settings
from devstack.application import variables_of
from devstack.demo.topic_reader import read_topic
from devstack.errors import StackFailed
from devstack.processes import ManagedProcess
from storage.unit_of_work import Database
from topics.catalog import GATEWAY_EVENTS, PAYMENT_EVENTS, RAW_WEBHOOKS
from topics.spec import TopicSpec
from topics.webhooks import RawWebhook

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """How long the callbacks took from the first one consumed to the last event relayed, and to the last commit.

    `processor_seconds` is what the worker and the servers used meanwhile.
    """

    to_events_seconds: float
    to_commit_seconds: float
    processor_seconds: dict[str, float]


async def fill_raw_topic(kafka: KafkaSettings, callbacks: Sequence[RawWebhook]) -> float:
    """Put the callbacks where the ingress would; returns how many seconds that took."""
    records = [record_of(webhook) for webhook in callbacks]
    producer = build_producer(kafka, client_id="bench", request_timeout_seconds=PATIENCE_SECONDS)
    await producer.start()
    try:
        started = time.perf_counter()
        topic = kafka.topic(RAW_WEBHOOKS)
        sent = [await producer.send(topic, key=key, value=value, headers=headers) for key, value, headers in records]
        await asyncio.gather(*sent)
        return time.perf_counter() - started
    finally:
        await producer.stop()


async def run_pipeline(
    settings: Settings, workload: Workload, log_path: Path, servers: Mapping[str, int]
) -> PipelineRun:
    """Let a worker process take in what the raw topic holds. Raises StackFailed when it stops or stalls.

    `servers` are processes whose time is measured beside the worker's, by their ids.
    """
    worker = ManagedProcess("worker")
    worker.start([sys.executable, "-m", "cli.main", "worker"], log_path, variables_of(settings))
    used = ProcessorTime({"worker": worker.pid, **servers})
    try:
        async with used.sampled():
            committed_at = await _wait_until_through(settings, workload, worker)
    finally:
        worker.stop()
    facts = await read_topic(settings.kafka, GATEWAY_EVENTS)
    events = await read_topic(settings.kafka, PAYMENT_EVENTS)
    if (len(facts), len(events)) != (len(workload.callbacks), workload.event_count):
        raise StackFailed(f"{len(facts)} facts and {len(events)} events came of {len(workload.callbacks)} callbacks")
    # A fact's own time is that of its sending, right after its callback was consumed and verified.
    started_at = min(record.written_at for record in facts)
    ended_at = max(record.written_at for record in events)
    return PipelineRun(
        to_events_seconds=(ended_at - started_at).total_seconds(),
        to_commit_seconds=(committed_at - started_at).total_seconds(),
        processor_seconds=used.between(started_at.timestamp(), ended_at.timestamp()),
    )


async def _wait_until_through(settings: Settings, workload: Workload, worker: ManagedProcess) -> datetime:
    """Wait for the last event; returns when the last fact was first seen committed."""
    database = Database(settings.database_url, pool_size=1)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers)
    await consumer.start()
    events = await partitions_of(consumer, settings.kafka, PAYMENT_EVENTS)
    committed_at: datetime | None = None
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while sum((await consumer.end_offsets(events)).values()) < workload.event_count or committed_at is None:
            committed_at = committed_at or await _committed_at(database, len(workload.callbacks))
            if not worker.is_running or time.monotonic() > deadline:
                raise StackFailed(f"the worker did not get through:\n{worker.log_tail()}")
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await consumer.stop()
        await database.close()
    return committed_at


async def _committed_at(database: Database, facts: int) -> datetime | None:
    async with database.transaction() as transaction:
        query = text("select count(*), clock_timestamp() from inbox")
        count, now = (await transaction.connection.execute(query)).one()
    return now if count >= facts else None


async def partitions_of(consumer: AIOKafkaConsumer, kafka: KafkaSettings, spec: TopicSpec) -> list[TopicPartition]:
    """Assign all partitions of a topic to a consumer without a group, and return them."""
    partitions = [TopicPartition(kafka.topic(spec), number) for number in range(spec.partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    return partitions
