"""A broker in memory: topics of eight partitions, of which the oldest records may have been forgotten."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from domain.errors import Unavailable
from services.audit.topic_reader import Position, Ranges, TopicRecord
from topics.message import RecordHeaders
from topics.spec import DEFAULT_PARTITIONS, TopicSpec

BEGAN = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class FakeBroker:
    """Set `takes_nothing` and no record can be put on it. Each record is a second younger than the one before it."""

    topics: dict[str, list[list[TopicRecord]]] = field(
        default_factory=lambda: defaultdict(lambda: [[] for _ in range(DEFAULT_PARTITIONS)])
    )
    forgotten: dict[tuple[str, int], int] = field(default_factory=dict)
    takes_nothing: bool = False
    examined: int = 0
    written: int = 0

    def put(
        self,
        spec: TopicSpec,
        value: bytes | None = b"{}",
        *,
        partition: int = 0,
        key: bytes | None = b"k",
        headers: Sequence[tuple[str, str]] = (),
        written_at: datetime | None = None,
    ) -> TopicRecord:
        """Write a record, as an agent does."""
        lying = self.topics[spec.name][partition]
        self.written += 1
        record = TopicRecord(
            partition=partition,
            offset=len(lying),
            written_at=written_at or BEGAN + timedelta(seconds=self.written),
            key=key,
            value=value,
            headers=tuple((name, text.encode()) for name, text in headers),
        )
        lying.append(record)
        return record

    async def send_and_wait(
        self, spec: TopicSpec, *, partition: int | None, key: bytes | None, value: bytes | None, headers: RecordHeaders
    ) -> Position:
        if self.takes_nothing:
            raise Unavailable("the broker does not take the record", code="broker_unavailable")
        record = self.put(spec, value, partition=partition or 0, key=key)
        lying = self.topics[spec.name][record.partition]
        lying[-1] = TopicRecord(record.partition, record.offset, record.written_at, key, value, tuple(headers))
        return record.position

    @asynccontextmanager
    async def open(self, specs: Sequence[TopicSpec]) -> AsyncIterator["FakeBroker"]:
        yield self

    def ranges(self, spec: TopicSpec) -> Ranges:
        return {
            partition: (self.forgotten.get((spec.name, partition), 0), len(lying))
            for partition, lying in enumerate(self.topics[spec.name])
        }

    async def chunks(self, spec: TopicSpec, within: Ranges | None = None) -> AsyncIterator[list[TopicRecord]]:
        for partition, (first, end) in sorted((self.ranges(spec) if within is None else within).items()):
            found = self.topics[spec.name][partition][first:end]
            self.examined += len(found)
            for start in range(0, len(found), 3):
                yield found[start : start + 3]
