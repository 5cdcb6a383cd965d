"""Windows close into batches, and every entry is paid exactly once."""

import asyncio
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from domain.facts import FactKind
from domain.window_totals import WindowTotals
from services.apply_events import apply_events
from services.settle import SequencedEntry, SettlementRules, catch_up, close_windows, count_entries
from services.settlement_rules import set_thresholds
from storage.settlement_rules import PayoutThresholds
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, fact, open_account, open_payment, received, rows
from topics.settlement import SettlementEntry

RULES = SettlementRules(
    window_seconds=3600, grace_seconds=60, auto_approve_threshold_minor=500, catch_up_after_seconds=0
)
HOUR = timedelta(hours=1)
FEE = 59


@pytest.fixture
async def books(database: Database) -> Database:
    """A database with one account and one payment."""
    await open_account(database)
    await open_payment(database)
    return database


async def capture(database: Database, event_id: str, amount: int, at: datetime = NOW) -> None:
    captured = fact(event_id, FactKind.CAPTURED, movement_reference=event_id, amount_minor=amount, occurred_at=at)
    await apply_events(database, received(captured), at)


async def refund(database: Database, event_id: str, amount: int, at: datetime) -> None:
    refunded = fact(event_id, FactKind.REFUNDED, movement_reference=event_id, amount_minor=amount, occurred_at=at)
    await apply_events(database, received(refunded), at)


async def published(database: Database) -> list[SequencedEntry]:
    """The entries as the stream would bring them."""
    found = await rows(database, "select payload from outbox where aggregatetype = 'settlement.entries.v1' order by id")
    return [
        SequencedEntry(entry=SettlementEntry.model_validate_json(str(row[0])), sequence=number)
        for number, row in enumerate(found, start=1)
    ]


async def batches(database: Database) -> list[tuple[object, ...]]:
    return await rows(
        database,
        "select net_minor, entry_count, status, approved_by from payout_batches order by created_at, net_minor",
    )


async def test_entries_are_counted_once_however_often_the_stream_brings_them(books: Database) -> None:
    await capture(books, "ch_1", 1000)
    entries = await published(books)
    for _ in range(3):
        await count_entries(books, [*entries, *entries], RULES, NOW)
    assert await rows(
        books, "select gross_minor, fee_minor, net_minor, entry_count, sequence from settlement_windows"
    ) == [(1000, FEE, 1000 - FEE, 1, 1)]


async def test_a_window_closes_after_its_grace_and_not_before(books: Database) -> None:
    await capture(books, "ch_1", 1000)
    await catch_up(books, RULES, NOW + timedelta(seconds=1))
    end = NOW.replace(minute=0, second=0) + HOUR
    assert await close_windows(books, RULES, end + timedelta(seconds=59)) == []
    assert len(await close_windows(books, RULES, end + timedelta(seconds=60))) == 1
    assert await batches(books) == [(1000 - FEE, 1, "draft", None)]


async def test_up_to_the_threshold_a_batch_approves_itself(books: Database) -> None:
    await capture(books, "ch_1", 400)
    await catch_up(books, RULES, NOW + timedelta(seconds=1))
    await close_windows(books, RULES, NOW + 2 * HOUR)
    assert await batches(books) == [(400 - 12 - 30, 1, "approved", "settlement-agent")]


async def test_an_entry_that_is_not_counted_holds_the_watermark_back(books: Database) -> None:
    await capture(books, "ch_1", 1000)
    await count_entries(books, await published(books), RULES, NOW)
    await capture(books, "ch_2", 500, NOW + timedelta(seconds=10))
    assert await close_windows(books, RULES, NOW + 2 * HOUR) == []
    await catch_up(books, RULES, NOW + HOUR)
    assert len(await close_windows(books, RULES, NOW + 2 * HOUR)) == 1


async def test_a_negative_balance_carries_into_the_next_window(books: Database) -> None:
    await capture(books, "ch_1", 1000)
    await catch_up(books, RULES, NOW + timedelta(seconds=1))
    await close_windows(books, RULES, NOW + 2 * HOUR)
    await refund(books, "re_1", 600, NOW + 2 * HOUR)
    await catch_up(books, RULES, NOW + 3 * HOUR)
    await close_windows(books, RULES, NOW + 4 * HOUR)
    assert len(await batches(books)) == 1
    await open_payment(books, "p2", reference="pi_2")
    second = fact("evt_2", FactKind.CAPTURED, provider_reference="pi_2", occurred_at=NOW + 5 * HOUR)
    await apply_events(books, received(second), NOW)
    await catch_up(books, RULES, NOW + 5 * HOUR)
    await close_windows(books, RULES, NOW + 7 * HOUR)
    assert await batches(books) == [
        (1000 - FEE, 1, "draft", None),
        (1000 - FEE - 600, 2, "approved", "settlement-agent"),
    ]
    assert await rows(books, "select count(*) from settlement_entries where payout_batch_id is null") == [(0,)]


async def test_a_late_entry_falls_into_the_next_batch(books: Database) -> None:
    await capture(books, "ch_1", 300)
    await catch_up(books, RULES, NOW + timedelta(seconds=1))
    await close_windows(books, RULES, NOW + 2 * HOUR)
    late = fact("ch_2", FactKind.CAPTURED, movement_reference="ch_2", amount_minor=200, occurred_at=NOW)
    await apply_events(books, received(late), NOW + 3 * HOUR)
    await catch_up(books, RULES, NOW + 3 * HOUR + timedelta(seconds=1))
    await close_windows(books, RULES, NOW + 3 * HOUR)
    assert len(await batches(books)) == 1
    await close_windows(books, RULES, NOW + 5 * HOUR)
    assert [row[1] for row in await batches(books)] == [1, 1]
    assert await rows(books, "select count(*) from settlement_entries where payout_batch_id is null") == [(0,)]


