"""Cut-offs on real clocks: days of 23 and 25 hours, times that do not exist, times that exist twice, skipped days."""

from datetime import UTC, datetime, time, timedelta, timezone

import pytest

from domain.errors import InvalidInput
from domain.schedule import (
    EARLIEST,
    LATEST,
    Cadence,
    Schedule,
    ScheduleHistory,
    ScheduleVersion,
    first_version,
    fixed_schedule,
    window_of,
)
from domain.settlement import Window

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def daily(time_zone: str, cut_off: str = "00:00") -> Schedule:
    return Schedule(cadence=Cadence.DAILY, time_zone=time_zone, cut_off=time.fromisoformat(cut_off))


def hourly(time_zone: str) -> Schedule:
    return Schedule(cadence=Cadence.HOURLY, time_zone=time_zone)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_a_window_includes_its_start_and_excludes_its_end() -> None:
    hour = Window(NOON, NOON + HOUR)
    assert window_of(NOON, fixed_schedule(3600)) == hour
    assert window_of(hour.end - TICK, fixed_schedule(3600)) == hour
    assert window_of(hour.end, fixed_schedule(3600)) == Window(hour.end, hour.end + HOUR)


def test_fixed_windows_are_aligned_to_utc_whatever_the_zone_of_the_event() -> None:
    in_tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert window_of(in_tokyo, fixed_schedule(86_400)) == window_of(NOON, fixed_schedule(86_400))
    assert window_of(in_tokyo, fixed_schedule(86_400)).start.utcoffset() == timedelta(0)


def test_times_before_the_epoch_have_their_window_too() -> None:
    before = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert window_of(before, fixed_schedule(60)).end == datetime(1970, 1, 1, tzinfo=UTC)


def test_times_that_no_gateway_can_mean_have_one_window_on_each_side() -> None:
    for schedule in (fixed_schedule(60), hourly("Europe/Berlin"), daily("Pacific/Apia", "17:30")):
        assert window_of(datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), schedule).end == EARLIEST
        assert window_of(EARLIEST, schedule).start == EARLIEST
        assert window_of(LATEST - TICK, schedule).end == LATEST
        assert window_of(datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))), schedule).start == LATEST


def test_a_window_may_be_larger_than_all_time() -> None:
    assert window_of(NOON, fixed_schedule(10**12)) == Window(datetime(1970, 1, 1, tzinfo=UTC), LATEST)


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2026-03-28T23:30+01:00", "2026-03-28T17:00+01:00", "2026-03-29T17:00+02:00"),
        ("2026-03-29T17:00+02:00", "2026-03-29T17:00+02:00", "2026-03-30T17:00+02:00"),
        ("2026-10-25T02:30+02:00", "2026-10-24T17:00+02:00", "2026-10-25T17:00+01:00"),
    ],
)
def test_a_day_has_23_or_25_hours_when_the_clock_is_changed(moment: str, start: str, end: str) -> None:
    assert window_of(at(moment), daily("Europe/Berlin", "17:00")) == Window(at(start), at(end))


def test_a_cut_off_that_the_clock_jumps_over_is_the_jump() -> None:
    jump = at("2026-03-29T03:00+02:00")
    windows = [window_of(moment, daily("Europe/Berlin", "02:30")) for moment in (jump - TICK, jump)]
    assert [window.end for window in windows] == [jump, at("2026-03-30T02:30+02:00")]
    assert windows[1].start == jump


def test_a_cut_off_that_the_clock_shows_twice_is_its_first_time() -> None:
    first, second = at("2026-10-25T02:30+02:00"), at("2026-10-25T02:30+01:00")
    schedule = daily("Europe/Berlin", "02:30")
    assert window_of(first, schedule) == window_of(second, schedule)
    assert window_of(second, schedule).start == first


def test_a_clock_that_goes_back_over_midnight_does_not_end_the_day_twice() -> None:
    # Until 2011 Newfoundland went back from one minute past midnight to one minute past eleven of the day before.
    first_midnight, again = at("2010-11-07T00:00-02:30"), at("2010-11-06T23:30-03:30")
    window = window_of(again, daily("America/St_Johns"))
    assert window == Window(first_midnight, at("2010-11-08T00:00-03:30"))


def test_a_day_that_a_country_skipped_has_no_window() -> None:
    # Samoa went from the 29th to the 31st of December 2011.
    change = at("2011-12-31T00:00+14:00")
    schedule = daily("Pacific/Apia", "12:00")
    assert window_of(change - TICK, schedule) == Window(at("2011-12-29T12:00-10:00"), change)
    assert window_of(change, schedule) == Window(change, at("2011-12-31T12:00+14:00"))


