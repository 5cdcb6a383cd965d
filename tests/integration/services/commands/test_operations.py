"""Every kind of command: what it does, what it refuses, and that it does it once."""

from typing import get_args

import pytest

from connectors.base import Capability
from connectors.registry import get_registration
from services.commands.handlers import HANDLERS
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, open_account, rows
from tests.integration.services.commands.cases import HAPPY, INCAPABLE, OF_A_PAYMENT, REFUSED, Case, Happy, Refused
from tests.integration.services.commands.shop import Shop
from topics.commands import Command

KINDS = {model.model_fields["kind"].default for model in get_args(Command)}
COUNTED = """
    select (select count(*) from payments), (select count(*) from mandates), (select count(*) from payment_methods),
        (select count(*) from payment_links), (select count(*) from manual_payments), (select count(*) from invoices),
        (select count(*) from inbox)
"""


async def bring_about(shop: Shop, case: Case) -> None:
    """Bring the shop into the case's situation; the first stage takes the case's changes."""
    for number, stage in enumerate(case.given):
        if stage == "paid_elsewhere":
            shop.gateway.pay(shop.gateway.hold(AMOUNT, "USD").reference)
        else:
            await getattr(shop, stage)(**(case.stage if number == 0 else {}))


async def counts(database: Database) -> list[tuple[object, ...]]:
    """How many rows there are of everything that a command makes."""
    return await rows(database, COUNTED)


def test_every_kind_of_command_has_a_handler_and_is_seen_to_be_done_and_refused() -> None:
    assert set(HANDLERS) == KINDS
    assert {case.kind for case in HAPPY} == KINDS
    assert {case.kind for case in REFUSED} == KINDS


@pytest.mark.parametrize("case", HAPPY, ids=str)
async def test_it_is_done_once_however_often_it_is_asked(shop: Shop, case: Happy) -> None:
    await bring_about(shop, case)
    calls = shop.gateway.calls
    result = await shop.run(case.kind, "c1", **case.values)
    assert (result.outcome, result.code) == ("succeeded", None), result.message
    assert (result.status, result.amount_minor) == (case.status, case.amount_minor)
    assert set(case.brings) <= set(result.client_parameters)
    assert shop.gateway.calls == calls + case.asks
    stored = await counts(shop.database)
    assert await shop.run(case.kind, "c1", **case.values) == result
    assert shop.gateway.calls == calls + case.asks
    assert await counts(shop.database) == stored
    assert [row for row in await shop.results() if row[0] == "c1"] == [("c1", "succeeded", None)]


@pytest.mark.parametrize("case", REFUSED, ids=str)
async def test_it_is_refused_and_nothing_is_kept_of_it(shop: Shop, case: Refused) -> None:
    await bring_about(shop, case)
    calls, stored = shop.gateway.calls, await counts(shop.database)
    result = await shop.run(case.kind, "c1", **case.values)
    assert (result.outcome, result.code, str(result.field)) == ("refused", case.code, case.at), result.message
    assert all(word in (result.message or "") for word in case.says), result.message
    assert shop.gateway.calls == calls
    assert await counts(shop.database) == stored
    assert await shop.run(case.kind, "c1", **case.values) == result
    assert [row for row in await shop.results() if row[0] == "c1"] == [("c1", "refused", case.code)]


@pytest.mark.parametrize("case", HAPPY, ids=str)
async def test_the_same_id_with_other_content_is_refused_and_the_first_answer_stands(shop: Shop, case: Happy) -> None:
    await bring_about(shop, case)
    await shop.run(case.kind, "c1", **case.values)
    calls, stored = shop.gateway.calls, await counts(shop.database)
    result = await shop.run(case.kind, "c1", **{**case.values, "actor": "somebody-else"})
    assert (result.outcome, result.code, result.field) == ("refused", "command_conflict", "command_id")
    assert (shop.gateway.calls, await counts(shop.database)) == (calls, stored)
    assert [row for row in await shop.results() if row[0] == "c1"] == [("c1", "succeeded", None)]


@pytest.mark.parametrize("kind", OF_A_PAYMENT)
async def test_a_payment_that_is_unknown_or_another_accounts_is_not_there(shop: Shop, kind: str) -> None:
    await open_account(shop.database, "other")
    await shop.created()
    for command_id, values in (("c1", {"payment_id": "p2"}), ("c2", {"account": "other"})):
        result = await shop.run(kind, command_id, **values)
        assert (result.outcome, result.code, result.field) == ("refused", "not_found", "payment_id")
        assert result.status is None
    assert shop.gateway.calls == 1


