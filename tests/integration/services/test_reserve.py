"""The rolling reserve and the minimum payout: every cent is paid, held back or carried over, at every moment."""

import random
import uuid
from datetime import datetime, timedelta

import pytest

from domain.facts import FactKind
from domain.reserve import ReserveRule
from services.apply_events import apply_events
from services.audit.run import audit_database
from services.payouts import approve_payout, execute_payout, fail_payout, get_payout
from services.settle import SettlementRules, catch_up, close_windows
from services.settlement_rules import find_reserve, set_reserve, set_thresholds
from storage.reserves import HeldReserve
from storage.settlement_rules import ANY, PayoutThresholds, ReserveScope
from storage.unit_of_work import Database
from tests.integration.services.books import (
    AMOUNT,
    NOW,
    balances,
    fact,
    open_account,
    open_payment,
    received,
    rows,
)

RULES = SettlementRules(
    window_seconds=3600, grace_seconds=0, auto_approve_threshold_minor=10**9, catch_up_after_seconds=0
)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NET = AMOUNT - 59
HELD = 94
"""Ten in a hundred of 941, rounded half-even."""
PAYABLE, RESERVE = "recipient:tenant:demo:payable", "recipient:tenant:demo:reserve"


@pytest.fixture
async def books(database: Database) -> Database:
    """An account of which a tenth is held back for a day."""
    await open_account(database)
    await hold(database, 1_000, 1)
    return database


async def hold(
    database: Database, basis_points: int, days: int, recipient_type: str = ANY, recipient_id: str = ANY
) -> None:
    rule = ReserveRule(basis_points=basis_points, days=days)
    scope = ReserveScope(recipient_type=recipient_type, recipient_id=recipient_id, rule=rule)
    await set_reserve(database, "demo", scope, actor="ann", now=NOW)


async def paid(database: Database, number: int, at: datetime, *, refunded: int = 0, partner_minor: int = 0) -> None:
    """A payment that is captured, and perhaps refunded, at a time."""
    await open_payment(database, f"p{number}", reference=f"pi_{number}", partner_minor=partner_minor)
    said = {"provider_reference": f"pi_{number}", "occurred_at": at}
    facts = [fact(f"ch_{number}", FactKind.CAPTURED, movement_reference=f"ch_{number}", **said)]
    if refunded:
        facts.append(
            fact(f"re_{number}", FactKind.REFUNDED, movement_reference=f"re_{number}", amount_minor=refunded, **said)
        )
    await apply_events(database, received(*facts), at)
    await catch_up(database, RULES, at + timedelta(seconds=1))


async def close(database: Database, now: datetime) -> list[uuid.UUID]:
    """Close what may close; returns the batches that were made."""
    closed = await close_windows(database, RULES, now)
    return [window.payout_batch_id for window in closed if window.payout_batch_id is not None]


async def complete(database: Database, batch_id: uuid.UUID, now: datetime) -> None:
    await execute_payout(
        database, "demo", batch_id, actor="cfo", request_id="r", now=now, bank_reference=f"bank-{batch_id}"
    )


async def figures(database: Database) -> list[tuple[int, int, int]]:
    """The batches: (net, held, released)."""
    found = await rows(
        database,
        "select net_minor, reserve_held_minor, reserve_released_minor from payout_batches"
        " order by created_at, net_minor",
    )
    return [(int(str(net)), int(str(held)), int(str(released))) for net, held, released in found]


async def assert_every_cent(database: Database) -> None:
    """What entries come to is what batches pay and hold, less what they release, and what no batch has."""
    found = await rows(
        database,
        "select (select coalesce(sum(net_minor), 0) from settlement_entries)::bigint,"
        " (select coalesce(sum(net_minor), 0) from settlement_entries where payout_batch_id is null)::bigint,"
        " (select coalesce(sum(net_minor), 0) from payout_batches where status <> 'failed')::bigint,"
        " (select coalesce(sum(amount_minor), 0) from reserve_holds"
        " where voided_at is null and released_batch_id is null)::bigint",
    )
    entries, unclaimed, batches, held = (int(str(amount)) for amount in found[0])
    assert entries == unclaimed + batches + held
    books = await balances(database)
    assert -sum(amount for name, amount in books.items() if name.endswith(":reserve")) == held
    assert sum(books.values()) == 0
    await rows(database, "delete from outbox returning 1")
    report = await audit_database(database)
    assert report.holds, report.to_json()


