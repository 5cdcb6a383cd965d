"""When settlement windows begin and end: an account's schedule, with its cut-off on a local clock, and its changes.

Windows are half-open and tile the time line: every instant is in exactly one, whatever a zone's clock does. A day at a
local cut-off has 23 or 25 hours when the clock is changed.

- A cut-off that the clock jumps over is the instant of the jump.
- A cut-off that the clock shows twice is its first time.
- An hour is sixty minutes of elapsed time, from one full hour of the local clock to the next. Only where a clock is
  set by something else than whole hours is the hour in which that happens cut in two.

Before `EARLIEST` and from `LATEST` on there is one window each: times that no gateway can mean still have their place.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import InvalidInput
from domain.settlement import Window

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)
_BEFORE = Window(datetime.min.replace(tzinfo=UTC), EARLIEST)
_AFTER = Window(LATEST, datetime.max.replace(tzinfo=UTC))
_EPOCH = datetime.fromtimestamp(0, UTC)
_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
_DAYS_OF_WEEK = 7
_REMEMBERED = 4_096


class Cadence(StrEnum):
    """How often windows end."""

    FIXED = "fixed"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How windows follow each other.

    - `size_seconds`: the size of a fixed window; they are aligned to the epoch.
    - `time_zone`: an IANA name; `cut_off`: the local time, in whole minutes, at which days and weeks end.
    - `weekday`: on which day a week ends, 0 is Monday.
    """

    cadence: Cadence
    size_seconds: int | None = None
    time_zone: str = "UTC"
    cut_off: time = time(0)
    weekday: int | None = None

    def __post_init__(self) -> None:
        is_sized = self.size_seconds is not None and self.size_seconds > 0
        if (self.cadence is Cadence.FIXED) != is_sized or (self.size_seconds is not None and not is_sized):
            raise InvalidInput("a fixed schedule, and no other, has a size of at least a second", field="size_seconds")
        if (self.cadence is Cadence.WEEKLY) != (self.weekday is not None):
            raise InvalidInput("a weekly schedule, and no other, ends on a weekday", field="weekday")
        if self.weekday is not None and not 0 <= self.weekday < _DAYS_OF_WEEK:
            raise InvalidInput("weekdays are counted from 0, Monday, to 6, Sunday", field="weekday")
        if self.cut_off.tzinfo is not None or self.cut_off.second or self.cut_off.microsecond or self.cut_off.fold:
            raise InvalidInput("a cut-off is a local time in whole minutes", field="cut_off")
        if self.cut_off != time(0) and self.cadence not in {Cadence.DAILY, Cadence.WEEKLY}:
            raise InvalidInput("only days and weeks end at a cut-off", field="cut_off")
        _zone(self.time_zone)


def fixed_schedule(size_seconds: int) -> Schedule:
    """Windows of one size in UTC, which is what an account without a schedule of its own has."""
    return Schedule(cadence=Cadence.FIXED, size_seconds=size_seconds)


def window_of(occurred_at: datetime, schedule: Schedule) -> Window:
    """The window that an event time falls in, in UTC."""
    if occurred_at < EARLIEST:
        return _BEFORE
    if occurred_at >= LATEST:
        return _AFTER
    moment = occurred_at.astimezone(UTC)
    if schedule.size_seconds is not None:
        window = _tumbling(moment, timedelta(seconds=schedule.size_seconds))
    elif schedule.cadence is Cadence.HOURLY:
        window = _hour_of(moment, _zone(schedule.time_zone))
    else:
        window = _between_cut_offs(moment, schedule)
    return Window(max(window.start, EARLIEST), min(window.end, LATEST))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleVersion:
    """A schedule and from when it counts.

    - `grace_seconds`: how long its windows wait for late entries; None means as long as the settings say.
    - `is_default`: nobody chose it for the account; it follows the settings.
    """

    effective_from: datetime
    schedule: Schedule
    grace_seconds: int | None = None
    is_default: bool = False

    def from_time(self, effective_from: datetime) -> "ScheduleVersion":
        """The same, counting from another time."""
        return replace(self, effective_from=effective_from)


