"""The relay: outbox to Kafka, in the order of writing, each record with a sequence number it will always have.

One relay at a time owns a shard, by a PostgreSQL advisory lock held on a connection of its own; several processes may
run a relay, and another takes over when one dies. A record published twice after a crash carries the same sequence.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from agents.metrics import RELAYED
from agents.retry_policy import delay_seconds, is_transient
from bootstrap.sending import OutgoingRecord, send_records
from bootstrap.settings import KafkaSettings
from storage.outbox import CHANNEL, SHARDS, PlannedMessage
from storage.unit_of_work import Database
from topics.message import SEQUENCE_HEADER

ADVISORY_LOCK_CLASS = 7_210
BATCH_SIZE = 2_000
IDLE_SECONDS = 0.5
CLAIM_INTERVAL_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class Relay:
    """Publishes what the outbox holds, for the shards it can claim."""

    def __init__(self, database: Database, producer: AIOKafkaProducer, kafka: KafkaSettings) -> None:
        self._database = database
        self._producer = producer
        self._kafka = kafka
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()

    def stop(self) -> None:
        """Ask the relay to end after the batch in hand."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Relay until stopped. Errors that pass by themselves are waited out; others are raised."""
        attempt = 0
        while not self._stopping.is_set():
            try:
                async with self._database.engine.connect() as connection:
                    await self._run_on(connection)
                attempt = 0
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("relay interrupted", error=repr(error))
                await asyncio.sleep(delay_seconds(attempt))
                attempt += 1

    async def publish_next(
        self, shards: Sequence[int], published: Sequence[PlannedMessage] = ()
    ) -> Sequence[PlannedMessage]:
        """Forget what was published and publish what comes next in these shards, which the caller owns.

        Returns what was published now: to be given to the next call, so that one transaction serves both.
        """
        async with self._database.transaction() as transaction:
            if published:
                await transaction.outbox.finish(published)
            planned = await transaction.outbox.plan(shards, BATCH_SIZE)
        await send_records(self._producer, [self._record_of(message) for message in planned])
        RELAYED.inc(len(planned))
        return planned

    async def _run_on(self, connection: AsyncConnection) -> None:
        """Work while this connection lives: the shard locks and the notifications hang on it."""
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.add_listener(CHANNEL, self._on_notification)
        owned: set[int] = set()
        claimed_at = float("-inf")
        loop = asyncio.get_running_loop()
        published: Sequence[PlannedMessage] = ()
        try:
            while not self._stopping.is_set():
                if len(owned) < SHARDS and loop.time() - claimed_at > CLAIM_INTERVAL_SECONDS:
                    owned |= await _claim(connection, set(range(SHARDS)) - owned)
                    claimed_at = loop.time()
                self._wake.clear()
                published = await self.publish_next(sorted(owned), published) if owned else ()
                if not published:
                    await self._wait(IDLE_SECONDS)
            if published:
                async with self._database.transaction() as transaction:
                    await transaction.outbox.finish(published)
        finally:
            # The connection goes back to the pool: neither the locks nor the subscription may go with it.
            await connection.invalidate()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _on_notification(self, *_: object) -> None:
        self._wake.set()

    def _record_of(self, planned: PlannedMessage) -> OutgoingRecord:
        message = planned.message
        return OutgoingRecord(
            self._kafka.topic_prefix + message.topic,
            key=message.key.encode(),
            value=message.payload.encode(),
            headers=[
                *((name, value.encode()) for name, value in message.headers),
                (SEQUENCE_HEADER, str(planned.sequence).encode()),
            ],
            partition=planned.shard,
        )


async def _claim(connection: AsyncConnection, shards: set[int]) -> set[int]:
    rows = await connection.execute(
        text(
            "select shard from unnest(cast(:shards as integer[])) as wanted (shard)"
            " where pg_try_advisory_lock(:class, shard)"
        ),
        {"shards": sorted(shards), "class": ADVISORY_LOCK_CLASS},
    )
    return {row.shard for row in rows}
