"""Money that goes back: never more than came, never twice, and restored when a refund fails."""

import asyncio
from datetime import UTC, datetime

import pytest

from domain.facts import Fact, FactKind
from tests.integration.services.books import AMOUNT, balances, events, fact, rows
from tests.integration.services.commands.shop import TESTGATE, Shop

DUE = datetime(2026, 2, 1, tzinfo=UTC)
NET = AMOUNT - 59
REFUNDS = "select reference, status, amount_minor, reason from refunds order by reference"
DISPUTES = "select reference, status, amount_minor, reason, evidence_due_at from disputes"


def told(event_id: str, kind: FactKind, reference: str, amount_minor: int | None = None, **more: object) -> Fact:
    """What the gateway says of a refund or a dispute of pi_1."""
    currency = None if amount_minor is None else "USD"
    values = {"amount_minor": amount_minor, "currency": currency, "movement_reference": reference, **more}
    return fact(event_id, kind, gateway=TESTGATE, **values)


async def payable(shop: Shop) -> int:
    """What the tenant is owed, in minor units."""
    return -(await balances(shop.database)).get("recipient:tenant:demo:payable", 0)


@pytest.fixture
async def paid(shop: Shop) -> Shop:
    """A shop with a completed payment of 10.00 USD."""
    await shop.completed()
    return shop


async def test_fifty_partial_refunds_at_once_never_exceed_captured_less_disputed(paid: Shop) -> None:
    await paid.tell(told("evt_d", FactKind.DISPUTE_OPENED, "dp_1", 300))
    commands = [paid.command("refund", f"r{number}", amount_minor=90) for number in range(50)]
    runners = [paid.new_runner() for _ in range(5)]
    results = await asyncio.gather(*(runners[n % 5].run(command) for n, command in enumerate(commands)))
    possible = (AMOUNT - 300) // 90
    assert [result.outcome for result in results].count("succeeded") == possible
    assert {result.code for result in results if result.outcome == "refused"} == {"amount_exceeded"}
    assert await rows(paid.database, "select refunded_minor from payments") == [(possible * 90,)]
    assert paid.gateway.held["pi_1"].refunded_minor == possible * 90
    rest = await paid.run("refund", "rest")
    assert rest.amount_minor == (AMOUNT - 300) % 90
    assert (await paid.run("refund", "one-more", amount_minor=1)).code == "amount_exceeded"


async def test_a_refund_that_fails_after_it_succeeded_can_be_made_again(paid: Shop) -> None:
    assert (await paid.run("refund", "r1")).status == "refunded"
    assert await payable(paid) == NET - AMOUNT
    await paid.tell(told("evt_f", FactKind.REFUND_FAILED, "pi_1_re1", reason="account closed"))
    assert await rows(paid.database, "select status, refunded_minor from payments") == [("completed", 0)]
    assert await rows(paid.database, "select status from refunds") == [("failed",)]
    assert await payable(paid) == NET
    assert (await events(paid.database))[-1] == "refund.failed"
    paid.gateway.take_back("pi_1_re1")
    again = await paid.run("refund", "r2")
    assert (again.outcome, again.amount_minor, again.status) == ("succeeded", AMOUNT, "refunded")
    assert await payable(paid) == NET - AMOUNT


async def test_refunds_made_in_the_gateways_dashboard_are_imported_and_count(paid: Shop) -> None:
    await paid.tell(told("evt_p", FactKind.REFUND_PENDING, "re_dash", 700, reason="asked by phone"))
    assert await rows(paid.database, REFUNDS) == [("re_dash", "pending", 700, "asked by phone")]
    assert (await paid.run("refund", "r1", amount_minor=301)).code == "amount_exceeded"
    assert (await paid.run("reverse", "c1")).code == "operation_not_allowed"
    await paid.tell(told("evt_r", FactKind.REFUNDED, "re_dash", 700))
    assert (await paid.run("refund", "r2", amount_minor=300)).status == "refunded"
    assert await rows(paid.database, REFUNDS) == [
        ("pi_1_re1", "succeeded", 300, None),
        ("re_dash", "succeeded", 700, "asked by phone"),
    ]


async def test_a_dispute_holds_the_money_until_it_is_decided(paid: Shop) -> None:
    await paid.tell(told("evt_o", FactKind.DISPUTE_OPENED, "dp_1", 400, reason="fraudulent", evidence_due_at=DUE))
    assert await rows(paid.database, DISPUTES) == [("dp_1", "opened", 400, "fraudulent", DUE)]
    assert (await balances(paid.database))["disputes:held"] == 400
    assert await payable(paid) == NET
    await paid.tell(told("evt_w", FactKind.DISPUTE_WON, "dp_1"))
    assert await rows(paid.database, DISPUTES) == [("dp_1", "won", 400, "fraudulent", DUE)]
    assert "disputes:held" not in await balances(paid.database)
    assert await payable(paid) == NET
    assert (await paid.run("refund", "r1")).amount_minor == AMOUNT


async def test_a_lost_dispute_is_taken_from_the_recipient(paid: Shop) -> None:
    await paid.tell(told("evt_o", FactKind.DISPUTE_OPENED, "dp_1", 400, evidence_due_at=DUE))
    await paid.tell(told("evt_l", FactKind.DISPUTE_LOST, "dp_1", 400))
    assert await rows(paid.database, DISPUTES) == [("dp_1", "lost", 400, None, DUE)]
    assert "disputes:held" not in await balances(paid.database)
    assert await payable(paid) == NET - 400
    assert (await paid.run("refund", "r1", amount_minor=601)).code == "amount_exceeded"


@pytest.mark.parametrize("refund_first", [True, False])
async def test_a_refund_and_a_lost_dispute_never_take_from_the_recipient_twice(
    paid: Shop, *, refund_first: bool
) -> None:
    refund = told("evt_r", FactKind.REFUNDED, "re_1", AMOUNT)
    lost = told("evt_l", FactKind.DISPUTE_LOST, "dp_1", AMOUNT)
    for one in (refund, lost) if refund_first else (lost, refund):
        await paid.tell(one)
    assert await payable(paid) == NET - AMOUNT
    books = await balances(paid.database)
    assert books["losses:excess"] == AMOUNT
    assert books[f"gateway:{TESTGATE}:receivable"] == -AMOUNT
    assert await rows(
        paid.database, "select sum(net_minor)::int from settlement_entries where recipient_type = 'tenant'"
    ) == [(NET - AMOUNT,)]
    assert "payment.anomaly" in await events(paid.database)