def test_hours_are_those_of_the_local_clock() -> None:
    assert window_of(at("2026-03-01T10:20+05:45"), hourly("Asia/Kathmandu")) == Window(
        at("2026-03-01T10:00+05:45"), at("2026-03-01T11:00+05:45")
    )


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_an_hour_stays_an_hour_when_the_clock_is_changed_by_one(day: str) -> None:
    midnight = at(f"{day}T00:00+00:00")
    windows = {window_of(midnight + minutes * timedelta(minutes=1), hourly("Europe/Berlin")) for minutes in range(240)}
    assert sorted(window.start for window in windows) == [midnight + number * HOUR for number in range(4)]
    assert {window.end - window.start for window in windows} == {HOUR}


def test_an_hour_is_cut_where_the_clock_is_set_by_half_an_hour() -> None:
    # Lord Howe Island goes from two o'clock to half past one, and from two to half past two.
    back, ahead = at("2026-04-05T01:30+10:30"), at("2026-10-04T02:30+11:00")
    island = hourly("Australia/Lord_Howe")
    assert [window_of(back - TICK, island), window_of(back, island)] == [
        Window(back - HOUR, back),
        Window(back, back + HOUR / 2),
    ]
    assert [window_of(ahead - TICK, island), window_of(ahead, island)] == [
        Window(ahead - HOUR, ahead),
        Window(ahead, ahead + HOUR / 2),
    ]


def test_a_week_ends_on_its_weekday_at_the_cut_off() -> None:
    fridays = Schedule(cadence=Cadence.WEEKLY, time_zone="Europe/Berlin", cut_off=time(17), weekday=4)
    week = Window(at("2026-03-27T17:00+01:00"), at("2026-04-03T17:00+02:00"))
    assert window_of(week.start, fridays) == week
    assert window_of(week.end - TICK, fridays) == week
    assert week.end - week.start == timedelta(days=7) - HOUR


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("size_seconds", {"cadence": Cadence.FIXED}),
        ("size_seconds", {"cadence": Cadence.FIXED, "size_seconds": 0}),
        ("size_seconds", {"cadence": Cadence.DAILY, "size_seconds": 60}),
        ("weekday", {"cadence": Cadence.WEEKLY}),
        ("weekday", {"cadence": Cadence.WEEKLY, "weekday": 7}),
        ("weekday", {"cadence": Cadence.DAILY, "weekday": 1}),
        ("cut_off", {"cadence": Cadence.DAILY, "cut_off": time(1, 2, 3)}),
        ("cut_off", {"cadence": Cadence.DAILY, "cut_off": time(1, tzinfo=UTC)}),
        ("cut_off", {"cadence": Cadence.HOURLY, "cut_off": time(1)}),
        ("time_zone", {"cadence": Cadence.HOURLY, "time_zone": "Middle/Earth"}),
        ("time_zone", {"cadence": Cadence.HOURLY, "time_zone": "../../etc/passwd"}),
        ("time_zone", {"cadence": Cadence.HOURLY, "time_zone": "Europe"}),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(field: str, values: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Schedule(**values)  # type: ignore[arg-type] # Some of the fields, each at its own type.
    assert refusal.value.field == field


def test_a_change_leaves_windows_that_are_open_their_ends() -> None:
    change = at("2026-03-02T00:00+00:00")
    history = ScheduleHistory(
        (
            first_version(fixed_schedule(86_400)),
            ScheduleVersion(effective_from=change, schedule=daily("Asia/Tokyo", "17:00"), grace_seconds=5),
        )
    )
    assert history.window_of(change - TICK) == Window(change - 24 * HOUR, change)
    assert history.window_of(change) == Window(change, at("2026-03-02T17:00+09:00"))
    assert history.window_of(at("2026-03-02T17:00+09:00")).end == at("2026-03-03T17:00+09:00")
    assert history.version_at(change - TICK).grace_seconds is None
    assert history.version_at(change).grace_seconds == 5
    assert history.window_of(datetime.min.replace(tzinfo=UTC)).end == EARLIEST


def test_a_change_in_mid_window_cuts_it_in_two() -> None:
    change = NOON + timedelta(minutes=20)
    later = ScheduleVersion(effective_from=change, schedule=fixed_schedule(3600))
    history = ScheduleHistory((first_version(fixed_schedule(3600)), later))
    assert history.window_of(NOON) == Window(NOON, change)
    assert history.window_of(change) == Window(change, NOON + HOUR)


@pytest.mark.parametrize("times", [(), (NOON,), (EARLIEST, NOON, NOON), (EARLIEST, NOON, NOON - HOUR)])
def test_a_history_has_a_beginning_and_an_order(times: tuple[datetime, ...]) -> None:
    versions = tuple(ScheduleVersion(effective_from=start, schedule=fixed_schedule(60)) for start in times)
    with pytest.raises(InvalidInput):
        ScheduleHistory(versions)
