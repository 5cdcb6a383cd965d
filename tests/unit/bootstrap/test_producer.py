"""The rules every producer of ours is built under."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer

from bootstrap.producer import broker_knows_topic, build_producer
from bootstrap.settings import KafkaSettings


@pytest.mark.parametrize("idempotence", [True, False])
async def test_a_producer_waits_for_every_replica_whether_or_not_the_broker_can_do_idempotence(
    *, idempotence: bool
) -> None:
    producer = build_producer(KafkaSettings(idempotence=idempotence), client_id="test")
    try:
        assert producer._sender._acks == -1
        assert (producer._txn_manager is not None) == idempotence
    finally:
        await producer.stop()


async def test_the_chosen_partitioner_is_asked() -> None:
    asked = []

    def partitioner(key: bytes | None, partitions: object, available: object) -> int:
        asked.append(key)
        return 0

    producer: AIOKafkaProducer = build_producer(KafkaSettings(), client_id="test", partitioner=partitioner)
    try:
        assert producer._partitioner(b"k", [0], [0]) == 0
        assert asked == [b"k"]
    finally:
        await producer.stop()


@pytest.mark.parametrize(
    ("answered", "partitions", "known"), [(True, {0, 1}, True), (True, None, False), (False, {0, 1}, False)]
)
async def test_a_topic_is_known_when_the_broker_answers_and_has_it(
    *, answered: bool, partitions: set[int] | None, known: bool
) -> None:
    async def answer() -> bool:
        return answered

    cluster = SimpleNamespace(partitions_for_topic=lambda topic: partitions if topic == "raw" else None)
    producer = SimpleNamespace(client=SimpleNamespace(force_metadata_update=answer, cluster=cluster))
    assert await broker_knows_topic(producer, "raw", 1.0) is known


async def test_a_broker_that_does_not_answer_in_time_knows_nothing() -> None:
    async def never() -> bool:
        return await asyncio.Event().wait()

    cluster = SimpleNamespace(partitions_for_topic=lambda _: {0})
    producer = SimpleNamespace(client=SimpleNamespace(force_metadata_update=never, cluster=cluster))
    assert await broker_knows_topic(producer, "raw", 0.02) is False
