"""Ids that are the same for the same thing, different for different things, and sorted by time."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from domain.identifiers import time_ordered_id

MOMENT = datetime(2026, 11, 21, 12, 30, 15, 123_456, tzinfo=UTC)
FIRST, LAST = datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("9999-12-30")
MOMENTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


def test_an_id_is_a_version_8_uuid_that_begins_with_its_milliseconds() -> None:
    made = time_ordered_id(MOMENT, "pay_1|capture")
    assert (made.version, made.variant) == (8, uuid.RFC_4122)
    assert made.int >> 80 == int(MOMENT.timestamp() * 1_000)


def test_an_id_is_the_same_again_wherever_its_time_is_written() -> None:
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert time_ordered_id(elsewhere, "pay_1|capture") == time_ordered_id(MOMENT, "pay_1|capture")


def test_it_never_changes_between_versions_of_this_code() -> None:
    assert str(time_ordered_id(MOMENT, "pay_1|capture")) == "01a1fe15-f853-8d50-93df-8f589c76f5ce"


@given(MOMENTS, st.text(), st.text())
def test_different_things_at_one_time_have_different_ids(moment: datetime, one: str, other: str) -> None:
    assert (time_ordered_id(moment, one) == time_ordered_id(moment, other)) is (one == other)


@given(MOMENTS, MOMENTS, st.text(), st.text())
def test_ids_sort_by_time_to_the_millisecond(early: datetime, late: datetime, one: str, other: str) -> None:
    if early + timedelta(milliseconds=1) <= late:
        assert time_ordered_id(early, one) < time_ordered_id(late, other)


def test_a_time_before_all_others_has_an_id_too() -> None:
    assert time_ordered_id(datetime(1950, 1, 1, tzinfo=UTC), "pay_1").int >> 80 == 0
