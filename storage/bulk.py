"""Set-based writes: one statement per table, whatever the number of rows.

A column travels as one PostgreSQL array and is unfolded by `unnest`, so that a batch of 500 costs one round trip.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection


class BulkInsert:
    """An `insert … select from unnest(…)` for fixed columns, built once when the module is imported.

    `columns` maps names to PostgreSQL types; a type in brackets such as `text > jsonb` travels as the first and is
    cast to the second. `suffix` is what follows, such as a conflict clause or `returning`.
    """

    def __init__(self, table: str, columns: Mapping[str, str], suffix: str = "") -> None:
        self._names = tuple(columns)
        sources = {name: kind.split(" > ")[0] for name, kind in columns.items()}
        chosen = [
            f"source.{name}::{kind.split(' > ')[1]}" if " > " in kind else f"source.{name}"
            for name, kind in columns.items()
        ]
        arrays = ", ".join(f"cast(:{name} as {kind}[])" for name, kind in sources.items())
        self._statement: TextClause = text(
            f"insert into {table} ({', '.join(self._names)}) "  # noqa: S608 - every part is a literal of this package
            f"select {', '.join(chosen)} from unnest({arrays}) as source ({', '.join(self._names)}) {suffix}"
        )

    async def execute(self, connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Insert the rows, each a tuple in the order of the columns; returns what `returning` gives."""
        if not rows:
            return []
        columns = dict(zip(self._names, map(list, zip(*rows, strict=True)), strict=True))
        result = await connection.execute(self._statement, columns)
        return list(result) if result.returns_rows else []
