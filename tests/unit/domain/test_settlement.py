from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.errors import InvariantViolated, OperationNotAllowed
from domain.settlement import (
    BATCH_TRANSITIONS,
    BatchStatus,
    BatchTotals,
    EntryAmounts,
    Recipient,
    Window,
    check_transition,
    first_status,
    sum_entries,
    window_of,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_window_includes_its_start_and_excludes_its_end() -> None:
    hour = Window(NOON, NOON + timedelta(hours=1))
    assert window_of(NOON, 3600) == hour
    assert window_of(hour.end - timedelta(microseconds=1), 3600) == hour
    assert window_of(hour.end, 3600) == Window(hour.end, hour.end + timedelta(hours=1))


def test_windows_are_aligned_to_utc_whatever_the_zone_of_the_event() -> None:
    in_tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert window_of(in_tokyo, 86_400) == window_of(NOON, 86_400)
    assert window_of(in_tokyo, 86_400).start.utcoffset() == timedelta(0)


def test_times_before_the_epoch_have_their_window_too() -> None:
    before = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert window_of(before, 60).end == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_batch_adds_its_entries_up() -> None:
    entries = [
        EntryAmounts("pay_2", 1000, 30, 970),
        EntryAmounts("pay_1", 500, 0, 500),
        EntryAmounts("pay_2", -400, 0, -400),
    ]
    assert sum_entries(entries) == BatchTotals(1100, 30, 1070, 3, ("pay_1", "pay_2"))
    assert sum_entries([]) == BatchTotals(0, 0, 0, 0, ())


def test_an_entry_that_does_not_add_up_stops_the_batch() -> None:
    with pytest.raises(InvariantViolated, match="pay_1"):
        sum_entries([EntryAmounts("pay_1", 1000, 30, 971)])


def test_up_to_the_threshold_a_batch_needs_nobody() -> None:
    assert first_status(100, 100) is BatchStatus.APPROVED
    assert first_status(101, 100) is BatchStatus.DRAFT


@pytest.mark.parametrize("old", BatchStatus)
@pytest.mark.parametrize("new", BatchStatus)
def test_a_batch_moves_only_along_the_table(old: BatchStatus, new: BatchStatus) -> None:
    if new in BATCH_TRANSITIONS[old]:
        check_transition("batch_1", old, new)
        return
    with pytest.raises(OperationNotAllowed, match=f"batch_1 is {old} and cannot become {new}"):
        check_transition("batch_1", old, new)


def test_a_batch_that_is_done_stays_done() -> None:
    assert {status for status, following in BATCH_TRANSITIONS.items() if not following} == {
        BatchStatus.COMPLETED,
        BatchStatus.FAILED,
    }


def test_the_key_of_a_recipient_tells_account_type_id_and_currency_apart() -> None:
    assert Recipient("demo", "tenant", "shop", "USD").key == "demo:tenant:shop:USD"
