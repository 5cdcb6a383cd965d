"""Sending many records at once: whole batches for each partition, instead of a task, a future and a search for each."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from bootstrap.producer import MAX_REQUEST_BYTES
from topics.message import RecordHeaders

_partition_of_key = DefaultPartitioner()


class OutgoingRecord(NamedTuple):
    """A record to be written. Without a partition, its key chooses one, as Kafka's clients do."""

    topic: str
    key: bytes | None
    value: bytes
    headers: RecordHeaders
    partition: int | None = None


async def send_records(producer: AIOKafkaProducer, records: Iterable[OutgoingRecord]) -> None:
    """Write records and return when every in-sync replica has them; within a partition they keep their order.

    Raises MessageSizeTooLargeError, with nothing sent, for a record that the broker would refuse, and what the
    producer raises when the broker does not take them: any part of them may then have been written.
    """
    partitions = _Partitions(producer)
    batches: dict[tuple[str, int], list[BatchBuilder]] = defaultdict(list)
    for record in records:
        partition = await partitions.choose(record) if record.partition is None else record.partition
        _append(producer, batches[record.topic, partition], record)
    # A producer takes one batch of a partition at a time, so the partitions must not wait for each other.
    await asyncio.gather(*(_send_in_order(producer, *place, built) for place, built in batches.items()))


class _Partitions:
    """The partitions of topics, asked for once."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._known: dict[str, list[int]] = {}

    async def choose(self, record: OutgoingRecord) -> int:
        known = self._known.get(record.topic)
        if known is None:
            known = self._known[record.topic] = sorted(await self._producer.partitions_for(record.topic))
        return int(_partition_of_key(record.key, known, known))


def _append(producer: AIOKafkaProducer, built: list[BatchBuilder], record: OutgoingRecord) -> None:
    place = {"timestamp": None, "key": record.key, "value": record.value, "headers": record.headers}
    if built and built[-1].append(**place) is not None:
        return
    built.append(producer.create_batch())
    # An empty batch takes a record of any size.
    written = built[-1].append(**place)
    if written.size > MAX_REQUEST_BYTES:
        raise MessageSizeTooLargeError(f"a record of {written.size} bytes for {record.topic} is too large")


async def _send_in_order(producer: AIOKafkaProducer, topic: str, partition: int, built: list[BatchBuilder]) -> None:
    sent = []
    for batch in built:
        batch.close()
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)
