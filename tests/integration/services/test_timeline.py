"""The timeline of a payment: everything that is recorded of it, in order, in a fixed number of statements."""

import json
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from connectors.base import GatewayAnswer, MovementRequest, OrderRequest
from domain.errors import NotFound
from domain.facts import FactKind
from services.apply_events import ReceivedFact, apply_events
from services.commands.runner import CommandRunner
from services.gateways import ConnectorSource
from services.settle import AGENT, SettlementRules, catch_up, close_windows
from services.timeline import TimelineEntry, TimelineKind, timeline
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, NOW, fact, open_account, open_payment, received
from tests.integration.services.test_audit_log import counted
from topics.commands import PaymentCommand

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RULES = SettlementRules(
    window_seconds=3600, grace_seconds=60, auto_approve_threshold_minor=10_000, catch_up_after_seconds=0
)


class Gateway(ConnectorSource):
    """Sets payments up and refunds them."""

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        return GatewayAnswer(provider_reference="pi_1")

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        refunded = fact(
            "api_refund",
            FactKind.REFUNDED,
            movement_reference="re_1",
            amount_minor=request.amount_minor,
            occurred_at=NOW + 3 * MINUTE,
        )
        return GatewayAnswer(provider_reference="pi_1", facts=(refunded,))

    async def connector(self, account: str, gateway: str) -> object:
        return self


async def command(database: Database, minute: int, kind: str, **values: object) -> None:
    """Run a command at a minute after the beginning."""
    said = {"kind": kind, "command_id": f"c{minute}", "account": "demo", "requested_at": NOW, "actor": "shop"}
    record = PaymentCommand.model_validate({"command": said | {"payment_id": "p1"} | values})
    await CommandRunner(database, Gateway(), lambda: NOW + minute * MINUTE).run(record.command)


async def callback(database: Database, minute: int, kind: FactKind, offset: int, **changes: object) -> None:
    """Have a callback's fact applied at a minute after the beginning."""
    at = NOW + minute * MINUTE
    told = fact(f"evt_{minute}", kind, **{"occurred_at": at - timedelta(seconds=2), **changes})
    await apply_events(database, [ReceivedFact(fact=told, raw_partition=3, raw_offset=offset)], at)


async def whole_life(database: Database) -> tuple[TimelineEntry, ...]:
    """Create, capture, refund by command, open and lose a dispute, settle; then read the timeline."""
    await open_account(database)
    terms = {"amount_minor": AMOUNT, "currency": "USD", "resource_type": "order", "resource_id": "o1"}
    await command(database, 0, "create_payment", gateway="stripe", **terms)
    await callback(database, 1, FactKind.CAPTURED, 41)
    await command(database, 3, "refund", amount_minor=300)
    await callback(database, 4, FactKind.DISPUTE_OPENED, 42, movement_reference="dp_1", amount_minor=200)
    await callback(database, 5, FactKind.DISPUTE_LOST, 43, movement_reference="dp_1", amount_minor=200)
    await catch_up(database, RULES, NOW + HOUR)
    await close_windows(database, RULES, NOW + 3 * HOUR)
    return await timeline(database, "demo", "p1")


def kinds_between(entries: tuple[TimelineEntry, ...], first: int, last: int) -> list[str]:
    """The kinds of what was recorded from one minute to another."""
    return [one.kind.value for one in entries if NOW + first * MINUTE <= one.at <= NOW + last * MINUTE]


async def test_it_leads_from_the_command_over_callback_and_ledger_to_the_payout(database: Database) -> None:
    entries = await whole_life(database)
    assert kinds_between(entries, 0, 0) == ["command", "event", "command_result"]
    assert kinds_between(entries, 1, 1) == [
        "callback", "fact", "transition", "ledger", "event", "event", "settlement_entry",
    ]  # fmt: skip
    assert kinds_between(entries, 3, 3) == [
        "command", "fact", "transition", "ledger", "refund", "event", "settlement_entry", "command_result",
    ]  # fmt: skip
    assert kinds_between(entries, 4, 4) == ["callback", "fact", "ledger", "dispute", "event"]
    assert kinds_between(entries, 5, 5) == [
        "callback", "fact", "ledger", "ledger", "dispute", "event", "event", "settlement_entry",
    ]  # fmt: skip
    assert kinds_between(entries, 6, 600) == ["window", "payout_batch"]
    assert all(earlier.at <= later.at for earlier, later in pairwise(entries))


