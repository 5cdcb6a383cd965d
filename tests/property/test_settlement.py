"""Windows tile the time line, and batches add up however the entries are divided among them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.settlement import EntryAmounts, sum_entries, window_of

TIMES = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - Hypothesis wants bounds without a zone and adds the zone itself.
    max_value=datetime(2999, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.one_of(st.just(UTC), st.timezones()),
)
SIZES = st.one_of(st.sampled_from([1, 5, 60, 3600, 86_400]), st.integers(min_value=1, max_value=10**7))
TICK = timedelta(microseconds=1)


@st.composite
def entries(draw: st.DrawFn) -> EntryAmounts:
    gross, fee = draw(st.integers(-(10**9), 10**9)), draw(st.integers(0, 10**6))
    return EntryAmounts(draw(st.sampled_from(["pay_1", "pay_2", "pay_3"])), gross, fee, gross - fee)


@settings(max_examples=1000, deadline=None)
@given(TIMES, SIZES)
def test_every_time_falls_in_exactly_one_half_open_window(occurred_at: datetime, size_seconds: int) -> None:
    window = window_of(occurred_at, size_seconds)
    assert window.start <= occurred_at < window.end
    assert window.end - window.start == timedelta(seconds=size_seconds)
    assert window_of(window.start, size_seconds) == window
    assert window_of(window.end - TICK, size_seconds) == window
    assert window_of(window.end, size_seconds).start == window.end
    assert window_of(window.start - TICK, size_seconds).end == window.start


@settings(max_examples=500, deadline=None)
@given(TIMES, TIMES, SIZES)
def test_two_times_share_a_window_or_their_windows_do_not_touch(
    one: datetime, other: datetime, size_seconds: int
) -> None:
    first, second = sorted((window_of(one, size_seconds), window_of(other, size_seconds)), key=lambda w: w.start)
    assert first == second or first.end <= second.start


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(entries(), st.integers(0, 3)), max_size=20))
def test_batches_add_up_however_entries_are_divided_among_them(numbered: list[tuple[EntryAmounts, int]]) -> None:
    whole = sum_entries(entry for entry, _ in numbered)
    batches = [sum_entries(entry for entry, batch in numbered if batch == number) for number in range(4)]
    assert whole.net_minor == whole.gross_minor - whole.fee_minor == sum(batch.net_minor for batch in batches)
    assert whole.gross_minor == sum(batch.gross_minor for batch in batches)
    assert whole.fee_minor == sum(batch.fee_minor for batch in batches)
    assert whole.entry_count == len(numbered) == sum(batch.entry_count for batch in batches)
    assert set(whole.payment_ids) == {name for batch in batches for name in batch.payment_ids}
