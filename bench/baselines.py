"""What the pipeline is compared with besides the naive side: the limits of the parts it stands on."""

import time
from datetime import UTC, datetime

import asyncpg
from aiokafka import AIOKafkaConsumer
from sqlalchemy.engine import make_url

from bench.workload import Workload
from bootstrap.clock import system_clock
from bootstrap.settings import Settings
from bootstrap.wiring import build_gateways
from devstack.errors import StackFailed
from domain.errors import PaystreamError
from services.apply_events import ReceivedFact, apply_events
from services.gateways import Gateways
from services.verify_webhooks import verify_webhook
from storage.unit_of_work import Database
from topics.catalog import RAW_WEBHOOKS
from topics.webhooks import RawWebhook

FETCH_WAIT_MILLISECONDS = 200


async def run_without_faust(settings: Settings, workload: Workload) -> float:
    """The practical limit: fetch, verify, apply and commit in batches in one loop, without Faust or a topic between.

    Nothing is published here either. Returns seconds from the first batch fetched to the last offset committed.
    """
    database = Database(settings.database_url)
    gateways = build_gateways(settings, database)
    consumer = AIOKafkaConsumer(
        settings.kafka.topic(RAW_WEBHOOKS),
        bootstrap_servers=settings.kafka.bootstrap_servers,
        group_id=settings.kafka.topic_prefix + "bench-without-faust",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        await _warm_up(database, gateways, workload.callbacks[0])
        return await _consume(consumer, database, gateways, settings.worker.batch_size, len(workload.callbacks))
    finally:
        await consumer.stop()
        await database.close()


async def copy_rows(settings: Settings, workload: Workload) -> float:
    """The database's limit: one COPY into a table like the inbox, with its primary key. Returns seconds."""
    now = datetime.now(UTC)
    rows = [_inbox_row(webhook, now) for webhook in workload.callbacks]
    url = make_url(settings.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create table copied (like inbox including defaults including indexes)")
        started = time.perf_counter()
        await connection.copy_records_to_table("copied", records=rows, columns=list(_COPIED))
        return time.perf_counter() - started
    finally:
        await connection.close()


async def _consume(
    consumer: AIOKafkaConsumer, database: Database, gateways: Gateways, batch_size: int, expected: int
) -> float:
    started, taken = time.perf_counter(), 0
    while taken < expected:
        fetched = await consumer.getmany(timeout_ms=FETCH_WAIT_MILLISECONDS, max_records=batch_size)
        records = [record for found in fetched.values() for record in found]
        if not records:
            continue
        if taken == 0:
            started = time.perf_counter()
        received: list[ReceivedFact] = []
        for record in records:
            webhook = RawWebhook.from_record(record.value, record.headers)
            received += await _facts_of(gateways, webhook, (record.partition, record.offset))
        await apply_events(database, received, system_clock())
        await consumer.commit()
        taken += len(records)
    return time.perf_counter() - started


async def _facts_of(gateways: Gateways, webhook: RawWebhook, position: tuple[int, int] | None) -> list[ReceivedFact]:
    verdict = await verify_webhook(gateways, webhook)
    if isinstance(verdict, PaystreamError):
        raise StackFailed(f"a callback of the benchmark was refused: {verdict.message}")
    partition, offset = position or (None, None)
    return [ReceivedFact(fact=event.to_fact(), raw_partition=partition, raw_offset=offset) for event in verdict]


async def _warm_up(database: Database, gateways: Gateways, webhook: RawWebhook) -> None:
    """Build the connector and open a connection before the clock starts."""
    await verify_webhook(gateways, webhook)
    async with database.transaction() as transaction:
        await transaction.outbox.count()


_COPIED = (
    "gateway",
    "account",
    "gateway_event_id",
    "digest",
    "kind",
    "provider_reference",
    "disposition",
    "occurred_at",
    "raw_partition",
    "raw_offset",
    "recorded_at",
)


def _inbox_row(webhook: RawWebhook, now: datetime) -> tuple[object, ...]:
    digest = webhook.id.replace("-", "")
    names = (webhook.gateway, webhook.account, f"evt_{webhook.id}", digest, "captured", f"pi_{digest[:20]}")
    return (*names, "applied", webhook.received_at, 0, 0, now)