@dataclass(frozen=True, slots=True)
class ScheduleHistory:
    """An account's schedules, by the time from which each counts; the first counts from `EARLIEST`.

    A window ends at the latest where the next schedule begins to count, so that a change leaves neither a gap nor an
    instant with two windows.
    """

    versions: tuple[ScheduleVersion, ...]

    def __post_init__(self) -> None:
        times = [version.effective_from for version in self.versions]
        if not times or times[0] != EARLIEST or sorted(set(times)) != times:
            raise InvalidInput("schedules count one after the other, the first from the beginning", field="versions")

    def window_of(self, occurred_at: datetime) -> Window:
        """The window that an event time falls in."""
        if occurred_at < EARLIEST:
            return _BEFORE
        position = self._position(occurred_at)
        version = self.versions[position]
        window = window_of(occurred_at, version.schedule)
        later = self.versions[position + 1 : position + 2]
        end = min(window.end, later[0].effective_from) if later else window.end
        return Window(max(window.start, version.effective_from), end)

    def version_at(self, moment: datetime) -> ScheduleVersion:
        """The schedule that counts at a time."""
        return self.versions[max(0, self._position(moment))]

    def _position(self, moment: datetime) -> int:
        return bisect_right(self.versions, moment, key=lambda version: version.effective_from) - 1


def first_version(schedule: Schedule, *, grace_seconds: int | None = None, is_default: bool = False) -> ScheduleVersion:
    """A schedule that has always counted."""
    return ScheduleVersion(
        effective_from=EARLIEST, schedule=schedule, grace_seconds=grace_seconds, is_default=is_default
    )


def _tumbling(moment: datetime, size: timedelta) -> Window:
    passed = (moment - _EPOCH) // size * size
    # The first and the last window of a very large size reach beyond what a datetime can hold.
    start = EARLIEST if passed < EARLIEST - _EPOCH else _EPOCH + passed
    return Window(start, LATEST if passed > LATEST - _EPOCH - size else _EPOCH + passed + size)


def _hour_of(moment: datetime, zone: ZoneInfo) -> Window:
    """The hour of the local clock, cut where the clock is set by something else than whole hours."""

    def past_the_hour(at: datetime) -> timedelta:
        return (at.astimezone(zone).utcoffset() or timedelta()) % _HOUR

    shift = past_the_hour(moment)
    start = _EPOCH + (moment - _EPOCH + shift) // _HOUR * _HOUR - shift
    end = start + _HOUR
    if past_the_hour(start) != shift:
        start = _first_second(start, moment.replace(microsecond=0), lambda at: past_the_hour(at) == shift)
    if past_the_hour(end - _SECOND) != shift:
        end = _first_second(moment.replace(microsecond=0), end, lambda at: past_the_hour(at) != shift)
    return Window(start, end)


def _between_cut_offs(moment: datetime, schedule: Schedule) -> Window:
    day = moment.astimezone(_zone(schedule.time_zone)).date()
    days = 1
    if schedule.weekday is not None:
        days = _DAYS_OF_WEEK
        day -= timedelta(days=(day.weekday() - schedule.weekday) % days)
    # Two more on each side, because a zone that changed sides of the date line has skipped a whole day.
    cut_offs = sorted({_instant_of(day + timedelta(days=days * step), schedule) for step in range(-2, 4)})
    following = bisect_right(cut_offs, moment)
    return Window(cut_offs[following - 1], cut_offs[following])


@lru_cache(_REMEMBERED)
def _instant_of(day: date, schedule: Schedule) -> datetime:
    """When the local clock first shows the cut-off of a day, or something later."""
    zone = _zone(schedule.time_zone)
    wall = datetime.combine(day, schedule.cut_off)
    instant = wall.replace(tzinfo=zone).astimezone(UTC)

    def has_come(at: datetime) -> bool:
        return at.astimezone(zone).replace(tzinfo=None) >= wall

    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    # The clock jumps over it. Read by the clock after the jump, it lies before the jump, and the other way round.
    return _first_second(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant, has_come)


def _first_second(before: datetime, after: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The first full second, later than `before` and up to `after`, at which something holds that then goes on."""
    low, high = 0, int((after - before) / _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(before + middle * _SECOND):
            high = middle
        else:
            low = middle
    return before + high * _SECOND


@lru_cache(_REMEMBERED)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"{name!r} is not a time zone of the IANA database", field="time_zone") from error
