"""Exports into one DuckDB file: a table per topic, and the offsets in the same transaction as the rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput
from services.analytics_export.arrow import ArrowRows, require
from services.analytics_export.columns import ColumnKind, TableShape
from services.audit.topic_reader import TopicRecord

DATABASE_FILE = "paystream.duckdb"

_TYPES = {
    ColumnKind.INTEGER: "bigint",
    ColumnKind.TEXT: "varchar",
    ColumnKind.BOOLEAN: "boolean",
    ColumnKind.MOMENT: "timestamptz",
    ColumnKind.TEXTS: "varchar[]",
    ColumnKind.JSON: "json",
}


class DuckDbTarget:
    """A database of an export. Raises InvalidInput without the extra, or for another cluster's export."""

    def __init__(self, directory: Path, topic_prefix: str) -> None:
        duckdb = require("duckdb")
        require("pyarrow")
        try:
            self._database: Any = duckdb.connect(str(directory / DATABASE_FILE))
        except duckdb.IOException as error:
            raise InvalidInput(f"{DATABASE_FILE} is in use or cannot be read", field="directory") from error
        self._execute(
            "create table if not exists export_offsets"
            " (topic varchar, kafka_partition bigint, next_offset bigint, primary key (topic, kafka_partition))"
        )
        self._execute("create table if not exists export_source (topic_prefix varchar primary key)")
        self._execute("insert into export_source select $1 where not exists (from export_source)", [topic_prefix])
        ((kept,),) = self._execute("select topic_prefix from export_source").fetchall()
        if kept != topic_prefix:
            raise InvalidInput(f"{directory} holds another export", field="directory")
        self._rows: ArrowRows | None = None
        self._table = ""

    def next_offset(self, shape: TableShape, partition: int) -> int | None:
        """Where the export goes on; None for a partition it has nothing of."""
        found = self._execute(
            "select next_offset from export_offsets where topic = $1 and kafka_partition = $2",
            [shape.spec.name, partition],
        ).fetchone()
        return None if found is None else int(found[0])

    def begin(self, shape: TableShape, partition: int) -> None:  # noqa: ARG002 - one table has every partition
        """Make sure the table is there, with the columns of today, and open a transaction."""
        columns = [f'"{name}" {_TYPES[kind]}' for name, kind in shape.kinds]
        self._execute("begin transaction")
        self._execute(f"create table if not exists {shape.name} ({', '.join(columns)})")
        for column in columns:
            self._execute(f"alter table {shape.name} add column if not exists {column}")
        self._rows, self._table = ArrowRows(shape), shape.name

    def write(self, records: Sequence[TopicRecord]) -> None:
        """Append records of the partition."""
        if self._rows is not None and self._rows.add(records):
            self._flush()

    def end(self, shape: TableShape, partition: int, next_offset: int) -> None:
        """Commit the rows and how far they go, together."""
        self._flush()
        self._execute(
            "insert or replace into export_offsets values ($1, $2, $3)", [shape.spec.name, partition, next_offset]
        )
        self._execute("commit")

    def close(self) -> None:
        """Close the file; what was not committed is not there."""
        self._database.close()

    def _flush(self) -> None:
        table = None if self._rows is None else self._rows.take()
        if table is not None:
            self._database.register("arrived", table)
            self._execute(f"insert into {self._table} by name select * from arrived")  # noqa: S608 - a topic's own name
            self._database.unregister("arrived")

    def _execute(self, statement: str, values: Sequence[object] = ()) -> Any:  # noqa: ANN401 - DuckDB's result
        return self._database.execute(statement, list(values))
