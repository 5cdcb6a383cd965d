"""Commands in three phases: idempotent, safe against crashes, and never mistaking silence for failure."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from connectors.base import Capability, Registration
from connectors.registry import get_registration
from domain.errors import GatewayDeclined, GatewayUnavailable, OutcomeUnknown
from services.commands.runner import CommandRunner
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, open_account, rows
from tests.integration.services.commands.shop import Shop, registered_testgate


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with an account, at Stripe as it is registered."""
    await open_account(database)
    return Shop(database, "stripe")


@pytest.fixture(autouse=True)
def _testgate() -> Iterator[None]:
    with registered_testgate():
        yield


async def test_a_created_payment_gets_its_name_and_the_client_its_secret(shop: Shop) -> None:
    result = await shop.run("create_payment", "c1")
    assert result.outcome == "succeeded"
    assert result.client_parameters == {"client_secret": "pi_1_secret"}
    assert await rows(shop.database, "select id, provider_reference, status from payments") == [
        ("p1", "pi_1", "pending")
    ]
    assert await shop.results() == [("c1", "succeeded", None)]


async def test_the_same_command_again_answers_alike_and_calls_nobody(shop: Shop) -> None:
    first = await shop.run("create_payment", "c1")
    second = await shop.run("create_payment", "c1")
    assert first == second
    assert shop.gateway.calls == 1
    assert await shop.results() == [("c1", "succeeded", None)]


async def test_an_id_used_again_is_refused_to_its_sender_and_leaves_the_published_result_alone(shop: Shop) -> None:
    await shop.run("create_payment", "c1")
    result = await shop.run("create_payment", "c1", amount_minor=AMOUNT + 1)
    assert (result.outcome, result.code) == ("refused", "command_conflict")
    assert await rows(shop.database, "select amount_minor from payments") == [(AMOUNT,)]
    assert await shop.results() == [("c1", "succeeded", None)]


async def test_a_callback_that_came_before_the_payments_name_is_applied_with_it(shop: Shop) -> None:
    held = shop.gateway.hold(AMOUNT, "USD")
    shop.gateway.pay(held.reference)
    await shop.tell_all()
    shop.gateway.held.clear()
    await shop.created()
    assert await rows(shop.database, "select status, captured_minor from payments") == [("completed", AMOUNT)]
    assert await rows(shop.database, "select distinct disposition from inbox") == [("applied",)]


async def test_a_crash_between_the_call_and_its_record_charges_once(shop: Shop) -> None:
    await shop.authorized()
    shop.gateway.fails_after = [RuntimeError("the process died here")]
    with pytest.raises(RuntimeError, match="died here"):
        await shop.run("capture", "c2")
    assert await rows(shop.database, "select state from commands where id = 'c2'") == [("started",)]
    shop.runner = shop.new_runner()
    assert (await shop.run("capture", "c2")).outcome == "succeeded"
    assert [what for what, _ in shop.gateway.effects.values()] == ["order", "capture"]
    assert await rows(shop.database, "select status, captured_minor from payments") == [("completed", AMOUNT)]
    assert (await shop.results())[1:] == [("c2", "succeeded", None)]


async def test_after_a_crash_a_gateway_that_cannot_repeat_safely_is_not_asked_again(shop: Shop) -> None:
    await shop.authorized()
    shop.gateway.fails_after = [RuntimeError("the process died here")]
    with pytest.raises(RuntimeError, match="died here"):
        await shop.run("capture", "c2")
    calls = shop.gateway.calls
    shop.runner = CommandRunner(shop.database, shop.source, lambda: shop.now, look_up=_forgetful)
    result = await shop.run("capture", "c2")
    assert (result.outcome, shop.gateway.calls) == ("unknown", calls)
    assert await rows(shop.database, "select sync_due_at is not null from payments") == [(True,)]


def _forgetful(gateway: str) -> Registration:
    """The gateway's registration, without the promise that an idempotency key means one thing."""
    registration = get_registration(gateway)
    return replace(registration, capabilities=registration.capabilities - {Capability.REPEATS_SAFELY})


