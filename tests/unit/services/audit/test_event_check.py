import json
from datetime import UTC, datetime

import pytest

from services.audit.event_check import HIGHEST_SEQUENCE, EventTrail, missing_events
from services.audit.report import CheckName, Findings
from services.audit.topic_reader import TopicRecord
from storage.outbox import shard_of

HOME = shard_of("p1")


def _record(
    event_id: str, sequence: int, relayed: object, *, payment_id: str = "p1", partition: int = HOME
) -> TopicRecord:
    value = json.dumps({"id": event_id, "payment_id": payment_id, "sequence": sequence, "type": "x"}).encode()
    headers = () if relayed is None else (("ce_sequence", str(relayed).encode()),)
    return TopicRecord(partition, 0, datetime(2026, 3, 1, tzinfo=UTC), payment_id.encode(), value, headers)


def _observe(*records: TopicRecord) -> tuple[EventTrail, dict[str, str]]:
    findings = Findings(CheckName("events", "Events."))
    trail = EventTrail(findings)
    for record in records:
        trail.observe(record)
    return trail, {violation.subject: violation.message for violation in findings.result().violations}


def test_a_trail_in_order_is_fine_and_remembered() -> None:
    trail, said = _observe(_record("a", 1, 5), _record("b", 2, 9))
    assert (said, trail.sequences) == ({}, {"p1": 0b110})


def test_a_repeat_with_the_same_relay_sequence_is_fine() -> None:
    trail, said = _observe(_record("a", 1, 5), _record("b", 2, 6), _record("a", 1, 5), _record("b", 2, 6))
    assert (said, trail.sequences) == ({}, {"p1": 0b110})


def test_each_partition_counts_for_itself() -> None:
    elsewhere = next(f"p{n}" for n in range(2, 99) if shard_of(f"p{n}") > HOME)
    other = _record("b", 1, 5, payment_id=elsewhere, partition=shard_of(elsewhere))
    trail, said = _observe(_record("a", 1, 900), other)
    assert (said, set(trail.sequences)) == ({}, {"p1", elsewhere})


@pytest.mark.parametrize(
    ("second", "subject", "message"),
    [
        (_record("a", 1, 6), "a", "was published as ce_sequence 5 and again as 6"),
        (_record("a", 2, 5), "a", "has sequences 1 and 2"),
        (_record("b", 2, 5), "b", "its ce_sequence 5 comes after 5"),
        (_record("b", 2, 4), "b", "its ce_sequence 4 comes after 5"),
        (_record("b", 1, 6), "b", "payment p1 has sequence 1 under another id too"),
        (_record("b", 0, 6), "b", "the impossible sequence 0"),
        (_record("b", HIGHEST_SEQUENCE + 1, 6), "b", "the impossible sequence 100001"),
        (_record("b", 2, None), "b", "has no ce_sequence"),
        (_record("b", 2, "six"), "b", "has no ce_sequence"),
        (TopicRecord(HOME, 7, datetime(2026, 3, 1, tzinfo=UTC), None, None, ()), f"partition {HOME} offset 7", "read"),
    ],
)
def test_what_breaks_the_numbering_is_named(second: TopicRecord, subject: str, message: str) -> None:
    _, said = _observe(_record("a", 1, 5), second)
    assert list(said) == [subject]
    assert message in said[subject]


def test_an_event_outside_its_payments_partition_is_named() -> None:
    _, said = _observe(_record("a", 1, 5, partition=(HOME + 1) % 8))
    assert list(said) == ["a"]


@pytest.mark.parametrize(
    ("found", "last", "may_be_cut", "said"),
    [
        (0b0, 0, False, None),
        (0b1110, 3, False, None),
        (0b1010, 3, False, "should have events 1 to 3: lacks 2"),
        (0b1100, 3, False, "should have events 1 to 3: lacks 1"),
        (0b0, 2, False, "should have events 1 to 2: lacks 1, 2"),
        (0b11110, 3, False, "should have events 1 to 3: has beyond that 4"),
        (0b1100, 3, True, None),
        (0b0, 3, True, None),
        (0b0110, 3, True, "should have events 1 to 3: lacks 3"),
        (0b1010, 3, True, "should have events 1 to 3: lacks 2"),
        (0b10000, 3, True, "should have events 1 to 3: has beyond that 4"),
    ],
)
def test_a_gap_is_a_gap_unless_retention_took_the_beginning(
    found: int, last: int, may_be_cut: bool, said: str | None
) -> None:
    assert missing_events(found, last, may_be_cut=may_be_cut) == said
