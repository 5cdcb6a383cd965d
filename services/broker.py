"""What people's work on single records needs of Kafka: to look back from a topic's end, and to put one record on it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from services.audit.topic_reader import Position, Ranges, TopicRecord
from topics.message import RecordHeaders
from topics.spec import TopicSpec


class ReadsRecords(Protocol):
    """Topics whose ends were noted when it was opened."""

    def ranges(self, spec: TopicSpec) -> Ranges:
        """Where a topic's partitions begin, and where they ended when the reader was opened."""
        ...

    def chunks(self, spec: TopicSpec, within: Ranges | None = None) -> AsyncIterator[list[TopicRecord]]:
        """Yield the records of some ranges, one partition after the other, a bounded number at a time."""
        ...


class Broker(Protocol):
    """One Kafka cluster, with the topics of one environment. Everything here is bounded in time."""

    async def send_and_wait(
        self, spec: TopicSpec, *, partition: int | None, key: bytes | None, value: bytes | None, headers: RecordHeaders
    ) -> Position:
        """Put a record on a topic and return where it lies, once all in-sync replicas have it.

        Raises Unavailable when the broker does not say so in time; the record may come to lie there all the same.
        """
        ...

    def open(self, specs: Sequence[TopicSpec]) -> AbstractAsyncContextManager[ReadsRecords]:
        """Open topics for reading. Raises Unavailable, also out of the reading, when the broker does not answer."""
        ...
