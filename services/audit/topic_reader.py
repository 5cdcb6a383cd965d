"""Reads whole topics for the audit: without a group, from the first record to the last one there was at the start."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import ConsumerRecord

from domain.errors import NotFound
from topics.message import header
from topics.spec import TopicSpec

CHUNK_SIZE = 1_000
STALLED_AFTER_SECONDS = 30
FETCH_WAIT_MILLISECONDS = 10
"""How long the broker may wait for more; what is asked for is there already, so waiting only delays the next topic."""
MAX_PARTITION_FETCH_BYTES = 2 * 1_048_576
"""What is read ahead of one partition; a larger record still comes through, alone."""

UNDATED = datetime.max.replace(tzinfo=UTC)
"""The time of a record without one: it counts as new, so that it is never passed over for its age."""

Position = tuple[int, int]
"""(partition, offset)"""
Ranges = Mapping[int, tuple[int, int]]
"""Partition to its first offset and the one after its last."""

_NOTHING = (0, 0)


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """One record. `value` is None on a compacted topic where a key was deleted."""

    partition: int
    offset: int
    written_at: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def position(self) -> Position:
        """Where it lies in its topic."""
        return (self.partition, self.offset)


def position_in(headers: Iterable[tuple[str, bytes]], prefix: str) -> Position | None:
    """Read the position that a record carries in two headers; None when it carries none that can be read."""
    pairs = tuple(headers)
    partition, offset = header(pairs, f"{prefix}_partition"), header(pairs, f"{prefix}_offset")
    if partition is None or offset is None or not (partition.isdecimal() and offset.isdecimal()):
        return None
    return (int(partition), int(offset))


class Topics(Protocol):
    """What the checks need of Kafka."""

    def chunks(self, spec: TopicSpec) -> AsyncIterator[list[TopicRecord]]:
        """Yield a topic's records, one partition after the other, each in order, a bounded number at a time."""
        ...


class TopicReader:
    """Reads topics whose ends were noted when it was opened; what is written later is not seen."""

    def __init__(
        self, consumer: AIOKafkaConsumer, prefix: str, ranges: dict[str, dict[TopicPartition, tuple[int, int]]]
    ) -> None:
        self._consumer = consumer
        self._prefix = prefix
        self._ranges = ranges

    def ranges(self, spec: TopicSpec) -> Ranges:
        """Where a topic's partitions begin, and where they ended when the reader was opened."""
        found = self._ranges[self._prefix + spec.name]
        return {partition.partition: whole for partition, whole in sorted(found.items())}

    async def offsets_at(self, spec: TopicSpec, moment: datetime) -> Mapping[int, int]:
        """For each partition the offset of the first record that is not older than a moment; its end without one."""
        partitions = self._ranges[self._prefix + spec.name]
        found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, int(moment.timestamp() * 1_000)))
        return {
            partition.partition: end if found.get(partition) is None else min(max(first, found[partition].offset), end)
            for partition, (first, end) in partitions.items()
        }

    async def chunks(self, spec: TopicSpec, within: Ranges | None = None) -> AsyncIterator[list[TopicRecord]]:
        """Yield a topic's records, or those of some ranges; raises KafkaTimeoutError when the broker stops answering.

        `within` names the partitions that are wanted, with ranges that lie inside `ranges`.
        """
        for partition, whole in sorted(self._ranges[self._prefix + spec.name].items()):
            first, end = whole if within is None else within.get(partition.partition, _NOTHING)
            if first < end:
                self._consumer.seek(partition, first)
                self._consumer.resume(partition)
                async for chunk in self._partition(partition, end):
                    yield chunk
                self._consumer.pause(partition)

    async def _partition(self, partition: TopicPartition, end: int) -> AsyncIterator[list[TopicRecord]]:
        reached = -1
        while (position := await self._consumer.position(partition)) < end:
            if position == reached:
                raise KafkaTimeoutError(f"nothing came of {partition.topic} for {STALLED_AFTER_SECONDS} seconds")
            reached = position
            found = await self._consumer.getmany(
                partition, timeout_ms=STALLED_AFTER_SECONDS * 1_000, max_records=CHUNK_SIZE
            )
            yield [_record(record) for record in found.get(partition, ()) if record.offset < end]


@asynccontextmanager
async def open_topics(bootstrap_servers: str, prefix: str, specs: Sequence[TopicSpec]) -> AsyncIterator[TopicReader]:
    """Connect and note where each topic begins and ends now.

    Raises NotFound when the broker does not have a topic, KafkaError when there is no broker.
    """
    partitions = await _partitions(bootstrap_servers, [prefix + spec.name for spec in specs])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        client_id="paystream-audit",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MILLISECONDS,
        max_partition_fetch_bytes=MAX_PARTITION_FETCH_BYTES,
    )
    try:
        await consumer.start()
        wanted = [partition for found in partitions.values() for partition in found]
        consumer.assign(wanted)
        consumer.pause(*wanted)
        beginnings = await consumer.beginning_offsets(wanted)
        ends = await _ends(consumer, beginnings)
        ranges = {
            name: {partition: (beginnings[partition], ends[partition]) for partition in found}
            for name, found in partitions.items()
        }
        yield TopicReader(consumer, prefix, ranges)
    finally:
        await consumer.stop()


async def _ends(consumer: AIOKafkaConsumer, beginnings: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """Note where each partition ends: at the high watermark that comes with its last record.

    Tansu, asked for the end alone, names the first record of the last batch, and the rest of it would not be read.
    """
    ends: dict[TopicPartition, int] = await consumer.end_offsets(list(beginnings))
    filled = [partition for partition, end in ends.items() if beginnings[partition] < end]
    for partition in filled:
        consumer.seek(partition, ends[partition] - 1)
    consumer.resume(*filled)
    try:
        async with asyncio.timeout(STALLED_AFTER_SECONDS):
            while unknown := [partition for partition in filled if consumer.highwater(partition) is None]:
                await consumer.getmany(*unknown, timeout_ms=100)
    except TimeoutError as error:
        raise KafkaTimeoutError(f"no record came within {STALLED_AFTER_SECONDS} seconds") from error
    consumer.pause(*filled)
    return ends | {partition: max(ends[partition], consumer.highwater(partition)) for partition in filled}


async def _partitions(bootstrap_servers: str, names: Iterable[str]) -> dict[str, list[TopicPartition]]:
    """Ask for all topics rather than for these, because asking for a missing one may create it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, client_id="paystream-audit")
    try:
        await admin.start()
        described = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    finally:
        await admin.close()
    if missing := sorted(set(names) - described.keys()):
        raise NotFound(f"the broker does not have {', '.join(missing)}", field="topic")
    return {name: [TopicPartition(name, partition["partition"]) for partition in described[name]] for name in names}


def _record(record: ConsumerRecord) -> TopicRecord:
    return TopicRecord(
        partition=record.partition,
        offset=record.offset,
        written_at=datetime.fromtimestamp(record.timestamp / 1000, UTC) if record.timestamp > 0 else UNDATED,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
