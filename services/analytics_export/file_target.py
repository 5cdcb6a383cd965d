"""Exports into files: one folder per topic, one file per partition and run.

A file is named for the offset that its run began with, and appears whole. The state is saved after it, so that a run
that was killed in between begins at the same offset and replaces the same file: no record is in two files.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from services.analytics_export import arrow, json_lines
from services.analytics_export.columns import TableShape
from services.analytics_export.offsets import ExportState
from services.audit.topic_reader import TopicRecord


class RecordFile(Protocol):
    """A file that records are written to."""

    def write(self, records: Sequence[TopicRecord]) -> None:
        """Append records."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


class FileTarget:
    """A directory of JSON lines or Parquet files."""

    def __init__(
        self, directory: Path, state: ExportState, suffix: str, make: Callable[[Path, TableShape], RecordFile]
    ) -> None:
        self._directory = directory
        self._state = state
        self._suffix = suffix
        self._make = make
        self._open: tuple[RecordFile, Path, Path] | None = None
        for unfinished in directory.glob(f"*/.*.{suffix}"):
            unfinished.unlink()

    def next_offset(self, shape: TableShape, partition: int) -> int | None:
        """Where the export goes on; None for a partition it has nothing of."""
        return self._state.offsets.get(shape.spec.name, {}).get(partition)

    def begin(self, shape: TableShape, partition: int) -> None:
        """Open the file of a partition."""
        folder = self._directory / shape.name
        folder.mkdir(exist_ok=True)
        first = self.next_offset(shape, partition) or 0
        path = folder / f"partition-{partition:04d}-from-{first:020d}.{self._suffix}"
        unfinished = path.with_name(f".{path.name}")
        self._open = (self._make(unfinished, shape), unfinished, path)

    def write(self, records: Sequence[TopicRecord]) -> None:
        """Append records of the partition."""
        if self._open is not None:
            self._open[0].write(records)

    def end(self, shape: TableShape, partition: int, next_offset: int) -> None:
        """Have the file whole, and then the state."""
        if self._open is not None:
            file, unfinished, path = self._open
            file.close()
            unfinished.replace(path)
            self._open = None
        self._state.offsets.setdefault(shape.spec.name, {})[partition] = next_offset
        self._state.save(self._directory)

    def close(self) -> None:
        """Drop what is not whole."""
        if self._open is not None:
            file, unfinished, _ = self._open
            file.close()
            unfinished.unlink()
            self._open = None


def json_lines_target(directory: Path, topic_prefix: str) -> FileTarget:
    """A directory of JSON lines."""
    state = ExportState.load(directory, json_lines.SUFFIX, topic_prefix)
    return FileTarget(directory, state, json_lines.SUFFIX, json_lines.JsonLinesFile)


def parquet_target(directory: Path, topic_prefix: str) -> FileTarget:
    """A directory of Parquet files. Raises InvalidInput without the extra."""
    arrow.require("pyarrow.parquet")
    state = ExportState.load(directory, arrow.SUFFIX, topic_prefix)
    return FileTarget(directory, state, arrow.SUFFIX, arrow.ParquetFile)
