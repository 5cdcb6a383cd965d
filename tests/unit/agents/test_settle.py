"""The live view adds each entry once, whatever is replayed."""

from datetime import UTC, datetime

from agents.settle import Totals, add_to_totals, running_totals, table_key
from domain.ledger import Cause
from topics.settlement import SettlementEntry


def entry(gross_minor: int, fee_minor: int) -> SettlementEntry:
    return SettlementEntry(
        entry_id="e1",
        account="demo",
        recipient_type="tenant",
        recipient_id="demo",
        currency="USD",
        payment_id="p1",
        gateway="stripe",
        cause=Cause.CAPTURE,
        gross_minor=gross_minor,
        fee_minor=fee_minor,
        net_minor=gross_minor - fee_minor,
        occurred_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def test_entries_add_up_and_the_sequence_is_the_highest() -> None:
    totals: Totals = {}
    for sequence, (gross, fee) in enumerate([(1000, 30), (-400, 0), (50, 1)], start=7):
        totals = add_to_totals(totals, entry(gross, fee), sequence) or totals
    assert totals == {"gross_minor": 650, "fee_minor": 31, "net_minor": 619, "entry_count": 3, "sequence": 9}


def test_a_replayed_entry_adds_nothing() -> None:
    totals = add_to_totals({}, entry(1000, 30), 7)
    assert totals is not None
    assert add_to_totals(totals, entry(1000, 30), 7) is None
    assert add_to_totals(totals, entry(999, 30), 3) is None


def test_running_totals_carry_the_window_of_the_event_time() -> None:
    totals = add_to_totals({}, entry(1000, 30), 7)
    assert totals is not None
    value = running_totals(entry(1000, 30), totals, 3600)
    assert value.window_start == datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
    assert value.window_end == datetime(2026, 1, 2, 4, 0, tzinfo=UTC)
    assert (value.net_minor, value.sequence) == (970, 7)


def test_the_tables_key_is_the_streams_key() -> None:
    assert table_key(entry(1, 0)) == "demo:tenant:demo:USD"
