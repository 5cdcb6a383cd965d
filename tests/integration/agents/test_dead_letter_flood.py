"""Poison on a real broker: alone it costs its neighbours nothing, as a flood it stops the process and is not buried."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from agents.dead_letter_limit import count_since
from agents.guard import EXIT_CODE
from agents.worker import APP_ID
from bootstrap.producer import build_producer
from bootstrap.settings import KafkaSettings, Settings
from devstack.application import variables_of
from devstack.processes import ManagedProcess
from domain.facts import FactKind
from storage.unit_of_work import Database
from tests.integration.services.books import fact, open_account, open_payment, rows
from topics.catalog import GATEWAY_EVENTS, dead_letter
from topics.gateway_events import GatewayEvent

DEAD = dead_letter(GATEWAY_EVENTS)
LIMIT = 4
FLOOD = 60
PARTITION = 3
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def kafka(topics_created: Settings, database: Database) -> AsyncIterator["Topic"]:
    """The topic of facts, and payments that they are about."""
    await open_account(database)
    for number in range(12):
        await open_payment(database, f"p{number}", reference=f"pi_{number}")
    producer = build_producer(topics_created.kafka, client_id="flood")
    await producer.start()
    yield Topic(topics_created.kafka, producer)
    await producer.stop()


class Topic:
    """Writes facts and poison to one partition, and says what came of them."""

    def __init__(self, settings: KafkaSettings, producer: AIOKafkaProducer) -> None:
        self._settings = settings
        self._producer = producer

    async def write(self, *values: bytes) -> int:
        """Append records; returns the offset of the first."""
        topic = self._settings.topic(GATEWAY_EVENTS)
        sent = [await self._producer.send(topic, value=value, partition=PARTITION) for value in values]
        return int((await asyncio.gather(*sent))[0].offset)

    async def buried(self) -> int:
        return await count_since(self._settings, DEAD, datetime(2020, 1, 1, tzinfo=UTC))

    async def committed(self) -> int:
        """The first offset that comes again after a restart."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.bootstrap_servers)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self._settings.topic_prefix + APP_ID)
        finally:
            await admin.close()
        found = offsets.get(TopicPartition(self._settings.topic(GATEWAY_EVENTS), PARTITION))
        return 0 if found is None else max(found.offset, 0)

    async def assert_nothing_passed_over(self, flood_begins: int) -> None:
        """Fewer are buried than the limit, also after a restart, and no record was acknowledged that is not buried."""
        buried = await self.buried()
        assert buried <= LIMIT
        assert await self.committed() <= flood_begins + buried - 1


def captured(number: int) -> bytes:
    """A fact that pays payment number so and so."""
    paid = fact(
        f"evt_{number}", FactKind.CAPTURED, provider_reference=f"pi_{number}", movement_reference=f"ch_{number}"
    )
    return GatewayEvent.from_fact(paid).model_dump_json().encode()


@contextmanager
def worker(settings: Settings, log: Path, limit: int) -> Iterator[ManagedProcess]:
    """A worker that may bury so many in an hour."""
    process = ManagedProcess("worker")
    variables = {
        "PAYSTREAM_WORKER__DEAD_LETTER_LIMIT": str(limit),
        "PAYSTREAM_WORKER__DEAD_LETTER_WINDOW_SECONDS": "3600",
    }
    process.start([sys.executable, "-m", "cli.main", "worker"], log, variables_of(settings) | variables)
    try:
        yield process
    finally:
        process.stop()


async def eventually(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_SECONDS:g} s"
        await asyncio.sleep(0.1)


async def paid(database: Database) -> int:
    found = await rows(database, "select count(*) from payments where status = 'completed'")
    return int(str(found[0][0]))


async def test_poison_is_buried_alone_and_a_flood_of_it_stops_the_worker(
    kafka: Topic, database: Database, topics_created: Settings, tmp_path: Path
) -> None:
    neighbours = [captured(number) for number in range(6)]
    await kafka.write(*neighbours[:3], b"poison", *neighbours[3:])
    log = tmp_path / "worker.log"
    with worker(topics_created, log, LIMIT) as process:
        await eventually(lambda: _equals(paid(database), 6), "the neighbours' way through")
        await eventually(lambda: _equals(kafka.buried(), 1), "the one poison record's burial")
        # What is not acknowledged yet when a process dies comes again, a dead letter too.
        await eventually(lambda: _equals(kafka.committed(), len(neighbours) + 1), "the acknowledgement")

        flood_begins = await kafka.write(*[b"poison"] * FLOOD, captured(6))
        assert await asyncio.to_thread(process.wait, PATIENCE_SECONDS) == EXIT_CODE

    said = log.read_text()
    assert f"apply: more than {LIMIT} dead letters in 3600 s" in said
    assert "PAYSTREAM_WORKER__DEAD_LETTER_LIMIT" in said
    await kafka.assert_nothing_passed_over(flood_begins)
    assert await paid(database) == len(neighbours)

    with worker(topics_created, log, LIMIT) as process:
        assert await asyncio.to_thread(process.wait, PATIENCE_SECONDS) == EXIT_CODE
    await kafka.assert_nothing_passed_over(flood_begins)

    with worker(topics_created, log, LIMIT + FLOOD):
        await eventually(lambda: _equals(paid(database), 7), "what came after the flood")
        await eventually(lambda: _equals(kafka.committed(), flood_begins + FLOOD + 1), "the acknowledgement")
    assert 1 + FLOOD <= await kafka.buried() <= LIMIT + FLOOD


async def _equals(asked: Awaitable[int], expected: int) -> bool:
    return await asked == expected
