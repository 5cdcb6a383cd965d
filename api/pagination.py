"""Cursor pagination: `limit`, `cursor` and `order` in, `data`, `has_more` and `next_cursor` out."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from domain.errors import InvalidInput
from storage.listing import Position

MAX_LIMIT = 100
DEFAULT_LIMIT = 20

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A page of a list."""

    data: list[Item]
    has_more: bool
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")


class PageRequest:
    """What was asked for."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="At most so many items.")] = DEFAULT_LIMIT,
        cursor: Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")] = None,
        order: Annotated[Literal["asc", "desc"], Query(description="Oldest first, or newest first.")] = "desc",
    ) -> None:
        self.limit = limit
        self.after = None if cursor is None else _read(cursor)
        self.ascending = order == "asc"


PageDependency = Annotated[PageRequest, Depends()]


def page_of(items: Sequence[Item], following: Position | None) -> Page[Item]:
    """Write a page."""
    return Page(
        data=list(items), has_more=following is not None, next_cursor=None if following is None else _write(following)
    )


def _write(position: Position) -> str:
    said = json.dumps([position.moment.isoformat(), position.id])
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def _read(cursor: str) -> Position:
    try:
        said = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        moment, identifier = said
        at = datetime.fromisoformat(moment)
        position = Position(at.astimezone(UTC), str(identifier))
        position.id.encode()  # JSON can hold halves of characters, which PostgreSQL refuses.
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise InvalidInput("this is no cursor of ours; use `next_cursor` of a page", field="cursor") from error
    if at.tzinfo is None or "\x00" in position.id:
        raise InvalidInput("this is no cursor of ours; use `next_cursor` of a page", field="cursor")
    return position
