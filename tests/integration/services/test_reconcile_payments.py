"""Payments are read back when something asks for it or nothing happens, and people are asked when nobody answers."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.facts import FactKind, Trust
from services.reconcile.cases import close_settled_cases
from services.reconcile.schedule import SCHEDULE_SECONDS
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, NOW, fact, rows
from tests.integration.services.reconciling import Desk, assert_audit_holds, capture, notices, refund, results_of

QUIET = timedelta(minutes=15)


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """A shop with a payment that is set up; the books must hold at the end."""
    desk = Desk(database)
    await desk.open()
    yield desk
    await assert_audit_holds(database)


async def due_at(database: Database) -> object:
    ((found,),) = await rows(database, "select sync_due_at from payments")
    return found


async def test_a_payment_that_nothing_changes_is_looked_at_ever_more_seldom(desk: Desk) -> None:
    looks = []
    for minute in range(1, 121):
        desk.now = NOW + timedelta(minutes=minute)
        if await desk.reconciler.mark_quiet():
            looks.append(minute)
            await desk.round(timedelta(0))
    assert looks == [15, 30, 60, 120]
    assert desk.gateway.reads == len(looks)
    assert await notices(desk.database) == []


async def test_a_change_makes_a_quiet_payment_be_looked_at_soon_again(desk: Desk) -> None:
    for minutes in (15, 30, 60):
        desk.now = NOW + timedelta(minutes=minutes)
        assert await desk.reconciler.mark_quiet() == 1
        await desk.round(timedelta(0))
    await desk.authorize()
    desk.now += QUIET
    assert await desk.reconciler.mark_quiet() == 1


async def test_payments_at_their_end_or_without_a_name_are_left_alone(desk: Desk) -> None:
    await desk.complete()
    desk.now += timedelta(days=9)
    assert await desk.reconciler.mark_quiet() == 0


async def test_a_capture_that_no_callback_told_of_is_found_and_told(desk: Desk) -> None:
    await desk.authorize()
    desk.gateway.in_dashboard("counter", FactKind.CAPTURED)
    desk.now += QUIET
    await desk.reconciler.mark_quiet()
    (found,) = await desk.round()
    assert found.missed == [("stripe", "captured")]
    assert await notices(desk.database) == [("missing_webhook", "captured")]
    assert await rows(desk.database, "select status, sync_due_at from payments") == [("completed", None)]
    await desk.callback(fact("evt_late", FactKind.CAPTURED, movement_reference="m_counter"))
    assert await rows(desk.database, "select captured_minor from payments") == [(AMOUNT,)]


async def test_what_only_a_hint_told_of_is_not_missing(desk: Desk) -> None:
    desk.gateway.in_dashboard("counter", FactKind.CAPTURED)
    desk.now += timedelta(minutes=1)
    hint = fact("evt_h", FactKind.PROCESSING, trust=Trust.HINT, movement_reference=None, amount_minor=None)
    await desk.callback(hint)
    (found,) = await desk.round()
    assert found.missed == []
    assert await rows(desk.database, "select status from payments") == [("completed",)]


async def test_a_hint_that_comes_while_the_gateway_is_asked_is_not_forgotten(desk: Desk) -> None:
    hint = fact("evt_1", FactKind.PROCESSING, trust=Trust.HINT, movement_reference=None, amount_minor=None)
    await desk.callback(hint)
    (work,) = await desk.reconciler.claim()
    desk.now += timedelta(seconds=1)
    await desk.callback(fact("evt_2", FactKind.PROCESSING, trust=Trust.HINT, movement_reference=None))
    await desk.reconciler.carry_out(work)
    assert await due_at(desk.database) == desk.now - timedelta(seconds=1)


async def test_a_payment_whose_gateway_never_answers_becomes_a_case_and_the_answer_closes_it(desk: Desk) -> None:
    await desk.authorize()
    desk.gateway.is_down = True
    desk.now += QUIET
    await desk.reconciler.mark_quiet()
    await desk.round(timedelta(0))
    for seconds in SCHEDULE_SECONDS[1:]:
        assert await notices(desk.database) == []
        await desk.round(timedelta(seconds=seconds))
    assert desk.gateway.reads == len(SCHEDULE_SECONDS)
    assert await notices(desk.database) == [("case_opened", "payment_unreadable")]
    assert await due_at(desk.database) is None
    desk.gateway.is_down = False
    desk.now += timedelta(days=9)
    assert await desk.reconciler.mark_quiet() == 1
    await desk.round(timedelta(0))
    assert await notices(desk.database) == [
        ("case_opened", "payment_unreadable"),
        ("case_resolved", "payment_unreadable"),
    ]


async def test_one_reading_serves_the_payment_and_its_commands(desk: Desk) -> None:
    await desk.complete()
    desk.gateway.loses = 2
    await desk.run(refund("r1", 100))
    await desk.run(refund("r2", 200))
    (found,) = await desk.round()
    assert desk.gateway.reads == 1
    assert {result.command_id for result in found.settled} == {"r1", "r2"}


async def test_an_unknown_command_is_one_case_and_not_two(desk: Desk) -> None:
    await desk.authorize()
    desk.gateway.drops, desk.gateway.is_down = 1, True
    await desk.run(capture("c1"))
    for seconds in SCHEDULE_SECONDS:
        await desk.round(timedelta(seconds=seconds + 1))
    assert await notices(desk.database) == [("case_opened", "command_unknown")]
    desk.gateway.is_down, desk.gateway.loses = False, 0
    desk.gateway.in_dashboard("found", FactKind.CAPTURED)
    await desk.round(timedelta(days=1))
    assert await results_of(desk.database, "c1") == ["unknown", "succeeded"]
    assert await close_settled_cases(desk.database, desk.now) == 1
    assert await close_settled_cases(desk.database, desk.now) == 0


async def test_what_fails_every_time_comes_to_a_person_too(desk: Desk) -> None:
    await desk.authorize()
    desk.gateway.drops = 1
    await desk.run(capture("c1"))
    for seconds in SCHEDULE_SECONDS:
        desk.now += timedelta(seconds=seconds + 1)
        for work in await desk.reconciler.claim():
            await desk.reconciler.put_off(work, "looking at it failed")
    assert await notices(desk.database) == [("case_opened", "command_unknown")]


async def test_the_audit_log_says_who_planned(desk: Desk) -> None:
    await desk.authorize()
    desk.now += QUIET
    await desk.reconciler.mark_quiet()
    await desk.round()
    found = await rows(
        desk.database,
        "select distinct actor from audit_log where subject_type = 'payment' and after ? 'sync_due_at'"
        " and action = 'update'",
    )
    assert found == [("agent:reconcile",)]