async def test_who_owes_gets_no_window_until_there_is_something_to_pay(books: Database) -> None:
    await capture(books, "ch_1", 300)
    await catch_up(books, RULES, NOW + timedelta(seconds=1))
    await close_windows(books, RULES, NOW + 2 * HOUR)
    late = fact("re_1", FactKind.REFUNDED, movement_reference="re_1", amount_minor=100, occurred_at=NOW)
    await apply_events(books, received(late), NOW + 3 * HOUR)
    await catch_up(books, RULES, NOW + 3 * HOUR + timedelta(seconds=1))
    for hours in range(3, 9):
        assert await close_windows(books, RULES, NOW + hours * HOUR) == []
    assert await rows(books, "select count(*)::int, sum(entry_count)::int from settlement_windows") == [(1, 2)]
    await capture(books, "ch_2", 500, NOW + 10 * HOUR)
    await catch_up(books, RULES, NOW + 10 * HOUR + timedelta(seconds=1))
    (closed,) = await close_windows(books, RULES, NOW + 12 * HOUR)
    assert closed.payout_batch_id is not None
    assert await rows(books, "select count(*)::int from settlement_entries where payout_batch_id is null") == [(0,)]


async def test_a_window_keeps_what_it_holds_by_cause_and_time(books: Database) -> None:
    await capture(books, "ch_1", 1000)
    await refund(books, "re_1", 400, NOW + timedelta(minutes=5))
    lost = fact("dp_1", FactKind.DISPUTE_LOST, movement_reference="dp_1", amount_minor=50, occurred_at=NOW)
    await apply_events(books, received(lost), NOW)
    await catch_up(books, RULES, NOW + HOUR)
    (window,) = await close_windows(books, RULES, NOW + 2 * HOUR)
    assert window.totals == WindowTotals(
        gross_minor=550,
        fee_minor=FEE,
        net_minor=550 - FEE,
        captures_minor=1000,
        refunds_minor=-400,
        disputes_minor=-50,
        entry_count=3,
        capture_count=1,
        refund_count=1,
        dispute_count=1,
        first_event_at=NOW,
        last_event_at=NOW + timedelta(minutes=5),
    )
    assert (window.closed_at, window.watermark) == (NOW + 2 * HOUR, NOW + 2 * HOUR)


@pytest.mark.parametrize(
    ("second_threshold", "status", "people"), [(None, "draft", 1), (940, "draft", 2), (941, "draft", 1)]
)
async def test_a_batch_above_the_second_threshold_needs_two_people(
    books: Database, second_threshold: int | None, status: str, people: int
) -> None:
    rules = replace(RULES, second_approval_threshold_minor=second_threshold)
    await capture(books, "ch_1", 1000)
    await catch_up(books, rules, NOW + timedelta(seconds=1))
    await close_windows(books, rules, NOW + 2 * HOUR)
    found = await rows(books, "select status, required_approvals::int from payout_batches")
    assert found == [(status, people)]


async def test_an_accounts_own_thresholds_go_before_the_settings(books: Database) -> None:
    own = PayoutThresholds(currency="USD", auto_approve_minor=2_000)
    await set_thresholds(books, "demo", own, actor="ann", now=NOW)
    await capture(books, "ch_1", 1000)
    await catch_up(books, RULES, NOW + timedelta(seconds=1))
    await close_windows(books, RULES, NOW + 2 * HOUR)
    assert await batches(books) == [(1000 - FEE, 1, "approved", "settlement-agent")]


async def test_closing_at_once_from_many_processes_pays_each_entry_once(database: Database) -> None:
    await open_account(database)
    for number in range(12):
        await open_payment(database, f"p{number}", reference=f"pi_{number}", partner_minor=100)
        captured = fact(
            f"evt_{number}", FactKind.CAPTURED, provider_reference=f"pi_{number}", occurred_at=NOW + number * HOUR
        )
        await apply_events(database, received(captured), NOW)
    await catch_up(database, RULES, NOW + timedelta(seconds=1))
    await asyncio.gather(*(close_windows(database, RULES, NOW + 24 * HOUR) for _ in range(6)))
    entries = await rows(database, "select sum(net_minor), count(*), count(payout_batch_id) from settlement_entries")
    paid = await rows(database, "select sum(net_minor), sum(entry_count) from payout_batches")
    assert entries[0][0] == paid[0][0]
    assert entries[0][1] == entries[0][2] == paid[0][1] == 24


async def test_an_entry_claimed_by_somebody_else_meanwhile_stops_the_batch(books: Database) -> None:
    await capture(books, "ch_1", 1000)
    await catch_up(books, RULES, NOW + timedelta(seconds=1))
    await close_windows(books, RULES, NOW + 2 * HOUR)
    claimed = await rows(books, "select payout_batch_id from settlement_entries")
    assert isinstance(claimed[0][0], uuid.UUID)
    async with books.transaction() as transaction:
        await transaction.connection.execute(text("update settlement_windows set closed_at = null"))
    await close_windows(books, RULES, NOW + 2 * HOUR)
    assert await rows(books, "select payout_batch_id from settlement_entries") == claimed
    assert len(await batches(books)) == 1
