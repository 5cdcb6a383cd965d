"""Facts against the real database: once, in any order, whoever else is at it."""

import asyncio
import itertools
from datetime import timedelta

import pytest

from domain.facts import FactKind, Trust
from services.apply_events import apply_events
from storage.unit_of_work import Database
from tests.integration.services.books import (
    AMOUNT,
    NOW,
    balances,
    events,
    fact,
    open_account,
    open_payment,
    received,
    rows,
)

CAPTURED = fact("evt_captured", FactKind.CAPTURED)
PAYABLE = "recipient:tenant:demo:payable"
FEE = 29 + 30


@pytest.fixture
async def books(database: Database) -> Database:
    """A database with one account and one pending payment."""
    await open_account(database)
    await open_payment(database)
    return database


async def test_a_capture_moves_the_payment_the_ledger_and_settlement_and_says_so(books: Database) -> None:
    report = await apply_events(books, received(CAPTURED), NOW)
    assert (report.applied, report.duplicates) == (1, 0)
    assert await rows(books, "select status, captured_minor, paid_at from payments") == [
        ("completed", AMOUNT, CAPTURED.occurred_at)
    ]
    assert await balances(books) == {
        "gateway:stripe:receivable": AMOUNT,
        PAYABLE: -(AMOUNT - FEE),
        "fees:revenue": -FEE,
    }
    assert await rows(books, "select cause, gross_minor, fee_minor, net_minor from settlement_entries") == [
        ("capture", AMOUNT, FEE, AMOUNT - FEE)
    ]
    assert await events(books) == ["capture.succeeded", "payment.completed"]
    assert await rows(books, "select from_status, to_status from transitions") == [("pending", "completed")]


async def test_the_same_fact_fifty_times_at_once_is_one_of_everything(books: Database) -> None:
    reports = await asyncio.gather(*(apply_events(books, received(CAPTURED), NOW) for _ in range(50)))
    assert sum(report.applied for report in reports) == 1
    assert sum(report.duplicates for report in reports) == 49
    assert await rows(books, "select count(*) from inbox") == [(1,)]
    assert await rows(books, "select count(*) from ledger_transactions") == [(1,)]
    assert await events(books) == ["capture.succeeded", "payment.completed"]


async def test_repeats_within_one_batch_count_once(books: Database) -> None:
    report = await apply_events(books, received(*[CAPTURED] * 7), NOW)
    assert (report.applied, report.duplicates) == (1, 6)
    assert await rows(books, "select captured_minor from payments") == [(AMOUNT,)]


