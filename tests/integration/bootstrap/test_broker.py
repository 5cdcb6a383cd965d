"""The broker's part of the API and of the command line, on a real broker and without one."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import OutOfOrderSequenceNumber

from bootstrap.broker import KafkaBroker
from bootstrap.producer import build_producer
from bootstrap.settings import KafkaSettings, Settings
from devstack.ports import free_port
from domain.errors import Unavailable
from services.topic_tail import Edges, read_back
from topics.catalog import COMMANDS, RAW_WEBHOOKS


@pytest.fixture
async def broker(topics_created: Settings) -> AsyncIterator[KafkaBroker]:
    """A broker of this test's topics."""
    broker = KafkaBroker(topics_created.kafka)
    yield broker
    await broker.close()


async def put(broker: KafkaBroker, value: bytes, partition: int | None = 3) -> tuple[int, int]:
    return await broker.send_and_wait(
        COMMANDS, partition=partition, key=b"k", value=value, headers=[("a", b"1"), ("a", b"2")]
    )


async def test_what_was_put_there_is_found_from_the_end(broker: KafkaBroker) -> None:
    positions = [await put(broker, str(number).encode(), number % 3) for number in range(130)]

    seen: list[bytes] = []
    edges: Edges | None = None
    while True:
        async with broker.open([COMMANDS, RAW_WEBHOOKS]) as reader:
            tail = await read_back(reader, [COMMANDS, RAW_WEBHOOKS], lambda _, record: record, limit=40, edges=edges)
        assert len(tail.items) <= 40
        seen += [record.value or b"" for record in tail.items]
        if (edges := tail.edges) is None:
            break

    assert positions[:4] == [(0, 0), (1, 0), (2, 0), (0, 1)]
    assert sorted(map(int, seen)) == list(range(130))
    for partition in range(3):
        own = [int(value) for value in seen if int(value) % 3 == partition]
        assert own == sorted(own, reverse=True)
    assert tail.items[-1].headers == (("a", b"1"), ("a", b"2"))


async def test_one_record_is_read_by_its_position(broker: KafkaBroker) -> None:
    for number in range(5):
        await put(broker, str(number).encode())
    async with broker.open([COMMANDS]) as reader:
        assert reader.ranges(COMMANDS)[3] == (0, 5)
        found = [record async for chunk in reader.chunks(COMMANDS, {3: (2, 3)}) for record in chunk]
    assert [(record.offset, record.value) for record in found] == [(2, b"2")]


async def test_without_a_broker_everything_is_unavailable() -> None:
    nowhere = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    broker = KafkaBroker(nowhere, read_seconds=3.0, send_seconds=3.0)
    with pytest.raises(Unavailable):
        await put(broker, b"x")
    with pytest.raises(Unavailable):
        async with broker.open([COMMANDS]):
            pytest.fail("there is nothing to open")
    await broker.close()


async def test_a_missing_topic_is_said(settings: Settings) -> None:
    broker = KafkaBroker(settings.kafka)
    with pytest.raises(Unavailable, match="topics create"):
        async with broker.open([COMMANDS]):
            pytest.fail("there is nothing to open")


async def test_whoever_stays_too_long_is_sent_away(topics_created: Settings) -> None:
    broker = KafkaBroker(topics_created.kafka, read_seconds=1.0)
    with pytest.raises(Unavailable):
        async with broker.open([COMMANDS]):
            await asyncio.Event().wait()


class BrokenProducer(AIOKafkaProducer):
    """A producer of which the broker once refused a batch."""

    async def send_and_wait(self, *_: object, **__: object) -> object:
        raise OutOfOrderSequenceNumber


async def test_a_broken_producer_is_replaced(topics_created: Settings) -> None:
    kafka = topics_created.kafka
    is_first = iter([True])

    def build() -> AIOKafkaProducer:
        if next(is_first, False):
            return BrokenProducer(bootstrap_servers=kafka.bootstrap_servers)
        return build_producer(kafka, client_id="second")

    broker = KafkaBroker(kafka, build=build)
    with pytest.raises(Unavailable):
        await put(broker, b"x")
    assert await put(broker, b"x") == (3, 0)
    await broker.close()
