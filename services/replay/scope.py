"""What is to be replayed: callbacks of a range of time, of one account or one payment; and where those lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.errors import InvalidInput
from services.audit.topic_reader import Position, Ranges, TopicReader
from topics.catalog import RAW_WEBHOOKS

COVERED = (
    "exists (select from unnest(cast(:partitions as integer[]), cast(:firsts as bigint[]), cast(:ends as bigint[]))"
    " as covered (number, first, past) where raw_partition = covered.number"
    " and raw_offset >= covered.first and raw_offset < covered.past)"
)
"""SQL that holds for a row of the inbox whose raw callback is replayed; its values are `Coverage.values`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """What somebody wants to be replayed; None is everything. `since` is within the range, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    account: str | None = None
    payment_id: str | None = None

    def check(self) -> None:
        """Raise InvalidInput when nothing can be in the range."""
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidInput("the range ends before it begins", field="to")

    @property
    def values(self) -> dict[str, object]:
        """The request as values of SQL parameters."""
        return {
            "since": self.since,
            "until": self.until,
            "account": self.account,
            "payment_id": self.payment_id,
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """The positions of the raw topic that are replayed, by partition."""

    ranges: Ranges

    def covers(self, position: Position | None) -> bool:
        """Say whether the record at a position is replayed."""
        if position is None:
            return False
        first, end = self.ranges.get(position[0], (0, 0))
        return first <= position[1] < end

    @property
    def records(self) -> int:
        """How many positions there are; a few may be empty."""
        return sum(end - first for first, end in self.ranges.values())

    @property
    def values(self) -> Mapping[str, Any]:
        """The positions as values of SQL parameters."""
        return {
            "partitions": list(self.ranges),
            "firsts": [first for first, _ in self.ranges.values()],
            "ends": [end for _, end in self.ranges.values()],
        }


async def coverage_of(topics: TopicReader, request: ReplayRequest) -> Coverage:
    """Find the part of the raw topic that a request is about: what was there when the topics were opened."""
    whole = topics.ranges(RAW_WEBHOOKS)
    firsts = {partition: first for partition, (first, _) in whole.items()}
    ends = {partition: end for partition, (_, end) in whole.items()}
    if request.since is not None:
        firsts |= await topics.offsets_at(RAW_WEBHOOKS, request.since)
    if request.until is not None:
        ends |= await topics.offsets_at(RAW_WEBHOOKS, request.until)
    return Coverage({number: (firsts[number], max(firsts[number], ends[number])) for number in whole})
