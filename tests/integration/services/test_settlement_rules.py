"""Rules of settlement: changes leave open windows alone, fees are frozen at creation, tiers follow the volume."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from domain.errors import CommandConflict, InvalidInput, InvalidMoney, NotFound
from domain.facts import FactKind
from domain.fees import FeeOnRefund, FeeSchedule, FeeTerms, FeeTier
from domain.reserve import ReserveRule
from domain.schedule import EARLIEST, Cadence, Schedule, fixed_schedule
from services.apply_events import apply_events
from services.audit.run import audit_database
from services.create_payment import create_payment
from services.settle import SettlementRules, catch_up, close_windows
from services.settlement_rules import (
    add_fee_schedule,
    find_fee_schedules,
    find_reserve,
    find_schedules,
    find_thresholds,
    set_reserve,
    set_schedule,
    set_thresholds,
)
from storage.settlement_rules import PayoutThresholds, ReserveScope
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, fact, open_account, open_payment, received, rows
from topics.commands import CreatePayment, SubmitManualPayment

RULES = SettlementRules(
    window_seconds=3600, grace_seconds=60, auto_approve_threshold_minor=500, catch_up_after_seconds=0
)
HOUR = timedelta(hours=1)
THREE = NOW.replace(minute=0, second=0)
BERLIN = Schedule(cadence=Cadence.DAILY, time_zone="Europe/Berlin", cut_off=time(17))
FIVE_IN_BERLIN = datetime(2026, 1, 2, 16, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def books(database: Database) -> Database:
    """A database with one account and one payment."""
    await open_account(database)
    await open_payment(database)
    return database


async def capture(database: Database, event_id: str, amount: int, at: datetime) -> None:
    """A capture that is counted by the time it is asked for."""
    captured = fact(event_id, FactKind.CAPTURED, movement_reference=event_id, amount_minor=amount, occurred_at=at)
    await apply_events(database, received(captured), at)
    await catch_up(database, RULES, at + timedelta(seconds=1))


async def windows(database: Database) -> list[tuple[object, ...]]:
    return await rows(database, "select window_start, window_end, closes_at from settlement_windows order by 1")


async def give(database: Database, schedule: Schedule, now: datetime, grace_seconds: int | None = None) -> datetime:
    """Give the account a schedule; returns from when it counts."""
    version = await set_schedule(database, "demo", schedule, grace_seconds=grace_seconds, actor="ann", now=now)
    return version.effective_from


async def agree(database: Database, *, basis_points: int, now: datetime = NOW, **other: object) -> None:
    """Agree on fees that count from now on."""
    values: dict[str, object] = {"effective_from": now, "terms": FeeTerms(basis_points=basis_points), **other}
    schedule = FeeSchedule(**values)  # type: ignore[arg-type] # Some of the fields, each at its own type.
    await add_fee_schedule(database, "demo", schedule, actor="ann", now=now)


async def created_terms(database: Database, payment_id: str, **values: object) -> tuple[object, ...]:
    """The fees that a payment created now is given."""
    command = CreatePayment.model_validate(
        {
            "command_id": f"create-{payment_id}",
            "payment_id": payment_id,
            "account": "demo",
            "requested_at": NOW,
            "gateway": "stripe",
            "amount_minor": 1_000,
            "currency": "USD",
            "resource_type": "order",
            "resource_id": "o1",
            **values,
        }
    )
    async with database.transaction() as transaction:
        await create_payment(transaction, command, gateway="stripe", now=NOW)
    return (await frozen(database, payment_id))[0]


async def frozen(database: Database, payment_id: str) -> Sequence[tuple[object, ...]]:
    return await rows(
        database,
        "select fee_basis_points, fee_fixed_minor, fee_min_minor, fee_max_minor, fee_on_refund from payments"  # noqa: S608
        f" where id = '{payment_id}'",
    )


async def test_an_account_without_a_schedule_gets_the_default_with_its_first_entry(books: Database) -> None:
    assert await find_schedules(books, "demo") is None
    await capture(books, "ch_1", 100, NOW)
    history = await find_schedules(books, "demo")
    assert history is not None
    assert [(one.effective_from, one.schedule, one.is_default) for one in history.versions] == [
        (EARLIEST, fixed_schedule(3600), True)
    ]
    assert await windows(books) == [(THREE, THREE + HOUR, THREE + HOUR + timedelta(seconds=60))]


async def test_a_schedule_counts_at_once_for_an_account_without_windows(books: Database) -> None:
    assert await give(books, BERLIN, NOW, grace_seconds=10) == EARLIEST
    await capture(books, "ch_1", 100, NOW)
    assert await windows(books) == [(FIVE_IN_BERLIN - DAY, FIVE_IN_BERLIN, FIVE_IN_BERLIN + timedelta(seconds=10))]


async def test_a_new_schedule_begins_where_the_open_window_ends(books: Database) -> None:
    await capture(books, "ch_1", 100, NOW)
    assert await give(books, BERLIN, NOW) == THREE + HOUR
    await capture(books, "ch_2", 100, NOW + HOUR / 2)
    await capture(books, "ch_3", 100, NOW + 2 * HOUR)
    await capture(books, "ch_4", 100, FIVE_IN_BERLIN)
    grace = timedelta(seconds=60)
    bounds = [(THREE, THREE + HOUR), (THREE + HOUR, FIVE_IN_BERLIN), (FIVE_IN_BERLIN, FIVE_IN_BERLIN + DAY)]
    assert await windows(books) == [(start, end, end + grace) for start, end in bounds]
    assert await rows(books, "select entry_count::int from settlement_windows order by window_start") == [
        (2,),
        (1,),
        (1,),
    ]


async def test_a_new_schedule_is_there_for_a_while_before_it_counts(books: Database) -> None:
    await capture(books, "ch_1", 100, NOW)
    just_before = THREE + HOUR - timedelta(seconds=10)
    assert await give(books, BERLIN, just_before) == THREE + 2 * HOUR


async def test_a_schedule_waits_for_windows_that_reach_further(books: Database) -> None:
    await capture(books, "ch_1", 100, NOW)
    await capture(books, "ch_2", 100, NOW + 5 * HOUR)
    assert await give(books, BERLIN, NOW) == THREE + 6 * HOUR


async def test_a_schedule_does_not_wait_for_a_window_of_the_far_future(books: Database) -> None:
    await capture(books, "ch_1", 100, NOW + timedelta(days=300))
    with pytest.raises(InvalidInput, match="2026-10-29"):
        await give(books, BERLIN, NOW)


async def test_what_was_planned_and_has_not_begun_is_replaced(books: Database) -> None:
    await capture(books, "ch_1", 100, NOW)
    await give(books, BERLIN, NOW)
    fridays = Schedule(cadence=Cadence.WEEKLY, weekday=4)
    assert await give(books, fridays, NOW + timedelta(seconds=5)) == THREE + HOUR
    history = await find_schedules(books, "demo")
    assert history is not None
    assert [one.schedule for one in history.versions] == [fixed_schedule(3600), fridays]
    assert await give(books, fridays, NOW + 9 * HOUR) == THREE + HOUR
    changes = await rows(
        books, "select actor, action from audit_log where subject_type = 'settlement_schedule' order by id"
    )
    assert changes == [("settlement-agent", "insert"), ("ann", "insert"), ("ann", "delete"), ("ann", "insert")]


async def test_accounts_without_a_schedule_of_their_own_follow_the_settings(books: Database) -> None:
    await open_account(books, "other")
    await capture(books, "ch_1", 100, NOW)
    day = replace(RULES, window_seconds=86_400)
    for _ in range(3):
        await close_windows(books, day, NOW)
    history = await find_schedules(books, "demo")
    assert history is not None
    assert [(one.effective_from, one.schedule) for one in history.versions] == [
        (EARLIEST, fixed_schedule(3600)),
        (THREE + HOUR, fixed_schedule(86_400)),
    ]
    await give(books, BERLIN, NOW)
    await close_windows(books, RULES, NOW + 2 * HOUR)
    history = await find_schedules(books, "demo")
    assert history is not None
    assert history.versions[-1].schedule == BERLIN


async def test_fees_default_to_those_of_the_account(books: Database) -> None:
    assert await created_terms(books, "p2") == (290, 30, 0, None, "kept")


async def test_the_fees_of_a_payment_are_those_of_its_creation(books: Database) -> None:
    terms = FeeTerms(basis_points=150, fixed_minor=5, min_minor=20, max_minor=99, on_refund=FeeOnRefund.RETURNED)
    await add_fee_schedule(books, "demo", FeeSchedule(effective_from=NOW, terms=terms), actor="ann", now=NOW)
    assert await created_terms(books, "p2") == (150, 5, 20, 99, "returned")
    await agree(books, basis_points=1, now=NOW + timedelta(seconds=1))
    assert await frozen(books, "p2") == [(150, 5, 20, 99, "returned")]
    async with books.transaction() as transaction:
        stored = await transaction.payments.get("p2")
    assert stored is not None
    assert stored.terms.fees == terms


async def test_the_method_counts_where_it_is_known(books: Database) -> None:
    await agree(books, basis_points=100, method="bank_transfer")
    await agree(books, basis_points=200, method="wallet")
    assert (await created_terms(books, "p2"))[0] == 290
    assert (await created_terms(books, "p3", payment_method="wallet"))[0] == 200
    manual = SubmitManualPayment(
        command_id="m1",
        payment_id="p4",
        account="demo",
        requested_at=NOW,
        amount_minor=100,
        currency="USD",
        resource_type="order",
        resource_id="o1",
        method="bank_transfer",
        transaction_reference="t1",
    )
    async with books.transaction() as transaction:
        await create_payment(transaction, manual, gateway="manual", now=NOW, awaiting_approval=True)
    assert (await frozen(books, "p4"))[0][0] == 100


async def test_the_tier_is_that_of_the_months_captures_so_far(books: Database) -> None:
    tiers = (FeeTier(from_volume_minor=800, basis_points=200, fixed_minor=1),)
    await agree(books, basis_points=290, tiers=tiers)
    await capture(books, "ch_0", 300, NOW - timedelta(days=2))
    await capture(books, "ch_1", 500, NOW)
    assert (await created_terms(books, "p2"))[:2] == (290, 0)
    await capture(books, "ch_2", 300, NOW)
    await capture(books, "ch_2", 300, NOW)
    assert (await created_terms(books, "p3"))[:2] == (200, 1)
    assert (await created_terms(books, "p4", currency="EUR"))[:2] == (290, 0)
    assert await rows(books, "select month::text, captured_minor::int from captured_volumes order by 1") == [
        ("2025-12-01", 300),
        ("2026-01-01", 800),
    ]


async def test_fees_can_be_read_inside_a_scope_and_not_set(books: Database) -> None:
    await agree(books, basis_points=100)
    assert (await created_terms(books.scoped({"demo"}), "p2"))[0] == 100
    with pytest.raises(Exception, match="permission denied"):
        await agree(books.scoped({"demo"}), basis_points=1, now=NOW + HOUR)
    assert len(await find_fee_schedules(books, "demo")) == 1


async def test_who_set_which_rule_is_on_record(books: Database) -> None:
    await give(books, BERLIN, NOW)
    await agree(books, basis_points=100)
    for days in (30, 90):
        scope = ReserveScope(rule=ReserveRule(basis_points=1, days=days))
        await set_reserve(books, "demo", scope, actor="bob", now=NOW)
    await set_thresholds(books, "demo", PayoutThresholds(currency="USD"), actor="ann", now=NOW)
    said = await rows(
        books,
        "select subject_type, account, actor, action, after ->> 'days' from audit_log where subject_type"
        " in ('settlement_schedule', 'fee_schedule', 'reserve_rule', 'payout_threshold') order by id",
    )
    assert said == [
        ("settlement_schedule", "demo", "ann", "insert", None),
        ("fee_schedule", "demo", "ann", "insert", None),
        ("reserve_rule", "demo", "bob", "insert", "30"),
        ("reserve_rule", "demo", "bob", "update", "90"),
        ("payout_threshold", "demo", "ann", "insert", None),
    ]


async def test_rules_that_make_no_sense_are_refused(books: Database) -> None:
    await agree(books, basis_points=100)
    with pytest.raises(CommandConflict):
        await agree(books, basis_points=200)
    with pytest.raises(InvalidInput, match="what is to come"):
        await agree(books, basis_points=200, effective_from=NOW - HOUR)
    with pytest.raises(InvalidMoney):
        await agree(books, basis_points=200, currency="XXX")
    with pytest.raises(InvalidInput):
        await give(books, BERLIN, NOW, grace_seconds=-1)
    rule = ReserveRule(basis_points=1, days=1)
    for scope in (ReserveScope(recipient_type="bank", rule=rule), ReserveScope(recipient_id="demo", rule=rule)):
        with pytest.raises(InvalidInput):
            await set_reserve(books, "demo", scope, actor="ann", now=NOW)
    for wrong in (
        PayoutThresholds(currency="USD", auto_approve_minor=2, second_approval_minor=1),
        PayoutThresholds(currency="USD", minimum_payout_minor=-1),
        PayoutThresholds(currency="XXX"),
    ):
        with pytest.raises(InvalidInput):
            await set_thresholds(books, "demo", wrong, actor="ann", now=NOW)


async def test_rules_of_an_account_that_is_not_there_are_not_found(database: Database) -> None:
    scope = ReserveScope(rule=ReserveRule(basis_points=1, days=1))
    asked = (
        set_schedule(database, "nobody", BERLIN, grace_seconds=None, actor="ann", now=NOW),
        add_fee_schedule(database, "nobody", FeeSchedule(effective_from=NOW), actor="ann", now=NOW),
        set_reserve(database, "nobody", scope, actor="ann", now=NOW),
        set_thresholds(database, "nobody", PayoutThresholds(currency="USD"), actor="ann", now=NOW),
        find_schedules(database, "nobody"),
        find_fee_schedules(database, "nobody"),
        find_reserve(database, "nobody"),
        find_thresholds(database, "nobody"),
    )
    for one in asked:
        with pytest.raises(NotFound):
            await one


async def test_the_books_hold_across_a_change_of_schedule(books: Database) -> None:
    await capture(books, "ch_1", 100, NOW)
    await give(books, BERLIN, NOW)
    await capture(books, "ch_2", 200, NOW + 2 * HOUR)
    await close_windows(books, RULES, FIVE_IN_BERLIN + 2 * HOUR)
    await rows(books, "delete from outbox returning 1")
    report = await audit_database(books)
    assert report.holds, report.to_json()