async def test_a_timeout_is_unknown_and_settled_by_what_is_found_out(shop: Shop) -> None:
    await shop.authorized()
    shop.gateway.fails_after = [OutcomeUnknown("no answer within 10 s")]
    result = await shop.run("capture", "c2")
    assert (result.outcome, result.status) == ("unknown", "authorized")
    assert await rows(shop.database, "select status from payments where sync_due_at is not null") == [("authorized",)]
    settled = await shop.settle(shop.command("capture", "c2"))
    assert (settled.outcome, settled.status) == ("succeeded", "completed")
    assert shop.gateway.held["pi_1"].captured_minor == AMOUNT
    assert await shop.run("capture", "c2") == settled
    assert (await shop.results())[1:] == [("c2", "unknown", "outcome_unknown"), ("c2", "succeeded", None)]


async def test_a_decline_is_a_failed_command_and_moves_nothing(shop: Shop) -> None:
    await shop.authorized()
    shop.gateway.fails_before = [GatewayDeclined("do not honour")]
    result = await shop.run("capture", "c2")
    assert (result.outcome, result.code, result.status) == ("failed", "gateway_declined", "authorized")


async def test_an_unreachable_gateway_may_be_tried_again_and_then_given_up(shop: Shop) -> None:
    error = GatewayUnavailable("connection refused")
    shop.gateway.fails_before = [error, error]
    for _ in range(2):
        with pytest.raises(GatewayUnavailable):
            await shop.run("create_payment", "c1")
    result = await shop.runner.give_up(shop.command("create_payment", "c1"), error)
    assert (result.outcome, result.code) == ("failed", "gateway_unavailable")
    assert await shop.results() == [("c1", "failed", "gateway_unavailable")]


async def test_giving_up_after_an_attempt_that_may_have_had_effect_is_unknown_and_keeps_the_amount(shop: Shop) -> None:
    await shop.completed()
    shop.gateway.fails_after = [RuntimeError("the process died here")]
    with pytest.raises(RuntimeError, match="died here"):
        await shop.run("refund", "r1", amount_minor=600)
    shop.runner = shop.new_runner()
    error = GatewayUnavailable("connection refused")
    shop.gateway.fails_before = [error]
    with pytest.raises(GatewayUnavailable):
        await shop.run("refund", "r1", amount_minor=600)
    given_up = await shop.runner.give_up(shop.command("refund", "r1", amount_minor=600), error)
    assert (given_up.outcome, given_up.code) == ("unknown", "outcome_unknown")
    assert (await shop.run("refund", "r2", amount_minor=600)).code == "amount_exceeded"
    assert (await shop.settle(shop.command("refund", "r1", amount_minor=600))).outcome == "succeeded"
    assert shop.gateway.held["pi_1"].refunded_minor == 600
    assert await rows(shop.database, "select refunded_minor from payments") == [(600,)]


async def test_the_same_command_many_times_at_once_is_one_effect_and_one_result(shop: Shop) -> None:
    await shop.completed()
    runners = [shop.new_runner() for _ in range(8)]
    command = shop.command("refund", "r1", amount_minor=100)
    outcomes = {result.outcome for result in await asyncio.gather(*(runner.run(command) for runner in runners))}
    assert outcomes == {"succeeded"}
    assert shop.gateway.held["pi_1"].refunded_minor == 100
    assert (await shop.results())[1:] == [("r1", "succeeded", None)]


@pytest.mark.parametrize("kind", ["create_order", "cancel"])
async def test_a_payment_whose_order_may_be_there_gets_no_second_one_and_is_not_cancelled(
    shop: Shop, kind: str
) -> None:
    shop.gateway.fails_after = [OutcomeUnknown("no answer")]
    assert (await shop.run("create_payment", "c1")).outcome == "unknown"
    refused = await shop.run(kind, "c2")
    assert (refused.outcome, refused.code) == ("refused", "operation_not_allowed")
    assert "create_payment" in (refused.message or "")
    assert (await shop.settle(shop.command("create_payment", "c1"))).outcome == "succeeded"
    assert len(shop.gateway.held) == 1


@pytest.mark.parametrize(("first", "second"), [("refund", "reverse"), ("reverse", "refund"), ("capture", "void")])
async def test_what_could_move_the_same_money_waits(database: Database, first: str, second: str) -> None:
    await open_account(database)
    shop = Shop(database)
    await (shop.authorized() if first == "capture" else shop.completed())
    shop.gateway.fails_after = [OutcomeUnknown("no answer")]
    assert (await shop.run(first, "c1")).outcome == "unknown"
    refused = await shop.run(second, "c2")
    assert (refused.outcome, refused.code) == ("refused", "operation_not_allowed")
    assert first in (refused.message or "")
    assert (await shop.settle(shop.command(first, "c1"))).outcome == "succeeded"
