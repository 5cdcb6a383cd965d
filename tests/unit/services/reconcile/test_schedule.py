"""The schedule: ever longer waits, then a person, then once a day."""

from datetime import UTC, datetime, timedelta

from connectors.registry import registrations
from services.commands.runner import FIRST_SYNC_AFTER
from services.reconcile.schedule import (
    FIRST_LOOK_AFTER,
    SCHEDULE_SECONDS,
    SCHEDULES_BY_GATEWAY,
    later_look,
    next_look,
    schedule_of,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_first_look_comes_when_the_runner_says_so() -> None:
    assert FIRST_LOOK_AFTER == FIRST_SYNC_AFTER


def test_after_each_look_comes_the_next_wait_and_after_the_last_none() -> None:
    waits = [next_look("stripe", attempts, NOON) for attempts in range(1, len(SCHEDULE_SECONDS) + 1)]
    assert waits == [*(NOON + timedelta(seconds=seconds) for seconds in SCHEDULE_SECONDS[1:]), None]


def test_after_the_end_there_is_a_look_a_day() -> None:
    assert later_look("stripe", NOON) == NOON + timedelta(days=1)


def test_every_gateway_has_a_schedule_that_grows() -> None:
    assert set(SCHEDULES_BY_GATEWAY) <= {known.key for known in registrations()}
    for known in registrations():
        schedule = schedule_of(known.key)
        assert list(schedule) == sorted(schedule)
        assert schedule[-1] > 0
