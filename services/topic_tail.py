"""Looks back from the end of topics, newest first, a bounded number of records at a time.

A topic has partitions, and each is read backwards in windows. What is found in them is merged by time: a record is
given out only when no partition can still hold a newer one. Within a partition the order is that of the offsets,
whatever clocks have written the times.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from services.audit.topic_reader import TopicRecord
from services.broker import ReadsRecords
from topics.spec import TopicSpec

WINDOW_RECORDS = 50
"""How many records of a partition are looked at in one round."""
MAX_EXAMINED = 4_000
"""After so many records the search ends, with what it has; the caller may go on from there."""

Item = TypeVar("Item")
Edges = Mapping[tuple[str, int], int]
"""(topic, partition) to the offset before which is to be read. A partition that is not in it has been read."""
Keep = Callable[[TopicSpec, TopicRecord], Item | None]
"""Makes what is wanted of a record; None passes it over."""


@dataclass(frozen=True, slots=True)
class Found(Generic[Item]):
    """A record that was wanted. `moment` never grows from one to an older one of the same partition."""

    moment: datetime
    topic: str
    partition: int
    offset: int
    item: Item


@dataclass(frozen=True, slots=True)
class Window(Generic[Item]):
    """What one round saw of one partition, from `start` on. `oldest` is None when nothing was there."""

    topic: str
    partition: int
    first: int
    start: int
    oldest: datetime | None
    found: tuple[Found[Item], ...]


@dataclass(frozen=True, slots=True)
class Tail(Generic[Item]):
    """What was found, newest first, and where to go on; None when everything was seen."""

    items: list[Item]
    edges: Edges | None


async def read_back(
    reader: ReadsRecords, specs: Sequence[TopicSpec], keep: Keep[Item], *, limit: int, edges: Edges | None = None
) -> Tail[Item]:
    """Return the newest records that are wanted, at most `limit`; there may be fewer although there is more to see."""
    places = {(spec.name, number): whole for spec in specs for number, whole in reader.ranges(spec).items()}
    if edges is None:
        edges = {place: end for place, (_, end) in places.items()}
    # A position that somebody made up lies within the topic or is not one.
    edges = {place: min(edge, places[place][1]) for place, edge in edges.items() if place in places}
    items: list[Item] = []
    examined = 0
    while edges := {place: edge for place, edge in edges.items() if edge > places[place][0]}:
        if len(items) >= limit or examined >= MAX_EXAMINED:
            return Tail(items, edges)
        windows = [await _look(reader, spec, edges, keep) for spec in specs]
        found = [window for group in windows for window in group]
        examined += sum(edges[window.topic, window.partition] - window.start for window in found)
        taken, edges = merge(found, limit - len(items))
        items += [one.item for one in taken]
    return Tail(items, None)


def merge(windows: Sequence[Window[Item]], limit: int) -> tuple[list[Found[Item]], dict[tuple[str, int], int]]:
    """Take the newest of what was found, and say from where each partition is to be read on."""
    unseen = [window.oldest for window in windows if window.oldest is not None and window.start > window.first]
    horizon = max(unseen, default=None)
    certain = [one for window in windows for one in window.found if horizon is None or one.moment >= horizon]
    certain.sort(key=lambda one: (one.moment, one.topic, one.partition, one.offset), reverse=True)
    taken = certain[:limit]
    given = {(one.topic, one.partition, one.offset) for one in taken}
    edges = {}
    for window in windows:
        left = [one.offset for one in window.found if (one.topic, one.partition, one.offset) not in given]
        edges[window.topic, window.partition] = max(left) + 1 if left else window.start
    return taken, edges


async def _look(reader: ReadsRecords, spec: TopicSpec, edges: Edges, keep: Keep[Item]) -> list[Window[Item]]:
    ranges = reader.ranges(spec)
    within = {
        partition: (max(first, edges[spec.name, partition] - WINDOW_RECORDS), edges[spec.name, partition])
        for partition, (first, _) in ranges.items()
        if (spec.name, partition) in edges
    }
    seen: dict[int, list[tuple[int, datetime, Item | None]]] = {partition: [] for partition in within}
    async for chunk in reader.chunks(spec, within):
        for record in chunk:
            seen[record.partition].append((record.offset, record.written_at, keep(spec, record)))
    return [
        _window(spec.name, partition, ranges[partition][0], start, seen[partition])
        for partition, (start, _) in within.items()
    ]


def _window(
    topic: str, partition: int, first: int, start: int, seen: Sequence[tuple[int, datetime, Item | None]]
) -> Window[Item]:
    moment: datetime | None = None
    found: list[Found[Item]] = []
    for offset, written_at, item in sorted(seen, key=lambda one: one[0], reverse=True):
        moment = written_at if moment is None else min(moment, written_at)
        if item is not None:
            found.append(Found(moment, topic, partition, offset, item))
    return Window(topic, partition, first, start, moment, tuple(found))