async def test_every_entry_explains_itself(database: Database) -> None:
    entries = await whole_life(database)
    first = {one.kind: one for one in reversed(entries)}
    assert first[TimelineKind.CALLBACK].details == {
        "gateway": "stripe",
        "gateway_event_id": "evt_1",
        "topic": "payments.webhooks.raw.v1",
        "partition": 3,
        "offset": 41,
    }
    said = first[TimelineKind.FACT].details
    assert (said["kind"], said["amount_minor"], said["disposition"], said["reason"]) == (
        "captured",
        1000,
        "applied",
        None,
    )
    assert first[TimelineKind.TRANSITION].title == "pending → completed"
    postings = first[TimelineKind.LEDGER].details["postings"]
    assert sum(one["amount_minor"] for one in postings) == 0
    assert postings[0] == {"ledger_account": "gateway:stripe:receivable", "amount_minor": 1000}
    assert [one.details["sequence"] for one in entries if one.kind is TimelineKind.EVENT] == list(range(1, 8))
    assert first[TimelineKind.COMMAND].details["actor"] == "shop"
    assert first[TimelineKind.COMMAND_RESULT].details["outcome"] == "succeeded"
    refund, batch = first[TimelineKind.REFUND].details, first[TimelineKind.PAYOUT_BATCH].details
    assert (refund["actor"], refund["request_id"], refund["after"]["status"]) == (
        "gateway:stripe", "api_refund", "succeeded",
    )  # fmt: skip
    disputes = [one.details["after"]["status"] for one in entries if one.kind is TimelineKind.DISPUTE]
    assert disputes == ["opened", "lost"]
    assert (batch["actor"], batch["after"]["status"]) == (AGENT, "approved")
    settled = [one.details for one in entries if one.kind is TimelineKind.SETTLEMENT_ENTRY]
    assert sum(one["net_minor"] for one in settled) == batch["after"]["net_minor"]
    assert {one["payout_batch_id"] for one in settled} == {batch["subject_id"]}
    assert first[TimelineKind.WINDOW].details["payout_batch_id"] == batch["subject_id"]
    assert json.loads(json.dumps([one.details for one in entries])) == [one.details for one in entries]


async def test_what_one_fact_did_stays_together_when_a_batch_is_recorded_at_once(database: Database) -> None:
    await open_account(database)
    await open_payment(database)
    authorized = fact("evt_a", FactKind.AUTHORIZED, movement_reference=None, occurred_at=NOW)
    captured = fact("evt_b", FactKind.CAPTURED, occurred_at=NOW + MINUTE)
    refunded = fact("evt_c", FactKind.REFUNDED, movement_reference="re_1", occurred_at=NOW + 2 * MINUTE)
    await apply_events(database, received(refunded, captured, authorized), NOW + HOUR)
    entries = await timeline(database, "demo", "p1")
    told = [one.details.get("kind") or one.details.get("to_status") or one.kind for one in entries]
    assert told[:9] == [
        "authorized", "authorized", "event", "captured", "completed", "ledger", "event", "event", "settlement_entry",
    ]  # fmt: skip
    assert told[9:12] == ["refunded", "refunded", "ledger"]
    assert Counter(one.kind for one in entries)[TimelineKind.REFUND] == 1


async def test_a_fact_that_came_before_its_payment_stands_before_it(database: Database) -> None:
    await open_account(database)
    await apply_events(database, received(fact("evt_1", FactKind.CAPTURED)), NOW - MINUTE)
    terms = {"amount_minor": AMOUNT, "currency": "USD", "resource_type": "order", "resource_id": "o1"}
    await command(database, 0, "create_payment", gateway="stripe", **terms)
    entries = await timeline(database, "demo", "p1")
    assert [one.kind.value for one in entries][:2] == ["fact", "command"]
    assert "completed" in [one.details.get("to_status") for one in entries]


