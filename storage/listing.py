"""Pages of rows in a stable order: by a time and an id, from a cursor on, whatever is added meanwhile."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Row, Select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ends: the time and the id of its last row."""

    moment: datetime
    id: str


@dataclass(frozen=True, slots=True)
class PageOf:
    """Rows, and where to go on; None on the last page."""

    rows: list[Row[Any]]
    next: Position | None


async def read_page(
    connection: AsyncConnection,
    statement: Select[Any],
    moment: Column[Any],
    identifier: Column[Any],
    *,
    limit: int,
    after: Position | None = None,
    ascending: bool = False,
) -> PageOf:
    """Read at most `limit` rows of a statement, ordered by `moment` and then `identifier`."""
    order = (moment.asc(), identifier.asc()) if ascending else (moment.desc(), identifier.desc())
    if after is not None:
        at, last = tuple_(moment, identifier), tuple_(after.moment, after.id)
        statement = statement.where(at > last if ascending else at < last)
    found = list(await connection.execute(statement.order_by(*order).limit(limit + 1)))
    rows = found[:limit]
    if len(found) <= limit:
        return PageOf(rows, None)
    end = rows[-1]._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return PageOf(rows, Position(end[moment], str(end[identifier])))
