"""When something that could not be decided is looked at again, and when a person is asked instead."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from connectors.base import Capability, Registration

SCHEDULE_SECONDS: tuple[int, ...] = (5, 15, 60, 300, 1_800, 7_200, 43_200, 86_400)
"""How long to wait before each look. The last one found nothing: a person is asked."""

SCHEDULES_BY_GATEWAY: Mapping[str, tuple[int, ...]] = {}
"""Gateways that answer later than others, or want to be asked less often. The first look is always after 5 s."""

FIRST_LOOK_AFTER = timedelta(seconds=SCHEDULE_SECONDS[0])
"""From the moment an outcome was found to be unknown."""

STALE_AFTER = timedelta(minutes=2)
"""A command that was started this long ago and of which nothing more is recorded is of unknown outcome: whoever ran it
has stopped, and a gateway's call never takes so long."""

KEY_MARGIN = 5 / 6
"""Which part of the time that a gateway keeps an idempotency key is relied on: clocks differ, and a call takes time."""

LEASE = timedelta(minutes=2)
"""How long a claim keeps others away. Two at work on the same thing do no harm, but ask the gateway twice."""


def repeatable_for(registration: Registration) -> timedelta:
    """How long a call may be repeated under its idempotency key: not at all where the gateway has no such keys."""
    if not registration.has(Capability.REPEATS_SAFELY):
        return timedelta(0)
    return registration.keys_kept_for * KEY_MARGIN


def schedule_of(gateway: str) -> tuple[int, ...]:
    """The waits before each look, in seconds."""
    return SCHEDULES_BY_GATEWAY.get(gateway, SCHEDULE_SECONDS)


def next_look(gateway: str, attempts: int, now: datetime) -> datetime | None:
    """When to look again after so many looks; None at the end of the schedule."""
    schedule = schedule_of(gateway)
    return now + timedelta(seconds=schedule[attempts]) if attempts < len(schedule) else None


def later_look(gateway: str, now: datetime) -> datetime:
    """When to look again after a person was asked: seldom, because the answer may still come by itself."""
    return now + timedelta(seconds=schedule_of(gateway)[-1])
