"""Commands of unknown outcome: each ends in exactly one final result, and money moves once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.errors import GatewayDeclined, GatewayRejected
from domain.facts import FactKind
from services.reconcile.schedule import SCHEDULE_SECONDS
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, fact, open_account, rows
from tests.integration.services.reconciling import (
    Desk,
    LossyGateway,
    assert_audit_holds,
    capture,
    create,
    notices,
    refund,
    results_of,
)

STATUS = "select status, captured_minor, refunded_minor from payments"


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """A shop with a payment that is set up; the books must hold at the end."""
    desk = Desk(database)
    await desk.open()
    yield desk
    await assert_audit_holds(database)


@pytest.fixture
async def forgetful(database: Database) -> AsyncIterator[Desk]:
    """The same at a gateway that keeps no idempotency keys."""
    desk = Desk(database, LossyGateway(keeps_keys=False))
    await desk.open()
    yield desk
    await assert_audit_holds(database)


async def test_a_capture_whose_answer_was_lost_is_found_by_reading_the_payment(forgetful: Desk) -> None:
    await forgetful.authorize()
    forgetful.gateway.loses = 1
    assert await forgetful.run(capture("c1")) == "unknown"
    (found,) = await forgetful.round()
    assert [result.outcome for result in found.settled] == ["succeeded"]
    assert found.settled[0].amount_minor == AMOUNT
    assert found.settled[0].status == "completed"
    assert await results_of(forgetful.database, "c1") == ["unknown", "succeeded"]
    assert forgetful.gateway.calls.count("c1") == 1
    assert await rows(forgetful.database, STATUS) == [("completed", AMOUNT, 0)]
    assert await forgetful.round(timedelta(days=2)) == []


async def test_a_capture_that_never_arrived_is_made_again_with_its_key(desk: Desk) -> None:
    await desk.authorize()
    desk.gateway.drops = 1
    assert await desk.run(capture("c1")) == "unknown"
    (found,) = await desk.round()
    assert [result.outcome for result in found.settled] == ["succeeded"]
    assert desk.gateway.calls.count("c1") == 2
    assert await rows(desk.database, STATUS) == [("completed", AMOUNT, 0)]


async def test_what_never_arrived_at_a_gateway_without_keys_waits_and_becomes_a_case(forgetful: Desk) -> None:
    await forgetful.complete()
    forgetful.gateway.drops = 1
    assert await forgetful.run(refund("r1", 600)) == "unknown"
    for seconds in SCHEDULE_SECONDS:
        assert await notices(forgetful.database) == []
        await forgetful.round(timedelta(seconds=seconds + 1))
    assert await notices(forgetful.database) == [("case_opened", "command_unknown")]
    assert await rows(forgetful.database, "select state, amount_minor from commands where id = 'r1'") == [
        ("unknown", 600)
    ]
    assert forgetful.gateway.calls.count("r1") == 1
    assert await forgetful.run(refund("r2", 500)) == "refused"
    await forgetful.round(timedelta(days=2))
    assert await notices(forgetful.database) == [("case_opened", "command_unknown")]


async def test_a_refund_whose_answer_was_lost_is_known_by_its_amount(forgetful: Desk) -> None:
    await forgetful.complete()
    forgetful.gateway.loses = 1
    assert await forgetful.run(refund("r1", 400)) == "unknown"
    await forgetful.round()
    assert await results_of(forgetful.database, "r1") == ["unknown", "succeeded"]
    assert await rows(forgetful.database, STATUS) == [("partially_refunded", AMOUNT, 400)]
    assert await forgetful.run(refund("r2", 600)) == "succeeded"


@pytest.mark.parametrize("amount_minor", [300, 500])
async def test_a_refund_of_another_amount_or_known_before_is_nobodys(forgetful: Desk, amount_minor: int) -> None:
    await forgetful.complete()
    forgetful.gateway.in_dashboard("before", FactKind.REFUNDED, 300)
    refunded = fact("evt_r", FactKind.REFUNDED, movement_reference="m_before", amount_minor=300)
    await forgetful.callback(refunded)
    forgetful.gateway.drops = 1
    assert await forgetful.run(refund("r1", amount_minor)) == "unknown"
    await forgetful.round()
    assert await results_of(forgetful.database, "r1") == ["unknown"]


async def test_of_two_refunds_alike_and_one_that_happened_neither_is_guessed(forgetful: Desk) -> None:
    await forgetful.complete()
    forgetful.gateway.drops, forgetful.gateway.loses = 1, 1
    assert await forgetful.run(refund("r1", 300)) == "unknown"
    assert await forgetful.run(refund("r2", 300)) == "unknown"
    await forgetful.round()
    assert await rows(forgetful.database, STATUS) == [("partially_refunded", AMOUNT, 300)]
    assert await results_of(forgetful.database, "r1") == await results_of(forgetful.database, "r2") == ["unknown"]


async def test_two_refunds_alike_are_both_settled_where_keys_are_kept(desk: Desk) -> None:
    await desk.complete()
    desk.gateway.drops, desk.gateway.loses = 1, 1
    await desk.run(refund("r1", 300))
    await desk.run(refund("r2", 300))
    await desk.round()
    assert await results_of(desk.database, "r1") == await results_of(desk.database, "r2") == ["unknown", "succeeded"]
    assert await rows(desk.database, STATUS) == [("partially_refunded", AMOUNT, 600)]


async def test_a_refund_that_a_later_command_accounts_for_is_not_taken_for_an_earlier_one(forgetful: Desk) -> None:
    await forgetful.complete()
    forgetful.gateway.drops = 1
    assert await forgetful.run(refund("r1", 300)) == "unknown"
    forgetful.now += timedelta(seconds=1)
    assert await forgetful.run(refund("r2", 300)) == "succeeded"
    await forgetful.round()
    assert await results_of(forgetful.database, "r1") == ["unknown"]


async def test_the_callback_that_comes_first_settles_the_command_without_a_second_effect(forgetful: Desk) -> None:
    await forgetful.authorize()
    forgetful.gateway.loses, forgetful.gateway.is_down = 1, True
    assert await forgetful.run(capture("c1")) == "unknown"
    forgetful.now += timedelta(seconds=2)
    await forgetful.callback(fact("evt_c", FactKind.CAPTURED, movement_reference="m_c1#2"))
    await forgetful.round()
    assert await results_of(forgetful.database, "c1") == ["unknown", "succeeded"]
    forgetful.gateway.is_down = False
    await forgetful.round(timedelta(minutes=1))
    assert await rows(forgetful.database, STATUS) == [("completed", AMOUNT, 0)]


async def test_two_reconcilers_at_once_give_one_final_result(desk: Desk) -> None:
    await desk.complete()
    desk.gateway.drops = 1
    await desk.run(refund("r1", 400))
    desk.now += timedelta(seconds=6)
    works = await desk.reconciler.claim()
    assert await desk.reconciler.claim() == []
    # The second one works on a claim that has run out.
    await asyncio.gather(*(desk.reconciler.carry_out(work) for work in works * 4))
    assert await results_of(desk.database, "r1") == ["unknown", "succeeded"]
    assert await rows(desk.database, STATUS) == [("partially_refunded", AMOUNT, 400)]


async def test_a_crash_whose_record_was_lost_is_settled_after_two_minutes(desk: Desk) -> None:
    await desk.authorize()
    desk.gateway.refuses = RuntimeError("the process died here")
    with pytest.raises(RuntimeError, match="died here"):
        await desk.run(capture("c1"))
    desk.gateway.refuses = None
    assert await desk.round(timedelta(seconds=119)) == []
    (found,) = await desk.round(timedelta(seconds=2))
    assert [result.outcome for result in found.settled] == ["succeeded"]
    assert await results_of(desk.database, "c1") == ["succeeded"]


async def test_a_crash_that_cannot_be_settled_yet_is_answered_as_unknown_once(forgetful: Desk) -> None:
    await forgetful.authorize()
    forgetful.gateway.refuses = RuntimeError("the process died here")
    with pytest.raises(RuntimeError, match="died here"):
        await forgetful.run(capture("c1"))
    for _ in range(3):
        await forgetful.round(timedelta(minutes=3))
    assert await results_of(forgetful.database, "c1") == ["unknown"]


async def test_a_created_payment_whose_answer_was_lost_gets_its_name(database: Database) -> None:
    desk = Desk(database, LossyGateway(loses=1))
    await open_account(database)
    assert await desk.run(create("c0")) == "unknown"
    (found,) = await desk.round()
    assert found.settled[0].outcome == "succeeded"
    assert found.settled[0].client_parameters == {"client_secret": "pi_1_secret"}
    assert await rows(database, "select provider_reference, sync_due_at from payments") == [("pi_1", None)]
    assert desk.gateway.reads == 0
    await assert_audit_holds(database)


async def test_a_created_payment_at_a_gateway_without_keys_becomes_a_case(database: Database) -> None:
    desk = Desk(database, LossyGateway(keeps_keys=False, loses=1))
    await open_account(database)
    assert await desk.run(create("c0")) == "unknown"
    for seconds in SCHEDULE_SECONDS:
        await desk.round(timedelta(seconds=seconds + 1))
    assert desk.gateway.calls == ["c0"]
    assert await notices(database) == [("case_opened", "command_unknown")]
    await assert_audit_holds(database)


@pytest.mark.parametrize(
    ("error", "outcomes"),
    [
        (GatewayDeclined("do not honour"), ["unknown", "failed"]),
        (GatewayRejected("no such refund"), ["unknown", "failed"]),
        (GatewayRejected("the key was revoked", code="credentials_refused"), ["unknown"]),
    ],
)
async def test_only_an_answer_about_the_call_itself_is_a_failure(
    desk: Desk, error: Exception, outcomes: list[str]
) -> None:
    await desk.complete()
    desk.gateway.drops = 1
    await desk.run(refund("r1", 400))
    desk.gateway.refuses = error
    await desk.round()
    assert await results_of(desk.database, "r1") == outcomes


async def test_nothing_is_repeated_while_the_gateway_cannot_be_read(desk: Desk) -> None:
    await desk.complete()
    desk.gateway.drops, desk.gateway.is_down = 1, True
    await desk.run(refund("r1", 400))
    await desk.round()
    assert desk.gateway.calls.count("r1") == 1


async def test_nothing_is_repeated_when_the_gateway_may_have_forgotten_the_key(desk: Desk) -> None:
    await desk.complete()
    desk.gateway.drops, desk.gateway.is_down = 1, True
    await desk.run(refund("r1", 400))
    desk.gateway.is_down = False
    await desk.round(timedelta(hours=20))
    assert desk.gateway.calls.count("r1") == 1
    assert await results_of(desk.database, "r1") == ["unknown"]
