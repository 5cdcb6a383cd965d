"""The cursor of lists that are read from Kafka: for each topic and partition, before which offset to go on."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import Query
from pydantic import Field, TypeAdapter, ValidationError

from api.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page
from domain.errors import InvalidInput
from services.topic_tail import Edges

TailLimit = Annotated[
    int, Query(ge=1, le=MAX_LIMIT, description="At most so many items; a page may hold fewer although there are more.")
]
TailCursor = Annotated[str | None, Query(max_length=4_000, description="`next_cursor` of the page before.")]
DEFAULT_TAIL_LIMIT = DEFAULT_LIMIT

Item = TypeVar("Item")

_Partition = Annotated[int, Field(ge=0, lt=2**31)]
_Offset = Annotated[int, Field(ge=0, lt=2**63)]
_EDGES = TypeAdapter(dict[str, dict[_Partition, _Offset]])


def tail_page(items: Sequence[Item], edges: Edges | None) -> Page[Item]:
    """Write a page."""
    return Page(data=list(items), has_more=edges is not None, next_cursor=write_tail_cursor(edges))


def read_tail_cursor(cursor: str | None) -> Edges | None:
    """Read where to go on; None for the end of the topics. Raises InvalidInput."""
    if cursor is None:
        return None
    try:
        by_topic = _EDGES.validate_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValidationError, ValueError, binascii.Error):
        raise InvalidInput("this is no cursor of ours; use `next_cursor` of a page", field="cursor") from None
    return {(topic, number): edge for topic, partitions in by_topic.items() for number, edge in partitions.items()}


def write_tail_cursor(edges: Edges | None) -> str | None:
    """Write where to go on; None when everything was seen."""
    if edges is None:
        return None
    by_topic: dict[str, dict[int, int]] = {}
    for (topic, partition), offset in edges.items():
        by_topic.setdefault(topic, {})[partition] = offset
    return base64.urlsafe_b64encode(_EDGES.dump_json(by_topic)).decode().rstrip("=")
