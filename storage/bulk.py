"""Set-based writes: one statement per table, whatever the number of rows.

The rows travel as one JSON document with an array for each column, which PostgreSQL unfolds: a batch of 500 costs one
round trip. As arrays of their own the columns would be a fraction cheaper for PostgreSQL and twice as dear for this
process, whose driver looks at every element several times.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.json_columns import write_json


class BulkRows:
    """Rows of fixed columns in a statement.

    `columns` maps names to PostgreSQL types. `source` is what stands in the statement's `from`, and `alias` what its
    columns are called by there; the statement's parameter is `:rows`.
    """

    def __init__(self, columns: Mapping[str, str], alias: str) -> None:
        self._names = tuple(columns)
        arrays = ", ".join(f"{name} {kind}[]" for name, kind in columns.items())
        listed = ", ".join(f"listed.{name}" for name in self._names)
        self.source = (
            f"json_to_record(cast(cast(:rows as text) as json)) as listed ({arrays}),"
            f" unnest({listed}) as {alias} ({', '.join(self._names)})"
        )

    def parameter(self, rows: Sequence[tuple[Any, ...]]) -> str:
        """Write rows, each a tuple in the order of the columns and at least one, as the value of `:rows`."""
        return write_json(dict(zip(self._names, zip(*rows, strict=True), strict=True)))


class BulkInsert:
    """An `insert … select from unnest(…)` for fixed columns, built once when the module is imported.

    `columns` maps names to PostgreSQL types; a type in brackets such as `text > jsonb` travels as the first and is
    cast to the second. `suffix` is what follows, such as a conflict clause or `returning`.
    """

    def __init__(self, table: str, columns: Mapping[str, str], suffix: str = "") -> None:
        self._rows = BulkRows({name: kind.split(" > ")[0] for name, kind in columns.items()}, "source")
        chosen = [
            f"source.{name}::{kind.split(' > ')[1]}" if " > " in kind else f"source.{name}"
            for name, kind in columns.items()
        ]
        self._statement: TextClause = text(
            f"insert into {table} ({', '.join(columns)}) "  # noqa: S608 - every part is a literal of this package
            f"select {', '.join(chosen)} from {self._rows.source} {suffix}"
        )

    async def execute(self, connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Insert the rows, each a tuple in the order of the columns; returns what `returning` gives."""
        if not rows:
            return []
        result = await connection.execute(self._statement, {"rows": self._rows.parameter(rows)})
        return list(result) if result.returns_rows else []
