"""Records sent together keep their order and their partitions, and one that is too large sends none of them."""

import asyncio
from collections import defaultdict

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from bootstrap.producer import MAX_REQUEST_BYTES, build_producer
from bootstrap.sending import OutgoingRecord, send_records
from bootstrap.settings import KafkaSettings

PARTITIONS = {0, 1, 2}


class FakeProducer:
    """Builds real batches and keeps what they hold; sends nothing."""

    def __init__(self, real: AIOKafkaProducer, error: Exception | None = None) -> None:
        self.create_batch = real.create_batch
        self.batches: dict[tuple[str, int], list[list[bytes]]] = defaultdict(list)
        self._error = error

    async def partitions_for(self, topic: str) -> set[int]:
        return PARTITIONS

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[None]:
        records = list(DefaultRecordBatch(bytes(batch._build())))
        self.batches[topic, partition].append([record.value for record in records])
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._error is None:
            sent.set_result(None)
        else:
            sent.set_exception(self._error)
        return sent


@pytest.fixture
async def real() -> AIOKafkaProducer:
    producer = build_producer(KafkaSettings(idempotence=False), client_id="test", max_batch_bytes=1_000)
    yield producer
    await producer.stop()


def record(value: bytes, *, key: bytes | None = b"k", partition: int | None = None) -> OutgoingRecord:
    return OutgoingRecord("topic", key, value, [("h", b"1")], partition)


async def test_a_key_chooses_the_partition_that_kafkas_clients_choose(real: AIOKafkaProducer) -> None:
    producer = FakeProducer(real)
    keys = [f"key-{number}".encode() for number in range(20)]
    await send_records(producer, [record(key, key=key) for key in keys])
    partitioner = DefaultPartitioner()
    for (_, partition), batches in producer.batches.items():
        for value in [value for batch in batches for value in batch]:
            assert partitioner(value, sorted(PARTITIONS), sorted(PARTITIONS)) == partition
    assert len(producer.batches) == len(PARTITIONS)


async def test_records_of_a_partition_keep_their_order_over_many_batches(real: AIOKafkaProducer) -> None:
    producer = FakeProducer(real)
    values = [f"{number:03}".encode() * 30 for number in range(100)]
    await send_records(producer, [record(value, partition=1) for value in values])
    batches = producer.batches["topic", 1]
    assert len(batches) > 1
    assert [value for batch in batches for value in batch] == values


async def test_a_record_larger_than_a_batch_has_one_of_its_own(real: AIOKafkaProducer) -> None:
    producer = FakeProducer(real)
    values = [b"small", b"x" * 5_000, b"small again"]
    await send_records(producer, [record(value, partition=0) for value in values])
    assert producer.batches["topic", 0] == [[b"small"], [b"x" * 5_000], [b"small again"]]


async def test_a_record_that_no_request_can_carry_sends_none(real: AIOKafkaProducer) -> None:
    producer = FakeProducer(real)
    with pytest.raises(MessageSizeTooLargeError):
        await send_records(producer, [record(b"small", partition=0), record(b"x" * MAX_REQUEST_BYTES, partition=1)])
    assert producer.batches == {}


async def test_what_the_broker_does_not_take_is_raised(real: AIOKafkaProducer) -> None:
    producer = FakeProducer(real, KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        await send_records(producer, [record(b"1", partition=0), record(b"2", partition=1)])


async def test_nothing_to_send_is_nothing_sent(real: AIOKafkaProducer) -> None:
    producer = FakeProducer(real)
    await send_records(producer, [])
    assert producer.batches == {}
