"""Windows tile the time line: every instant is in exactly one, in every zone, and across changes of a schedule."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import event, given, settings
from hypothesis import strategies as st

from domain.schedule import (
    EARLIEST,
    Cadence,
    Schedule,
    ScheduleHistory,
    ScheduleVersion,
    first_version,
    fixed_schedule,
    window_of,
)
from domain.settlement import Window

ODD_ZONES = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/Monrovia", "America/Asuncion", "America/Caracas", "America/Havana",
    "America/Juneau", "America/Sao_Paulo", "America/St_Johns", "Antarctica/Troll", "Asia/Gaza", "Asia/Kathmandu",
    "Asia/Pyongyang", "Asia/Tehran", "Atlantic/Azores", "Australia/Lord_Howe", "Europe/Berlin", "Europe/Dublin",
    "Pacific/Apia", "Pacific/Chatham", "Pacific/Kwajalein",
)  # fmt: skip
"""Zones that change at midnight, by half an hour or two, by the minute, over a whole day, or the other way round."""

TICK = timedelta(microseconds=1)
ANY_TIME = st.datetimes(
    min_value=datetime(1900, 1, 2),  # noqa: DTZ001 - Hypothesis wants bounds without a zone and adds the zone itself.
    max_value=datetime(2999, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
CUT_OFFS = st.one_of(
    st.sampled_from([time(0), time(0, 1), time(0, 30), time(1), time(1, 30), time(2), time(2, 30), time(23, 59)]),
    st.builds(time, st.integers(0, 23), st.integers(0, 59)),
)
ZONES = st.one_of(st.sampled_from(ODD_ZONES), st.timezone_keys(allow_prefix=False))
SCHEDULES = st.one_of(
    st.builds(fixed_schedule, st.one_of(st.sampled_from([1, 5, 60, 3600, 86_400]), st.integers(1, 10**7))),
    st.builds(Schedule, cadence=st.just(Cadence.HOURLY), time_zone=ZONES),
    st.builds(Schedule, cadence=st.just(Cadence.DAILY), time_zone=ZONES, cut_off=CUT_OFFS),
    st.builds(Schedule, cadence=st.just(Cadence.WEEKLY), time_zone=ZONES, cut_off=CUT_OFFS, weekday=st.integers(0, 6)),
)


def clock_changes(zone: ZoneInfo) -> list[datetime]:
    """When a zone's clock was set, to the second, as far as looking once a day finds it."""
    found = []
    days = [datetime(1965, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in range(28_000)]
    for before, after in pairwise(days):
        low, high = before, after
        if low.astimezone(zone).utcoffset() == high.astimezone(zone).utcoffset():
            continue
        while high - low > timedelta(seconds=1):
            middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
            same = middle.astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset()
            low, high = (middle, high) if same else (low, middle)
        found.append(high)
    return found


CHANGES = {name: clock_changes(ZoneInfo(name)) for name in ODD_ZONES}


@st.composite
def near_a_clock_change(draw: st.DrawFn) -> tuple[datetime, Schedule]:
    """A moment within hours of a change of the clock, and a schedule on that clock whose cut-off is near it."""
    zone = draw(st.sampled_from(ODD_ZONES))
    change = draw(st.sampled_from(CHANGES[zone]))
    cut_off = (change + timedelta(minutes=draw(st.integers(-150, 150)))).astimezone(ZoneInfo(zone)).time()
    moment = change + timedelta(
        seconds=draw(st.integers(-9_000, 9_000)), microseconds=draw(st.sampled_from([-1, 0, 1]))
    )
    cut_off = cut_off.replace(second=0, microsecond=0, fold=0, tzinfo=None)
    cadence = draw(st.sampled_from([Cadence.HOURLY, Cadence.DAILY, Cadence.WEEKLY]))
    weekday = (change.astimezone(ZoneInfo(zone)).weekday() + draw(st.integers(-1, 1))) % 7
    return moment, Schedule(
        cadence=cadence,
        time_zone=zone,
        cut_off=time(0) if cadence is Cadence.HOURLY else cut_off,
        weekday=weekday if cadence is Cadence.WEEKLY else None,
    )


def assert_tiled(moment: datetime, schedule: Schedule | ScheduleHistory) -> Window:
    """What holds of the window of a moment, and of its neighbours."""

    def window_at(when: datetime) -> Window:
        return schedule.window_of(when) if isinstance(schedule, ScheduleHistory) else window_of(when, schedule)

    window = window_at(moment)
    assert window.start <= moment < window.end
    assert window.start.utcoffset() == window.end.utcoffset() == timedelta(0)
    assert window_at(window.start) == window_at(window.end - TICK) == window
    assert window_at(window.end).start == window.end
    assert window_at(window.start - TICK).end == window.start
    return window


@settings(max_examples=1500, deadline=None)
@given(ANY_TIME, SCHEDULES)
def test_every_time_falls_in_exactly_one_half_open_window(moment: datetime, schedule: Schedule) -> None:
    assert_tiled(moment, schedule)


@settings(max_examples=1500, deadline=None)
@given(near_a_clock_change())
def test_windows_tile_where_a_clock_is_changed(case: tuple[datetime, Schedule]) -> None:
    moment, schedule = case
    window = assert_tiled(moment, schedule)
    usual = {Cadence.HOURLY: 1, Cadence.DAILY: 24, Cadence.WEEKLY: 168}[schedule.cadence]
    length = (window.end - window.start) / timedelta(hours=1)
    event("as long as usual" if length == usual else "shorter" if length < usual else "longer")
    assert length <= usual if schedule.cadence is Cadence.HOURLY else length <= usual + 25


@settings(max_examples=500, deadline=None)
@given(near_a_clock_change())
def test_a_daily_window_ends_when_the_local_clock_first_reaches_its_cut_off(case: tuple[datetime, Schedule]) -> None:
    moment, schedule = case
    if schedule.cadence is not Cadence.DAILY:
        return
    zone = ZoneInfo(schedule.time_zone)
    end = window_of(moment, schedule).end
    shows, showed = (when.astimezone(zone).replace(tzinfo=None) for when in (end, end - TICK))
    wanted = datetime.combine(shows.date(), schedule.cut_off)
    reached = wanted if wanted <= shows else wanted - timedelta(days=1)
    assert showed < reached <= shows


@settings(max_examples=500, deadline=None)
@given(ANY_TIME, ANY_TIME, SCHEDULES)
def test_two_times_share_a_window_or_their_windows_do_not_touch(
    one: datetime, other: datetime, schedule: Schedule
) -> None:
    first, second = sorted((window_of(one, schedule), window_of(other, schedule)), key=lambda window: window.start)
    assert first == second or first.end <= second.start


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(ANY_TIME, SCHEDULES), min_size=1, max_size=5, unique_by=lambda change: change[0]),
    SCHEDULES,
    ANY_TIME,
    st.integers(-100, 100),
)
def test_windows_tile_across_changes_of_a_schedule(
    changes: Sequence[tuple[datetime, Schedule]], first: Schedule, moment: datetime, seconds: int
) -> None:
    later = sorted(
        (ScheduleVersion(effective_from=start, schedule=schedule) for start, schedule in changes),
        key=lambda version: version.effective_from,
    )
    history = ScheduleHistory((first_version(first), *later))
    near = max(later[0].effective_from + timedelta(seconds=seconds), EARLIEST + timedelta(days=1))
    for when in (moment, near, later[0].effective_from):
        assert_tiled(when, history)