@pytest.mark.parametrize(("stage", "kind"), INCAPABLE)
async def test_what_the_gateways_api_lacks_is_refused_by_name(database: Database, stage: str, kind: str) -> None:
    await open_account(database)
    shop = Shop(database, "razorpay")
    await getattr(shop, stage)()
    calls = shop.gateway.calls
    result = await shop.run(kind, "c1")
    assert (result.outcome, result.code) == ("refused", "capability_missing")
    assert "Razorpay" in (result.message or "")
    assert kind in (result.message or "")
    assert shop.gateway.calls == calls


@pytest.mark.parametrize("kind", ["setup_mandate", "save_payment_method", "create_payment_link"])
async def test_what_needs_no_payment_is_refused_by_name_too(database: Database, kind: str) -> None:
    await open_account(database)
    shop = Shop(database)
    result = await shop.run(kind, "c1", gateway="manual")
    assert (result.outcome, result.code) == ("refused", "capability_missing")
    assert get_registration("manual").display_name in (result.message or "")
    assert kind in (result.message or "")


async def test_a_partial_capture_where_only_the_whole_is_taken_is_refused_by_name(database: Database) -> None:
    assert not get_registration("razorpay").has(Capability.PARTIAL_CAPTURES)
    await open_account(database)
    shop = Shop(database, "razorpay")
    await shop.authorized()
    refused = await shop.run("capture", "c1", amount_minor=400)
    assert (refused.code, refused.field) == ("capability_missing", "amount_minor")
    assert "Razorpay has no partial capture" in (refused.message or "")
    assert (await shop.run("capture", "c2")).status == "completed"
    again = await shop.run("capture", "c3")
    assert (again.code, again.message) == ("capability_missing", "Razorpay captures an authorization only once")


async def test_several_captures_up_to_what_is_authorized(shop: Shop) -> None:
    await shop.authorized()
    for number, amount_minor in enumerate((300, 300, 300)):
        result = await shop.run("capture", f"c{number}", amount_minor=amount_minor)
        assert (result.outcome, result.status) == ("succeeded", "completed")
    too_much = await shop.run("capture", "c3", amount_minor=101)
    assert (too_much.outcome, too_much.code) == ("refused", "amount_exceeded")
    rest = await shop.run("capture", "c4")
    assert rest.amount_minor == 100
    assert await rows(shop.database, "select captured_minor from payments") == [(AMOUNT,)]
    assert shop.gateway.held["pi_1"].captured_minor == AMOUNT


async def test_a_false_proof_of_a_redirect_fails_and_moves_nothing(shop: Shop) -> None:
    await shop.created()
    shop.gateway.pay("pi_1")
    result = await shop.run("verify_redirect", "c1", parameters={"proof": "forged"})
    assert (result.outcome, result.code, result.status) == ("failed", "signature_invalid", "pending")
    genuine = await shop.run("verify_redirect", "c2")
    assert (genuine.outcome, genuine.status) == ("succeeded", "completed")


async def test_a_payment_cannot_be_completed_by_another_payments_name(shop: Shop) -> None:
    await shop.completed()
    await shop.recorded_as("p2")
    result = await shop.run("complete", "c1", payment_id="p2")
    assert (result.outcome, result.code, result.field) == ("refused", "command_conflict", "provider_reference")
    assert await rows(shop.database, "select id, status, provider_reference from payments order by id") == [
        ("p1", "completed", "pi_1"),
        ("p2", "pending", None),
    ]


@pytest.mark.parametrize(("amount_minor", "echo"), [(AMOUNT + 1, None), (AMOUNT, "somebody-elses")])
async def test_a_payment_cannot_be_completed_by_what_is_not_its_own(
    shop: Shop, amount_minor: int, echo: str | None
) -> None:
    await shop.recorded()
    shop.gateway.pay(shop.gateway.hold(amount_minor, "USD", payment_id=echo).reference)
    result = await shop.run("complete", "c1")
    assert (result.outcome, result.code, result.field) == ("failed", "command_conflict", "provider_reference")
    assert await rows(shop.database, "select status, provider_reference from payments") == [("pending", None)]
