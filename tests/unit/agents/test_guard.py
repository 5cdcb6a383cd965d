"""The guard: what passes is retried, what does not is isolated, what escapes stops the process."""

from collections.abc import Sequence

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber

from agents.dead_letter_limit import DeadLetterLimit
from agents.guard import Failure, Guard
from agents.records import Record
from domain.errors import GatewayUnavailable, MalformedPayload

LIMIT = 5


class Stopped(Exception):
    """Raised by the tests' stand-in for stopping the process."""


class Graveyard:
    """Remembers dead letters; fails as often as it is told to."""

    def __init__(self, failures: list[Exception] | None = None) -> None:
        self.buried: list[tuple[int, str]] = []
        self._failures = failures or []

    async def send(self, record: Record, error: Exception) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.buried.append((record.offset, type(error).__name__))


class Fixture:
    """A guard whose sleeps are recorded and whose stop raises."""

    def __init__(self, graveyard: Graveyard | None = None, *, already: int = 0) -> None:
        self.graveyard = graveyard or Graveyard()
        self.slept: list[float] = []
        self.now = 0.0
        limit = DeadLetterLimit("test", count=LIMIT, window_seconds=60, monotonic=lambda: self.now, already=already)
        self.guard = Guard("test", self.graveyard, limit=limit, sleep=self._sleep, stop=self._stop)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @staticmethod
    def _stop(reason: str, error: BaseException | None) -> None:
        raise Stopped(reason) from error


def records(count: int) -> list[Record]:
    return [Record(topic="t", partition=0, offset=offset, key=None, value=b"", headers=()) for offset in range(count)]


async def test_a_good_batch_is_processed_once() -> None:
    fixture, seen = Fixture(), []

    async def process(batch: Sequence[Record]) -> None:
        seen.append([record.offset for record in batch])

    await fixture.guard.run(records(3), process)
    assert seen == [[0, 1, 2]]
    assert fixture.graveyard.buried == []


async def test_a_passing_error_is_retried_in_place_with_growing_waits_and_nothing_is_buried() -> None:
    fixture, errors = Fixture(), [ConnectionResetError(), GatewayUnavailable("down"), TimeoutError()]

    async def process(_: Sequence[Record]) -> None:
        if errors:
            raise errors.pop(0)

    await fixture.guard.run(records(2), process)
    assert fixture.slept == [0.1, 0.2, 0.4]
    assert fixture.graveyard.buried == []


@pytest.mark.parametrize("poison", [0, 3, 6])
async def test_one_poison_record_is_buried_and_its_neighbours_go_through(poison: int) -> None:
    fixture = Fixture()
    applied: set[int] = set()

    async def process(batch: Sequence[Record]) -> None:
        if any(record.offset == poison for record in batch):
            raise MalformedPayload("unreadable")
        applied.update(record.offset for record in batch)

    await fixture.guard.run(records(7), process)
    assert applied == set(range(7)) - {poison}
    assert fixture.graveyard.buried == [(poison, "MalformedPayload")]


async def test_a_dead_letter_that_cannot_be_written_stops_the_process() -> None:
    fixture = Fixture(Graveyard([ValueError("refused")]))

    async def process(_: Sequence[Record]) -> None:
        raise MalformedPayload("unreadable")

    with pytest.raises(Stopped, match="could not be written"):
        await fixture.guard.run(records(1), process)


async def unreadable(_: Sequence[Record]) -> None:
    raise MalformedPayload("unreadable")


async def test_dead_letters_beyond_the_limit_stop_the_process() -> None:
    fixture = Fixture()
    await fixture.guard.run(records(LIMIT), unreadable)
    with pytest.raises(Stopped, match="more than 5 dead letters in 60 s") as stopped:
        await fixture.guard.run(records(1), unreadable)
    assert "t/0/0" in str(stopped.value)
    assert isinstance(stopped.value.__cause__, MalformedPayload)
    assert len(fixture.graveyard.buried) == LIMIT


async def test_of_a_batch_with_too_many_none_is_buried_and_the_search_ends_there() -> None:
    """After the restart the batch comes again: what was buried of it would be buried once more, each time."""
    fixture = Fixture()
    tried: set[int] = set()

    async def process(batch: Sequence[Record]) -> None:
        if len(batch) == 1:
            tried.add(batch[0].offset)
        await unreadable(batch)

    with pytest.raises(Stopped, match="nothing of this batch was buried or acknowledged"):
        await fixture.guard.run(records(200), process)
    assert fixture.graveyard.buried == []
    assert tried == set(range(LIMIT + 1))


async def test_what_was_buried_before_a_restart_counts_until_the_window_has_passed() -> None:
    fixture = Fixture(already=LIMIT)
    with pytest.raises(Stopped):
        await fixture.guard.run(records(1), unreadable)
    fixture.now = 61
    await fixture.guard.run(records(LIMIT), unreadable)
    assert len(fixture.graveyard.buried) == LIMIT


async def test_the_same_number_of_dead_letters_spread_over_hours_does_not_stop() -> None:
    fixture = Fixture()
    for record in records(LIMIT * 4):
        fixture.now += 15
        await fixture.guard.run([record], unreadable)
    assert len(fixture.graveyard.buried) == LIMIT * 4


async def test_failures_of_single_records_are_buried_together_or_not_at_all() -> None:
    fixture = Fixture()

    async def process(record: Record) -> None:
        if record.offset % 2:
            raise MalformedPayload("unreadable")

    attempts = [await fixture.guard.attempt(record, process) for record in records(LIMIT * 2 + 2)]
    failures = [attempt for attempt in attempts if isinstance(attempt, Failure)]

    with pytest.raises(Stopped):
        await fixture.guard.bury(failures)
    assert fixture.graveyard.buried == []
    await fixture.guard.bury(failures[:LIMIT])
    assert [offset for offset, _ in fixture.graveyard.buried] == [1, 3, 5, 7, 9]


async def test_a_broken_producer_stops_the_process_and_buries_nothing() -> None:
    fixture = Fixture()

    async def process(_: Sequence[Record]) -> None:
        raise OutOfOrderSequenceNumber

    with pytest.raises(Stopped, match="broken for good"):
        await fixture.guard.run(records(4), process)
    assert fixture.graveyard.buried == []
