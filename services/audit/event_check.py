"""Domain events: each payment's are all there, in order, and none was published twice as two."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.audit.report import CheckName, CheckResult, Findings
from services.audit.topic_reader import TopicRecord, Topics
from storage.outbox import shard_of
from topics.catalog import PAYMENT_EVENTS
from topics.message import SEQUENCE_HEADER, header

EVENTS_COMPLETE = CheckName(
    "events_complete", "A payment's events are numbered 1, 2, 3 … without a gap; repeats are recognizable as such."
)
HIGHEST_SEQUENCE = 100_000
"""No payment has that many events; a larger number is a damaged record."""


class _Event(BaseModel):
    """The fields of a domain event that matter here."""

    id: str
    payment_id: str
    sequence: int


class EventTrail:
    """Takes in the events topic, partition by partition, and remembers which sequences each payment has.

    A payment's sequences are the bits of one integer. Event ids are remembered for one partition at a time: all events
    of a payment lie in one.
    """

    def __init__(self, findings: Findings) -> None:
        self.sequences: dict[str, int] = {}
        self._findings = findings
        self._partition = -1
        self._published: dict[str, tuple[int, int]] = {}
        self._highest = 0

    def observe(self, record: TopicRecord) -> None:
        """Take in the next record of the topic."""
        if record.partition != self._partition:
            self._partition, self._highest = record.partition, 0
            self._published.clear()
        self._findings.examined += 1
        place = f"partition {record.partition} offset {record.offset}"
        relayed = header(record.headers, SEQUENCE_HEADER)
        try:
            event = _Event.model_validate_json(record.value or b"")
        except ValidationError:
            self._findings.add(place, "cannot be read")
            return
        if relayed is None or not relayed.isdecimal():
            self._findings.add(event.id, f"has no {SEQUENCE_HEADER} that is a number ({place})")
        elif event.id in self._published:
            self._observe_again(event, int(relayed))
        else:
            self._observe_first(event, int(relayed))

    def _observe_first(self, event: _Event, relayed: int) -> None:
        self._published[event.id] = (event.sequence, relayed)
        if relayed <= self._highest:
            self._findings.add(event.id, f"its {SEQUENCE_HEADER} {relayed} comes after {self._highest}")
        self._highest = max(self._highest, relayed)
        if shard_of(event.payment_id) != self._partition:
            self._findings.add(event.id, f"of payment {event.payment_id} lies in partition {self._partition}")
        if not 1 <= event.sequence <= HIGHEST_SEQUENCE:
            self._findings.add(event.id, f"of payment {event.payment_id} has the impossible sequence {event.sequence}")
            return
        known, bit = self.sequences.get(event.payment_id, 0), 1 << event.sequence
        if known & bit:
            self._findings.add(
                event.id, f"payment {event.payment_id} has sequence {event.sequence} under another id too"
            )
        self.sequences[event.payment_id] = known | bit

    def _observe_again(self, event: _Event, relayed: int) -> None:
        sequence, first_relayed = self._published[event.id]
        if sequence != event.sequence:
            self._findings.add(event.id, f"of payment {event.payment_id} has sequences {sequence} and {event.sequence}")
        elif first_relayed != relayed:
            self._findings.add(event.id, f"was published as {SEQUENCE_HEADER} {first_relayed} and again as {relayed}")


async def check_events(topics: Topics, connection: AsyncConnection, now: datetime) -> CheckResult:
    """Read every event and compare each payment's sequences with the number the payment itself has counted to.

    Of a payment older than the topic's retention the first events may be gone; those that are there must be the last.
    """
    findings = Findings(EVENTS_COMPLETE)
    trail = EventTrail(findings)
    async for chunk in topics.chunks(PAYMENT_EVENTS):
        for record in chunk:
            trail.observe(record)
    kept_since = now - timedelta(days=PAYMENT_EVENTS.retention_days)
    payments = await connection.stream(
        text("select id, event_sequence, created_at from payments"), execution_options={"yield_per": 1_000}
    )
    async for row in payments:
        found = trail.sequences.pop(row.id, 0)
        problem = missing_events(found, row.event_sequence, may_be_cut=row.created_at < kept_since)
        if problem is not None:
            findings.add(row.id, problem)
    for payment_id in trail.sequences:
        findings.add(payment_id, "has events and is not in the table")
    return findings.result()


def missing_events(found: int, last: int, *, may_be_cut: bool) -> str | None:
    """Say how a set of sequences (bit n stands for n) differs from 1 to `last`; None when it does not."""
    wanted = (1 << (last + 1)) - 2
    missing, surplus = wanted & ~found, found & ~wanted
    if may_be_cut and missing == (1 << (missing.bit_length() or 1)) - 2:
        missing = 0
    said = [
        f"{word} {', '.join(map(str, _numbers(sequences)))}"
        for word, sequences in (("lacks", missing), ("has beyond that", surplus))
        if sequences
    ]
    return f"should have events 1 to {last}: {'; '.join(said)}" if said else None


def _numbers(bits: int) -> list[int]:
    return [number for number in range(bits.bit_length()) if bits >> number & 1]
