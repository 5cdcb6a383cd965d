"""Mandates, saved payment methods and payment links: tokens of the gateway, and nothing that could be a card."""

from datetime import timedelta

import pytest

from domain.errors import GatewayDeclined, OutcomeUnknown
from tests.integration.services.books import AMOUNT, NOW, open_account, rows
from tests.integration.services.commands.shop import Shop


async def set_mandate_status(shop: Shop, status: str) -> None:
    async with shop.database.transaction() as transaction:
        await transaction.vault.update_mandate("m1", NOW, status=status)


async def test_a_mandate_is_kept_as_the_gateways_tokens(shop: Shop) -> None:
    await shop.mandated()
    assert await rows(
        shop.database,
        "select status, provider_reference, customer_reference, payment_method_reference, customer_id from mandates",
    ) == [("active", "seti_m1", "cus_cu1", "pm_card", "cu1")]


@pytest.mark.parametrize("status", ["started", "failed", "revoked"])
async def test_a_mandate_that_is_not_active_cannot_be_charged(shop: Shop, status: str) -> None:
    await shop.mandated()
    await set_mandate_status(shop, status)
    result = await shop.run("charge_mandate", "c1")
    assert (result.outcome, result.code, result.field) == ("refused", "operation_not_allowed", "mandate_id")
    assert status in (result.message or "")
    assert await rows(shop.database, "select id from payments") == []


async def test_a_mandate_may_be_charged_up_to_its_maximum_each_time(shop: Shop) -> None:
    await shop.mandated(max_amount_minor=AMOUNT)
    for number in (1, 2):
        result = await shop.run("charge_mandate", f"c{number}", payment_id=f"p{number}")
        assert (result.outcome, result.status) == ("succeeded", "completed")
    above = await shop.run("charge_mandate", "c3", payment_id="p3", amount_minor=AMOUNT + 1)
    assert (above.code, above.field) == ("amount_exceeded", "amount_minor")
    assert len(shop.gateway.held) == 2


async def test_another_accounts_mandate_is_not_there(shop: Shop) -> None:
    await open_account(shop.database, "other")
    await shop.mandated()
    result = await shop.run("charge_mandate", "c1", account="other")
    assert (result.outcome, result.code, result.field) == ("refused", "not_found", "mandate_id")


async def test_a_declined_charge_fails_and_a_crashed_one_charges_once(shop: Shop) -> None:
    await shop.mandated()
    shop.gateway.fails_before = [GatewayDeclined("insufficient funds")]
    declined = await shop.run("charge_mandate", "c1")
    assert (declined.outcome, declined.code, declined.status) == ("failed", "gateway_declined", "pending")
    shop.gateway.fails_after = [RuntimeError("the process died here")]
    with pytest.raises(RuntimeError, match="died here"):
        await shop.run("charge_mandate", "c2", payment_id="p2")
    assert (await shop.run("charge_mandate", "c2", payment_id="p2")).status == "completed"
    assert sum(held.captured_minor for held in shop.gateway.held.values()) == AMOUNT


async def test_a_mandate_of_unknown_outcome_is_settled_with_its_tokens(shop: Shop) -> None:
    shop.gateway.fails_after = [OutcomeUnknown("no answer")]
    assert (await shop.run("setup_mandate", "c1")).outcome == "unknown"
    assert (await shop.run("charge_mandate", "c2")).code == "operation_not_allowed"
    assert (await shop.settle(shop.command("setup_mandate", "c1"))).outcome == "succeeded"
    assert (await shop.run("charge_mandate", "c3")).outcome == "succeeded"


async def test_a_saved_method_is_kept_as_tokens_and_what_a_person_may_see(shop: Shop) -> None:
    await shop.run("save_payment_method", "c1")
    assert await rows(
        shop.database,
        "select status, provider_reference, customer_reference, kind, brand, last_four, expires from payment_methods",
    ) == [("active", "pm_tok_visa", "cus_cu1", "card", "visa", "4242", "12/2030")]
    taken = await shop.run("save_payment_method", "c2")
    assert (taken.outcome, taken.code, taken.field) == ("refused", "command_conflict", "payment_method_id")


async def test_a_link_has_amount_address_and_expiry_and_is_closed_for_good(shop: Shop) -> None:
    expires_at = NOW + timedelta(days=1)
    await shop.linked(expires_at=expires_at, reusable=True)
    link = "select status, url, reusable, expires_at from payment_links"
    assert await rows(shop.database, link) == [("active", "https://pay.example/plink_1", True, expires_at)]
    for command_id in ("c1", "c2"):
        assert (await shop.run("cancel_payment_link", command_id)).outcome == "succeeded"
    assert shop.gateway.links == {"plink_1": "cancelled"}
    assert await rows(shop.database, "select status from payment_links") == [("cancelled",)]


async def test_a_payment_is_paid_by_its_link(shop: Shop) -> None:
    await shop.linked()
    held = shop.gateway.hold(AMOUNT, "USD", payment_id="p1")
    shop.gateway.pay(held.reference)
    await shop.tell_all(held.reference)
    assert await rows(shop.database, "select status, provider_reference from payments") == [("completed", "pi_1")]


async def test_a_payment_with_a_link_is_cancelled_after_its_link(shop: Shop) -> None:
    await shop.linked()
    assert (await shop.run("cancel", "c1")).code == "operation_not_allowed"
    await shop.run("cancel_payment_link", "c2")
    assert (await shop.run("cancel", "c3")).status == "cancelled"


async def test_an_expired_link_stands_in_nobodys_way(shop: Shop) -> None:
    await shop.linked(expires_at=NOW + timedelta(hours=1))
    shop.now = NOW + timedelta(hours=2)
    assert (await shop.run("cancel", "c1")).status == "cancelled"
