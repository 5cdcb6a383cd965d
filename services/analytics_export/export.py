"""Read topics from where the last export ended to where they end now, and write them for analysts.

Memory is bounded by a chunk of records, whatever the size of the topics. An export that is killed loses nothing and
doubles nothing: the next one goes on from the last partition that was finished.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from domain.errors import InvalidInput, OperationNotAllowed
from services.analytics_export.columns import TableShape, shape_of
from services.analytics_export.duckdb_target import DuckDbTarget
from services.analytics_export.file_target import json_lines_target, parquet_target
from services.analytics_export.offsets import alone_in
from services.audit.topic_reader import TopicReader, TopicRecord, open_topics
from topics.catalog import PAYMENT_EVENTS, PAYOUT_BATCHES, SETTLEMENT_ENTRIES, SETTLEMENT_WINDOWS, TOPICS
from topics.spec import TopicSpec

DEFAULT_TOPICS = (SETTLEMENT_ENTRIES, SETTLEMENT_WINDOWS, PAYOUT_BATCHES, PAYMENT_EVENTS)


class ExportFormat(StrEnum):
    """What is written."""

    PARQUET = "parquet"
    DUCKDB = "duckdb"
    JSON_LINES = "jsonl"


class Target(Protocol):
    """Where records are written, one partition after the other."""

    def next_offset(self, shape: TableShape, partition: int) -> int | None:
        """Where the export goes on; None for a partition it has nothing of."""
        ...

    def begin(self, shape: TableShape, partition: int) -> None:
        """Begin a partition."""
        ...

    def write(self, records: Sequence[TopicRecord]) -> None:
        """Append records of it."""
        ...

    def end(self, shape: TableShape, partition: int, next_offset: int) -> None:
        """Keep the records and how far they go."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@dataclass(slots=True)
class ExportReport:
    """What an export did, per topic: records written, and offsets that were gone before anybody exported them."""

    written: dict[str, int] = field(default_factory=dict)
    expired: dict[str, int] = field(default_factory=dict)


_TARGETS: Mapping[ExportFormat, Callable[[Path, str], Target]] = {
    ExportFormat.PARQUET: parquet_target,
    ExportFormat.DUCKDB: DuckDbTarget,
    ExportFormat.JSON_LINES: json_lines_target,
}


def topics_named(names: Sequence[str]) -> tuple[TopicSpec, ...]:
    """The topics of these names, the settlement topics and payment events without any. Raises InvalidInput."""
    known = {spec.name: spec for spec in TOPICS if not spec.internal}
    if unknown := [name for name in names if name not in known]:
        raise InvalidInput(f"there is no topic {unknown[0]}; there are {', '.join(sorted(known))}", field="topic")
    return tuple(known[name] for name in names) or DEFAULT_TOPICS


async def export_topics(
    bootstrap_servers: str,
    topic_prefix: str,
    export_format: ExportFormat,
    directory: Path,
    specs: Sequence[TopicSpec] = DEFAULT_TOPICS,
) -> ExportReport:
    """Export topics into a directory, which a former export may have begun.

    Raises InvalidInput for a topic or a directory that will not do, OperationNotAllowed when a topic was made anew,
    MalformedPayload for a record that cannot be read, NotFound when the broker lacks a topic, KafkaError without one.
    """
    shapes = [shape_of(spec) for spec in specs]
    report = ExportReport()
    with alone_in(directory):
        target = _TARGETS[export_format](directory, topic_prefix)
        try:
            async with open_topics(bootstrap_servers, topic_prefix, specs) as topics:
                for shape in shapes:
                    await _export(topics, shape, target, report)
        finally:
            target.close()
    return report


async def _export(topics: TopicReader, shape: TableShape, target: Target, report: ExportReport) -> None:
    name = shape.spec.name
    report.written[name] = 0
    for partition, (first, end) in topics.ranges(shape.spec).items():
        following = target.next_offset(shape, partition)
        if following is not None and following > end:
            raise OperationNotAllowed(
                f"partition {partition} of {name} ends at {end} and was exported up to {following}: the topic was made"
                " anew; export into an empty directory"
            )
        begins = first if following is None else following
        if begins < first:
            report.expired[name] = report.expired.get(name, 0) + first - begins
        if max(begins, first) >= end:
            continue
        target.begin(shape, partition)
        async for chunk in topics.chunks(shape.spec, {partition: (max(begins, first), end)}):
            target.write(chunk)
            report.written[name] += len(chunk)
        target.end(shape, partition, end)