async def test_a_part_is_held_and_paid_with_a_later_batch(books: Database) -> None:
    await paid(books, 1, NOW)
    (first,) = await close(books, NOW + 2 * HOUR)
    assert await figures(books) == [(NET - HELD, HELD, 0)]
    assert (await balances(books))[RESERVE] == -HELD
    await complete(books, first, NOW + 2 * HOUR)
    assert PAYABLE not in await balances(books)

    await paid(books, 2, NOW + 26 * HOUR)
    (second,) = await close(books, NOW + 28 * HOUR)
    assert await figures(books) == [(NET - HELD, HELD, 0), (NET - HELD + HELD, HELD, HELD)]
    assert (await get_payout(books, "demo", second)).totals.reserve_released_minor == HELD
    await complete(books, second, NOW + 28 * HOUR)
    assert (await balances(books))["bank:settlement"] == -(2 * NET - HELD)
    await assert_every_cent(books)


async def test_what_is_held_is_paid_without_any_new_entry(books: Database) -> None:
    await paid(books, 1, NOW)
    (first,) = await close(books, NOW + 2 * HOUR)
    await complete(books, first, NOW + 2 * HOUR)
    # The period ended at four; a day later the hold may be released, by the window that is open then.
    assert await close(books, NOW + 24 * HOUR) == []
    assert await close(books, NOW + 25 * HOUR) == []
    (second,) = await close(books, NOW + 26 * HOUR)
    batch = await get_payout(books, "demo", second)
    assert (batch.totals.net_minor, batch.totals.entry_count, batch.totals.payment_ids) == (HELD, 0, ())
    assert await close(books, NOW + 40 * HOUR) == []
    await complete(books, second, NOW + 40 * HOUR)
    await assert_every_cent(books)


async def test_nothing_is_released_before_the_batch_that_held_it_is_paid(books: Database) -> None:
    await paid(books, 1, NOW)
    (first,) = await close(books, NOW + 2 * HOUR)
    await paid(books, 2, NOW + 48 * HOUR)
    await close(books, NOW + 50 * HOUR)
    assert [released for _, _, released in await figures(books)] == [0, 0]
    await complete(books, first, NOW + 50 * HOUR)
    await paid(books, 3, NOW + 51 * HOUR)
    await close(books, NOW + 53 * HOUR)
    assert [released for _, _, released in await figures(books)] == [0, 0, HELD]
    await assert_every_cent(books)


@pytest.mark.parametrize("executed", [False, True])
async def test_a_batch_that_fails_gives_back_what_it_held_and_what_it_released(books: Database, executed: bool) -> None:
    await paid(books, 1, NOW)
    (first,) = await close(books, NOW + 2 * HOUR)
    await complete(books, first, NOW + 2 * HOUR)
    await paid(books, 2, NOW + 26 * HOUR)
    (second,) = await close(books, NOW + 28 * HOUR)
    before = NOW + 28 * HOUR
    if executed:
        await execute_payout(books, "demo", second, actor="cfo", request_id="r", now=before)
    scoped = books.scoped({"demo"})
    await fail_payout(scoped, "demo", second, reason="closed account", actor="cfo", request_id="r", now=before)
    assert (await balances(books))[PAYABLE] == -NET
    assert (await balances(books))[RESERVE] == -HELD
    await assert_every_cent(books)

    await close(books, NOW + 29 * HOUR)
    (third,) = await close(books, NOW + 31 * HOUR)
    totals = (await get_payout(books, "demo", third)).totals
    assert (totals.net_minor, totals.reserve_held_minor, totals.reserve_released_minor) == (NET, HELD, HELD)
    await complete(books, third, NOW + 31 * HOUR)
    await assert_every_cent(books)


