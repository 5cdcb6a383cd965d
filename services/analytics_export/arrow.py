"""Rows as Arrow tables, and Parquet files of them. Needs the extra `analytics`; everything else works without it."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from domain.errors import InvalidInput
from services.analytics_export.columns import ColumnKind, TableShape
from services.audit.topic_reader import TopicRecord

SUFFIX = "parquet"
ROWS_AT_ONCE = 20_000
"""Rows that are held in memory, and written as one row group."""


def require(name: str) -> ModuleType:
    """Import a library of the extra. Raises InvalidInput, saying what to install."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InvalidInput(
            f"this format needs the library {name}: pip install 'paystream[analytics]'; the format jsonl needs nothing",
            field="format",
        ) from error


class ArrowRows:
    """Collects the rows of a table and turns them into Arrow, column by column."""

    def __init__(self, shape: TableShape) -> None:
        self._arrow = require("pyarrow")
        self._shape = shape
        self._rows: list[list[Any]] = []
        self.schema = self._arrow.schema([(name, self._type(kind)) for name, kind in shape.kinds])

    def add(self, records: Sequence[TopicRecord]) -> bool:
        """Take records in; says whether it is time to write."""
        self._rows += [self._shape.row(record) for record in records]
        return len(self._rows) >= ROWS_AT_ONCE

    def take(self) -> Any:  # noqa: ANN401 - a table of a library that ships no types
        """Return what was collected as a table, and begin anew; None when nothing was."""
        if not self._rows:
            return None
        columns = [
            self._arrow.array(values, type=field.type)
            for values, field in zip(zip(*self._rows, strict=True), self.schema, strict=True)
        ]
        self._rows = []
        return self._arrow.Table.from_arrays(columns, schema=self.schema)

    def _type(self, kind: ColumnKind) -> Any:  # noqa: ANN401 - a type of the same library
        arrow = self._arrow
        return {
            ColumnKind.INTEGER: arrow.int64(),
            ColumnKind.TEXT: arrow.string(),
            ColumnKind.BOOLEAN: arrow.bool_(),
            ColumnKind.MOMENT: arrow.timestamp("us", tz="UTC"),
            ColumnKind.TEXTS: arrow.list_(arrow.string()),
            ColumnKind.JSON: arrow.string(),
        }[kind]


class ParquetFile:
    """One Parquet file, written row group by row group."""

    def __init__(self, path: Path, shape: TableShape) -> None:
        self._rows = ArrowRows(shape)
        self._writer = require("pyarrow.parquet").ParquetWriter(path, self._rows.schema, compression="zstd")

    def write(self, records: Sequence[TopicRecord]) -> None:
        """Append records. Raises MalformedPayload for one that is not of its topic's model."""
        if self._rows.add(records):
            self._flush()

    def close(self) -> None:
        """Write what is left, and the file's end."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        table = self._rows.take()
        if table is not None:
            self._writer.write_table(table)
