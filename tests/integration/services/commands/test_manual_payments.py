"""Payments that a person makes and another person confirms."""

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError

from tests.integration.services.books import AMOUNT, NOW, balances, events, open_account, rows
from tests.integration.services.commands.fake_gateway import FakeGateways
from tests.integration.services.commands.shop import Shop

STATUSES = "select id, status from payments order by id"


async def submit(shop: Shop, payment_id: str, **values: object) -> str:
    """Submit a payment; returns its status, or the refusal's code."""
    result = await shop.run("submit_manual_payment", f"submit-{payment_id}", payment_id=payment_id, **values)
    return str(result.status or result.code)


async def test_an_approved_payment_is_completed_with_ledger_and_events(shop: Shop) -> None:
    await shop.submitted()
    result = await shop.run("approve", "c1")
    assert (result.outcome, result.status, result.amount_minor) == ("succeeded", "completed", AMOUNT)
    assert await balances(shop.database) == {
        "fees:revenue": -59,
        "gateway:manual:receivable": AMOUNT,
        "recipient:tenant:demo:payable": -(AMOUNT - 59),
    }
    assert await events(shop.database) == ["payment.created", "capture.succeeded", "payment.completed"]
    assert await rows(shop.database, "select submitted_by, decided_by, decided_at from manual_payments") == [
        ("clerk", "boss", NOW)
    ]


async def test_a_rejected_payment_has_failed_for_the_given_reason(shop: Shop) -> None:
    await shop.submitted()
    result = await shop.run("reject", "c1")
    assert (result.outcome, result.status) == ("succeeded", "failed")
    assert await rows(shop.database, "select status, failure_reason from payments") == [
        ("failed", "the money never came")
    ]
    assert await balances(shop.database) == {}
    assert await events(shop.database) == ["payment.created", "payment.failed"]
    assert (await shop.run("approve", "c2")).code == "operation_not_allowed"


@pytest.mark.parametrize("kind", ["approve", "reject"])
async def test_a_decision_is_made_once(shop: Shop, kind: str) -> None:
    await shop.submitted()
    kinds = (kind, "approve", "reject")
    commands = [shop.command(each, f"c{number}") for number, each in enumerate(kinds)]
    results = await asyncio.gather(*map(shop.runner.run, commands))
    assert sorted(result.outcome for result in results) == ["refused", "refused", "succeeded"]


async def test_the_database_too_refuses_a_decision_of_the_submitter(shop: Shop) -> None:
    await shop.submitted()
    with pytest.raises(IntegrityError, match="manual_payments"):
        async with shop.database.transaction() as transaction:
            await transaction.manual_payments.decide("p1", by="clerk", now=NOW)


async def test_another_accounts_invoice_is_not_there(shop: Shop) -> None:
    await open_account(shop.database, "other")
    await shop.invoiced()
    result = await shop.run("submit_manual_payment", "c1", account="other")
    assert (result.outcome, result.code, result.field) == ("refused", "not_found", "resource_id")


async def test_what_is_paid_already_cannot_be_paid_again(shop: Shop) -> None:
    await shop.submitted()
    assert (await shop.run("approve", "c1")).outcome == "succeeded"
    assert await submit(shop, "p2") == "already_paid"
    assert await rows(shop.database, STATUSES) == [("p1", "completed")]


@pytest.mark.parametrize(
    "resource",
    [{"resource_type": "invoice", "resource_id": "inv-1"}, {"resource_type": "order", "resource_id": "o1"}],
    ids=["invoice", "order"],
)
async def test_of_several_pending_payments_for_one_resource_only_one_is_approved(
    shop: Shop, resource: dict[str, object]
) -> None:
    await shop.invoiced()
    for number in range(5):
        assert await submit(shop, f"p{number}", **resource) == "pending_approval"
    commands = [shop.command("approve", f"a{number}", payment_id=f"p{number}") for number in range(5)]
    results = await asyncio.gather(*map(shop.runner.run, commands))
    assert sorted(result.outcome for result in results) == ["refused"] * 4 + ["succeeded"]
    assert {(result.code, result.field) for result in results if result.outcome == "refused"} == {
        ("already_paid", "resource_id")
    }
    assert await rows(shop.database, "select sum(captured_minor)::int from payments") == [(AMOUNT,)]
    assert await rows(shop.database, "select count(*) from manual_payments where decided_by is not null") == [(1,)]


async def test_a_resource_paid_at_a_gateway_is_not_paid_again_by_hand(shop: Shop) -> None:
    await shop.completed()
    assert await submit(shop, "p2", resource_type="order", resource_id="o1") == "already_paid"
    assert await submit(shop, "p3", resource_type="order", resource_id="o2") == "pending_approval"


async def test_the_result_tells_how_to_pay(shop: Shop) -> None:
    await shop.invoiced()
    result = await shop.run("submit_manual_payment", "c1")
    assert result.client_parameters == {
        "method": "bank_transfer",
        "transaction_reference": "TRX-20260102-1",
        "instructions": f"Pay {AMOUNT} USD by bank_transfer and say inv-1",
    }


async def test_an_account_that_tells_nothing_still_takes_the_payment(shop: Shop) -> None:
    await shop.invoiced()
    shop.source = FakeGateways({**shop.gateways, "manual": shop})  # type: ignore[dict-item]  # anything that tells nothing
    shop.runner = shop.new_runner()
    result = await shop.run("submit_manual_payment", "c1")
    assert (result.outcome, result.status) == ("succeeded", "pending_approval")
    assert set(result.client_parameters) == {"method", "transaction_reference"}