async def test_a_manual_payments_submission_and_decision_are_there(database: Database) -> None:
    await open_account(database)
    terms = {"amount_minor": AMOUNT, "currency": "USD", "resource_type": "order", "resource_id": "o1"}
    await command(
        database, 0, "submit_manual_payment", method="check", transaction_reference="CHK-1", actor="clerk", **terms
    )
    await command(database, 1, "approve", actor="chief")
    entries = await timeline(database, "demo", "p1")
    decided = [one.details for one in entries if one.kind is TimelineKind.MANUAL_PAYMENT]
    assert [(one["action"], one["actor"]) for one in decided] == [("insert", "clerk"), ("update", "chief")]
    assert entries[-1].kind is TimelineKind.COMMAND_RESULT


@pytest.mark.parametrize(("account", "payment_id"), [("other", "p1"), ("demo", "p2"), ("nobody", "p1")])
async def test_another_accounts_payment_is_not_there(database: Database, account: str, payment_id: str) -> None:
    await open_account(database)
    await open_account(database, "other")
    await open_payment(database)
    with pytest.raises(NotFound, match=f"account '{account}' has no payment '{payment_id}'"):
        await timeline(database, account, payment_id)


async def test_another_accounts_command_about_the_payment_is_not_shown(database: Database) -> None:
    await open_account(database)
    await open_account(database, "other")
    await open_payment(database)
    await command(database, 1, "sync", account="other")
    assert await timeline(database, "demo", "p1") == ()


async def test_a_long_life_takes_as_many_statements_as_a_short_one(database: Database) -> None:
    await open_account(database)
    await open_payment(database)
    await apply_events(database, received(fact("evt_0", FactKind.CAPTURED)), NOW)
    async with counted(database) as short:
        few = await timeline(database, "demo", "p1")
    for number in range(1, 40):
        refunded = fact(f"evt_{number}", FactKind.REFUNDED, movement_reference=f"re_{number}", amount_minor=10)
        await apply_events(database, received(refunded), NOW + number * MINUTE)
    async with counted(database) as long:
        many = await timeline(database, "demo", "p1")
    assert len(many) > len(few) + 39 * 4
    assert len(long) == len(short) <= 10


@pytest.mark.parametrize("as_json", [True, False])
async def test_the_command_shows_it(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, *, as_json: bool
) -> None:
    entries = await whole_life(database)
    monkeypatch.setenv("PAYSTREAM_DATABASE__URL", database_url)
    result = await invoke("payments", "timeline", "p1", *["--json"] * as_json)
    if as_json:
        assert [(one["kind"], one["title"]) for one in json.loads(result)] == [
            (one.kind.value, one.title) for one in entries
        ]
    else:
        assert all(one.title in result for one in entries)
    assert "there is no payment 'p9'" in await invoke("payments", "timeline", "p9", exit_code=1)


async def test_the_audit_log_is_shown_by_subject_and_account(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await whole_life(database)
    await open_account(database, "other")
    monkeypatch.setenv("PAYSTREAM_DATABASE__URL", database_url)
    records = json.loads(await invoke("audit-log", "--subject", "refund:stripe:demo:re_1", "--json"))
    assert [(one["actor"], one["action"], one["request_id"]) for one in records] == [
        ("gateway:stripe", "insert", "api_refund")
    ]
    others = json.loads(await invoke("audit-log", "--account", "other", "--json"))
    assert [one["subject_id"] for one in others] == ["other"]
    table = await invoke("audit-log", "--subject", "payment:p1")
    assert "captured_minor: 0 → 1000" in " ".join(table.split())
    assert "write its type" in await invoke("audit-log", "--subject", "p1", exit_code=1)


async def invoke(*arguments: str, exit_code: int = 0) -> str:
    """Run the command line in a thread, as it starts an event loop of its own; return what it printed."""
    import asyncio

    from cli.main import app

    result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), terminal_width=400)
    assert result.exit_code == exit_code, result.output
    return result.output
