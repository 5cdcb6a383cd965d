"""Pages of rows in a stable order: by a time and an id, from a cursor on, whatever is added meanwhile."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Select, Uuid, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvalidInput

MAX_BIGINT = 2**63 - 1


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
    moment: ColumnElement[Any],
    identifier: ColumnElement[Any],
    *,
    limit: int,
    after: Position | None = None,
    ascending: bool = False,
) -> PageOf:
    """Read at most `limit` rows of a statement, ordered by `moment` and then `identifier`.

    Raises InvalidInput when the position is none of this list's.
    """
    order = (moment.asc(), identifier.asc()) if ascending else (moment.desc(), identifier.desc())
    if after is not None:
        at, last = tuple_(moment, identifier), tuple_(after.moment, position_id(identifier, after.id))
        statement = statement.where(at > last if ascending else at < last)
    found = list(await connection.execute(statement.order_by(*order).limit(limit + 1)))
    rows = found[:limit]
    if len(found) <= limit:
        return PageOf(rows, None)
    end = rows[-1]._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return PageOf(rows, Position(end[moment], str(end[identifier])))


def position_id(identifier: ColumnElement[Any], said: str) -> object:
    """Read the id of a position as the type of its column, because whoever asks may have written the cursor.

    Raises InvalidInput when it cannot be an id of this list.
    """
    try:
        if isinstance(identifier.type, Uuid):
            return uuid.UUID(said)
        if isinstance(identifier.type, BigInteger):
            return _bigint(said)
    except ValueError as error:
        raise InvalidInput("this is no cursor of this list; use `next_cursor` of a page", field="cursor") from error
    return said


def _bigint(said: str) -> int:
    number = int(said)
    if abs(number) > MAX_BIGINT:
        raise ValueError("not a number of 64 bits")
    return number