LIFE = (
    fact("evt_authorized", FactKind.AUTHORIZED, movement_reference=None),
    CAPTURED,
    fact("evt_refund_1", FactKind.REFUNDED, movement_reference="re_1", amount_minor=300),
    fact("evt_refund_2", FactKind.REFUNDED, movement_reference="re_2", amount_minor=700),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
async def test_every_order_leads_to_the_same_books(database: Database, order: tuple[int, ...]) -> None:
    await open_account(database)
    await open_payment(database, partner_minor=333)
    for index in order:
        await apply_events(database, received(LIFE[index], LIFE[index]), NOW)
    assert await rows(database, "select status, captured_minor, refunded_minor from payments") == [
        ("refunded", AMOUNT, AMOUNT)
    ]
    assert await balances(database) == {
        "fees:revenue": -FEE,
        "recipient:partner:atelier:payable": 20,
        PAYABLE: 39,
    }
    assert sorted(await events(database)) == [
        "capture.succeeded",
        "payment.authorized",
        "payment.completed",
        "refund.succeeded",
        "refund.succeeded",
    ]


async def test_a_fact_about_an_unknown_payment_waits_and_is_not_lost(database: Database) -> None:
    await open_account(database)
    report = await apply_events(database, received(CAPTURED), NOW)
    assert report.orphaned == 1
    assert await rows(database, "select disposition, payment_id from inbox") == [("orphaned", None)]
    assert await balances(database) == {}


async def test_a_fact_of_another_account_never_touches_the_payment(books: Database) -> None:
    await open_account(books, "other")
    stranger = fact("evt_1", FactKind.CAPTURED, account="other", payment_id="p1")
    report = await apply_events(books, received(stranger), NOW)
    assert report.orphaned == 1
    assert await rows(books, "select status from payments") == [("pending",)]


async def test_an_echoed_payment_id_names_a_payment_that_has_no_name_yet(database: Database) -> None:
    await open_account(database)
    await open_payment(database, reference=None)
    early = fact("evt_1", FactKind.CAPTURED, payment_id="p1", related_references=("ch_1",))
    await apply_events(database, received(early), NOW)
    assert await rows(database, "select provider_reference, status from payments") == [("pi_1", "completed")]
    later = fact("evt_2", FactKind.REFUNDED, provider_reference="ch_1", movement_reference="re_1", amount_minor=100)
    await apply_events(database, received(later), NOW)
    assert await rows(database, "select status, refunded_minor from payments") == [("partially_refunded", 100)]


async def test_an_echoed_payment_id_does_not_move_a_payment_that_has_another_name(books: Database) -> None:
    copied = fact("evt_1", FactKind.CAPTURED, provider_reference="pi_2", payment_id="p1")
    report = await apply_events(books, received(copied), NOW)
    assert report.orphaned == 1
    assert await rows(books, "select status from payments") == [("pending",)]


async def test_two_names_cannot_both_claim_a_nameless_payment_in_one_batch(database: Database) -> None:
    await open_account(database)
    await open_payment(database, reference=None)
    first = fact("evt_1", FactKind.CAPTURED, payment_id="p1")
    second = fact("evt_22", FactKind.CAPTURED, provider_reference="pi_2", movement_reference="ch_2", payment_id="p1")
    report = await apply_events(database, received(second, first), NOW)
    assert (report.applied, report.orphaned) == (1, 1)
    assert await rows(database, "select provider_reference, captured_minor from payments") == [("pi_1", AMOUNT)]


@pytest.mark.parametrize("together", [True, False])
async def test_the_same_event_id_with_other_content_is_an_anomaly_and_moves_nothing(
    books: Database, together: bool
) -> None:
    other = fact("evt_captured", FactKind.CAPTURED, amount_minor=999_999)
    if together:
        await apply_events(books, received(CAPTURED, other), NOW)
    else:
        await apply_events(books, received(CAPTURED), NOW)
        report = await apply_events(books, received(other), NOW)
        assert report.conflicts == 1
    assert await rows(books, "select captured_minor from payments") == [(AMOUNT,)]
    assert "payment.anomaly" in await events(books)
    again = await apply_events(books, received(other), NOW)
    assert again.applied == 0
    assert (await events(books)).count("payment.anomaly") == 1


async def test_another_currency_is_an_anomaly_and_moves_nothing(books: Database) -> None:
    await apply_events(books, received(fact("evt_1", FactKind.CAPTURED, currency="EUR")), NOW)
    assert await rows(books, "select status, captured_minor from payments") == [("pending", 0)]
    assert await events(books) == ["payment.anomaly"]
    assert await balances(books) == {}


async def test_a_hint_moves_nothing_and_makes_the_payment_due_to_be_read_back(books: Database) -> None:
    hint = fact("evt_1", FactKind.CAPTURED, trust=Trust.HINT)
    await apply_events(books, received(hint), NOW)
    assert await rows(books, "select status, sync_due_at from payments") == [("pending", NOW)]
    assert await balances(books) == {}


async def test_ignored_facts_are_recorded_with_their_reason(books: Database) -> None:
    ignored = fact("evt_1", FactKind.IGNORED, reason="unmapped event type customer.created", amount_minor=None)
    report = await apply_events(books, received(ignored), NOW)
    assert report.ignored == 1
    assert await rows(books, "select disposition, reason from inbox") == [
        ("ignored", "unmapped event type customer.created")
    ]


async def test_batches_of_many_payments_at_once_do_not_deadlock(database: Database) -> None:
    await open_account(database)
    for number in range(20):
        await open_payment(database, f"p{number}", reference=f"pi_{number}")
    facts = [
        fact(
            f"evt_{number}_{kind}",
            kind,
            provider_reference=f"pi_{number}",
            movement_reference=f"{kind}_{number}",
            amount_minor=100,
            occurred_at=NOW + timedelta(seconds=number),
        )
        for number in range(20)
        for kind in (FactKind.CAPTURED, FactKind.REFUNDED, FactKind.AUTHORIZED)
    ]
    batches = [facts, facts[::-1], facts[::2], facts[1::2], sorted(facts, key=lambda one: one.kind)]
    await asyncio.gather(*(apply_events(database, received(*batch), NOW) for batch in batches))
    assert await rows(database, "select count(*) from inbox") == [(60,)]
    assert await rows(database, "select distinct status, captured_minor, refunded_minor from payments") == [
        ("refunded", 100, 100)
    ]


async def test_a_repeat_beside_a_conflict_of_its_own_event_id_stays_a_repeat(books: Database) -> None:
    """Callbacks that are put back may come as one batch in which the conflict stands before what it conflicts with."""
    contradiction = fact("evt_captured", FactKind.CAPTURED, amount_minor=1)
    await apply_events(books, received(CAPTURED), NOW)
    await apply_events(books, received(contradiction), NOW)
    before = await rows(books, "select * from inbox order by gateway_event_id")

    report = await apply_events(books, received(contradiction, CAPTURED, contradiction), NOW)

    assert await rows(books, "select * from inbox order by gateway_event_id") == before
    assert len(before) == 2
    assert (report.applied, report.ignored) == (0, 0)