async def test_a_recipients_own_rule_goes_before_its_types_and_that_before_all(books: Database) -> None:
    await hold(books, 2_000, 30, "partner")
    await paid(books, 1, NOW, partner_minor=500)
    await close(books, NOW + 2 * HOUR)
    assert sorted(held for _, held, _ in await figures(books)) == [47, 94]
    await hold(books, 0, 30, "partner", "atelier")
    await paid(books, 2, NOW + 3 * HOUR, partner_minor=500)
    await close(books, NOW + 5 * HOUR)
    assert sorted(held for _, held, _ in await figures(books)) == [0, 47, 47, 94]
    rules, held = await find_reserve(books, "demo")
    assert [(one.recipient_type, one.recipient_id, one.rule.basis_points) for one in rules] == [
        ("*", "*", 1000),
        ("partner", "*", 2000),
        ("partner", "atelier", 0),
    ]
    end = NOW.replace(minute=0, second=0) + HOUR
    assert held == [
        HeldReserve("partner", "atelier", "USD", 94, end + 30 * DAY),
        HeldReserve("tenant", "demo", "USD", 94, end + DAY),
    ]


async def test_below_the_minimum_nothing_is_paid_and_everything_carries_over(database: Database) -> None:
    await open_account(database)
    least = PayoutThresholds(currency="USD", minimum_payout_minor=2 * NET)
    await set_thresholds(database, "demo", least, actor="ann", now=NOW)
    await paid(database, 1, NOW)
    assert await close(database, NOW + 2 * HOUR) == []
    assert await close(database, NOW + 9 * HOUR) == []
    assert await rows(database, "select count(*)::int from settlement_windows") == [(1,)]
    await paid(database, 2, NOW + 10 * HOUR)
    assert len(await close(database, NOW + 12 * HOUR)) == 1
    assert await figures(database) == [(2 * NET, 0, 0)]
    await assert_every_cent(database)


async def test_a_minimum_that_is_lowered_pays_what_waited(database: Database) -> None:
    await open_account(database)
    for minimum in (NET + 1, NET):
        least = PayoutThresholds(currency="USD", minimum_payout_minor=minimum)
        await set_thresholds(database, "demo", least, actor="ann", now=NOW)
        if minimum > NET:
            await paid(database, 1, NOW)
            assert await close(database, NOW + 5 * HOUR) == []
    assert await close(database, NOW + 5 * HOUR) == []
    assert len(await close(database, NOW + 7 * HOUR)) == 1


@pytest.mark.parametrize("seed", range(4))
async def test_every_cent_is_accounted_for_whatever_happens(books: Database, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a history to repeat, not a secret
    least = PayoutThresholds(currency="USD", minimum_payout_minor=300, second_approval_minor=5_000)
    await set_thresholds(books, "demo", least, actor="ann", now=NOW)
    open_batches: list[uuid.UUID] = []
    now = NOW
    for number in range(24):
        now += timedelta(hours=chance.choice([1, 1, 2, 13]))
        if chance.random() < 0.2:
            await hold(books, chance.choice([0, 500, 2_500, 9_999]), chance.choice([1, 2]))
        happened = now - timedelta(hours=chance.choice([0, 0, 1, 30]))
        await paid(
            books, number, happened, refunded=chance.choice([0, 0, 1, 999, 1000]), partner_minor=chance.choice([0, 333])
        )
        open_batches += await close(books, now)
        chance.shuffle(open_batches)
        if open_batches and chance.random() < 0.6:
            batch_id = open_batches.pop()
            batch = await get_payout(books, "demo", batch_id)
            for who in ("ann", "bob")[: batch.required_approvals]:
                await approve_payout(books, "demo", batch_id, actor=who, request_id="r", now=now)
            if chance.random() < 0.4:
                await fail_payout(books, "demo", batch_id, reason="no", actor="cfo", request_id="r", now=now)
            else:
                await complete(books, batch_id, now)
        if number % 6 == 5:
            await assert_every_cent(books)
    await assert_every_cent(books)
    assert len(await figures(books)) > 3
