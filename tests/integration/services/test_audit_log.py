"""The audit log: every write of every audited table, by whoever it was, and never a secret."""

import base64
import importlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, NullPool, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from connectors.base import AuthorizationRequest, GatewayAnswer, OrderRequest, RedirectRequest
from domain.errors import OperationNotAllowed
from domain.facts import FactKind, Trust
from services.accounts import create_account, rotate_keys, set_credentials
from services.apply_events import apply_events
from services.commands.runner import CommandRunner
from services.gateways import ConnectorSource
from services.settle import AGENT, SettlementRules, catch_up, close_windows
from storage.accounts import Account
from storage.audit_log import AuditRecord
from storage.sealing import KEY_BYTES, KeyRing
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, NOW, fact, open_account, open_payment, received, rows
from topics.commands import Command, CommandResult, PaymentCommand

LIFECYCLE = importlib.import_module("storage.migrations.versions.0002_lifecycle")
AUDITED: tuple[tuple[str, str, str, str], ...] = LIFECYCLE.AUDITED
BESIDE = (("settlement_schedules", "settlement_schedule", "account,effective_from", ""),)
"""What the agent writes beside: an account's first schedule."""
HOUR = timedelta(hours=1)
RULES = SettlementRules(
    window_seconds=3600, grace_seconds=60, auto_approve_threshold_minor=10_000, catch_up_after_seconds=0
)
SECRETS = {
    "secret_key": "sk_test_audit_secret_key",
    "publishable_key": "pk_test_1",
    "webhook_secret": "whsec_audit_webhook_secret",
    "previous_webhook_secret": "whsec_audit_previous_secret",
}
CLIENT_SECRET, TOKEN, SIGNATURE = "pi_1_secret_audit", "pm_audit_one_time_token", "audit-redirect-signature"


class Browserless(ConnectorSource):
    """A gateway that hands out a client secret, takes a token, and proves a redirect."""

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        return GatewayAnswer(
            provider_reference=f"pi_{request.payment_id}", client_parameters={"client_secret": CLIENT_SECRET}
        )

    async def authorize(self, request: AuthorizationRequest) -> GatewayAnswer:
        return GatewayAnswer(provider_reference=request.provider_reference)

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        return GatewayAnswer(provider_reference=request.provider_reference)

    async def connector(self, account: str, gateway: str) -> object:
        return self


class Desk:
    """Sends commands, each by an actor, with a clock that goes on by a second for each."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self._runner = CommandRunner(database, Browserless(), lambda: self.now)

    async def run(self, kind: str, command_id: str, actor: str, **values: object) -> CommandResult:
        self.now += timedelta(seconds=1)
        said = {"kind": kind, "command_id": command_id, "account": "demo", "requested_at": NOW, "actor": actor}
        command: Command = PaymentCommand.model_validate({"command": said | values}).command
        return await self._runner.run(command)

    async def create(self, payment_id: str, actor: str, **values: object) -> CommandResult:
        terms = {"amount_minor": AMOUNT, "currency": "USD", "resource_type": "order", "resource_id": payment_id}
        return await self.run(
            "create_payment", f"create-{payment_id}", actor, payment_id=payment_id, gateway="stripe", **terms | values
        )

    async def submit(self, payment_id: str, actor: str, invoice: str) -> CommandResult:
        return await self.run(
            "submit_manual_payment",
            f"submit-{payment_id}",
            actor,
            payment_id=payment_id,
            amount_minor=AMOUNT,
            currency="USD",
            resource_type="invoice",
            resource_id=invoice,
            method="bank_transfer",
            transaction_reference="TRX-1",
        )


@pytest.fixture
async def desk(database: Database) -> Desk:
    """A desk of an account with a fee."""
    await open_account(database)
    return Desk(database)


async def log(database: Database, **wanted: str) -> list[AuditRecord]:
    async with database.snapshot() as transaction:
        return await transaction.audit_log.find(**wanted)  # type: ignore[arg-type]  # the limit is not asked for here


async def authors(database: Database, subject_type: str) -> list[tuple[str, str, str | None]]:
    """(action, actor, request id) of the records of one type."""
    return [(one.action, one.actor, one.request_id) for one in await log(database, subject_type=subject_type)]


def ring(active: str, *others: str) -> KeyRing:
    names = (active, *others)
    return KeyRing.from_base64(
        {name: base64.b64encode(name.encode().ljust(KEY_BYTES)).decode() for name in names}, active
    )


async def replayed(database: Database) -> dict[tuple[str, str], dict[str, Any]]:
    """Every audited row as the log tells it, having checked that each change starts from what was told before."""
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for one in await log(database):
        key = (one.subject_type, one.subject_id)
        if one.action == "insert":
            assert key not in told
            assert one.before is None
            told[key] = dict(one.after or {})
            continue
        assert one.before is not None
        assert all(told[key][name] == value for name, value in one.before.items())
        if one.action == "delete":
            del told[key]
        else:
            assert one.after is not None
            assert one.after.keys() == one.before.keys()
            told[key] |= one.after
    return told


async def actual(database: Database) -> dict[tuple[str, str], dict[str, Any]]:
    """Every audited row as the tables have it, without what is never to be shown."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    async with database.snapshot() as transaction:
        for table, subject, key, hidden in (*AUDITED, *BESIDE):
            for (row,) in await transaction.connection.execute(text(f"select to_jsonb({table}) from {table}")):  # noqa: S608 - literal names
                for path in filter(None, hidden.split(",")):
                    forget(row, path.split("."))
                found[subject, ":".join(str(row[column]) for column in key.split(","))] = row
    return found


def forget(row: dict[str, Any], path: list[str]) -> None:
    if len(path) == 1:
        row.pop(path[0], None)
    elif isinstance(row.get(path[0]), dict):
        forget(row[path[0]], path[1:])


@asynccontextmanager
async def counted(database: Database) -> AsyncIterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    statements: list[str] = []

    def note(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def a_busy_day(desk: Desk) -> None:
    """Everything that writes: accounts, credentials, commands, facts about money, settlement."""
    database = desk.database
    await create_account(database, Account("second", "Second", 0, 0), actor="alice")
    await set_credentials(database, ring("old"), "demo", "stripe", SECRETS, actor="alice")
    await set_credentials(database, ring("old"), "demo", "stripe", SECRETS, actor="alice")
    assert await rotate_keys(database, ring("new", "old"), actor="alice") == 1
    await desk.create("p1", "shop")
    await desk.create("p2", "shop", set_up_at_gateway=False)
    await desk.run("cancel", "cancel-p2", "shop", payment_id="p2")
    await desk.run("register_invoice", "inv-1", "billing", invoice_id="i1", amount_minor=AMOUNT, currency="USD")
    await desk.run("register_invoice", "inv-2", "billing", invoice_id="i2", amount_minor=AMOUNT, currency="USD")
    await desk.submit("m1", "clerk", "i1")
    await desk.run("approve", "approve-m1", "chief", payment_id="m1")
    await desk.submit("m2", "clerk", "i2")
    await desk.run("reject", "reject-m2", "chief", payment_id="m2", reason="no such transfer")
    for number, (kind, name, amount) in enumerate(
        [
            (FactKind.AUTHORIZED, None, AMOUNT),
            (FactKind.CAPTURED, "ch_1", AMOUNT),
            (FactKind.REFUND_PENDING, "re_1", 300),
            (FactKind.REFUNDED, "re_1", 300),
            (FactKind.DISPUTE_OPENED, "dp_1", 500),
            (FactKind.DISPUTE_LOST, "dp_1", 500),
        ],
        start=1,
    ):
        told = fact(f"evt_{number}", kind, provider_reference="pi_p1", movement_reference=name, amount_minor=amount)
        await apply_events(database, received(told), NOW + timedelta(minutes=number))
    await desk.run("complete", "complete-p1", "shop", payment_id="p1", provider_reference="pi_p1")
    await catch_up(database, RULES, NOW + HOUR)
    await close_windows(database, RULES, NOW + 3 * HOUR)


async def test_the_log_alone_tells_every_row_of_every_audited_table(desk: Desk) -> None:
    await a_busy_day(desk)
    told, rows_there = await replayed(desk.database), await actual(desk.database)
    assert told == rows_there
    written = {subject for subject, _ in told}
    assert written >= {
        "account", "gateway_credentials", "payment", "command", "refund", "dispute", "invoice", "manual_payment",
        "payout_batch",
    }  # fmt: skip


async def test_every_record_says_whose_account_and_who_it_was(desk: Desk) -> None:
    await a_busy_day(desk)
    by_type: dict[str, set[str]] = defaultdict(set)
    for one in await log(desk.database):
        assert one.account in {"demo", "second"}
        by_type[one.subject_type].add(one.actor)
    assert by_type == {
        # The fixture's own account is made without a name: then the process is named.
        "account": {"alice", "process:paystream"},
        "gateway_credentials": {"alice"},
        # The one who decides gives a manual payment its name; the facts are its gateway's.
        "payment": {"shop", "clerk", "chief", "gateway:stripe", "gateway:manual"},
        "command": {"shop", "billing", "clerk", "chief"},
        "invoice": {"billing"},
        "manual_payment": {"clerk", "chief"},
        "refund": {"gateway:stripe"},
        "dispute": {"gateway:stripe"},
        "payout_batch": {AGENT},
        "settlement_schedule": {AGENT},
    }
    assert {one.account for one in await log(desk.database, account="second")} == {"second"}


async def test_a_fact_is_recorded_as_its_gateways_with_its_event_id(database: Database) -> None:
    await open_account(database)
    await open_payment(database)
    await apply_events(database, received(fact("evt_1", FactKind.CAPTURED), fact("evt_22", FactKind.REFUNDED)), NOW)
    assert await authors(database, "payment") == [
        ("insert", "process:paystream", None),
        ("update", "gateway:stripe", "evt_22"),
    ]
    assert await authors(database, "refund") == [("insert", "gateway:stripe", "evt_22")]


async def test_a_command_is_recorded_as_its_actors_with_its_id(desk: Desk) -> None:
    await desk.create("p1", "shop")
    assert await authors(desk.database, "payment") == [
        ("insert", "shop", "create-p1"),
        ("update", "shop", "create-p1"),
    ]
    assert await authors(desk.database, "command") == [
        ("insert", "shop", "create-p1"),
        ("update", "shop", "create-p1"),
    ]


async def test_whoever_decides_is_on_record_beside_whoever_submitted(desk: Desk) -> None:
    await desk.run("register_invoice", "inv-1", "billing", invoice_id="i1", amount_minor=AMOUNT, currency="USD")
    await desk.submit("m1", "clerk", "i1")
    own = await desk.run("approve", "approve-1", "clerk", payment_id="m1")
    assert (own.outcome, own.code) == ("refused", OperationNotAllowed.code)
    await desk.run("approve", "approve-2", "chief", payment_id="m1")
    assert await authors(desk.database, "manual_payment") == [
        ("insert", "clerk", "submit-m1"),
        ("update", "chief", "approve-2"),
    ]


async def test_a_later_change_is_not_put_on_whoever_changed_the_row_before(database: Database) -> None:
    await open_account(database)
    await open_payment(database)
    await apply_events(database, received(fact("evt_1", FactKind.AUTHORIZED, movement_reference=None)), NOW)
    await apply_events(database, received(fact("evt_hint", FactKind.CAPTURED, trust=Trust.HINT)), NOW)
    async with database.transaction("operator:bob", "ticket-7") as transaction:
        await transaction.payments.plan_sync("p1", None)
    assert await authors(database, "payment") == [
        ("insert", "process:paystream", None),
        ("update", "gateway:stripe", "evt_1"),
        ("update", "process:paystream", None),
        ("update", "operator:bob", "ticket-7"),
    ]


async def test_a_write_by_sql_is_recorded_too(database: Database) -> None:
    await open_account(database)
    await open_payment(database)
    # Somebody at a prompt, who has told the database no name.
    async with create_async_engine(database.engine.url, poolclass=NullPool).begin() as connection:
        user = (await connection.execute(text("select current_user"))).scalar_one()
        await connection.execute(text("update payments set captured_minor = 1"))
        await connection.execute(text("delete from payment_references"))
        await connection.execute(text("update payments set id = 'p2'"))
        await connection.execute(text("delete from payments"))
        await connection.execute(text("truncate reconciliation_cases"))
    changed = await log(database, subject_type="payment")
    assert [(one.action, one.subject_id) for one in changed[1:]] == [
        ("update", "p1"), ("update", "p2"), ("update", "p1"), ("delete", "p2"),
    ] or [(one.action, one.subject_id) for one in changed[1:]] == [
        ("update", "p1"), ("update", "p1"), ("update", "p2"), ("delete", "p2"),
    ]  # fmt: skip
    assert (changed[1].before, changed[1].after) == ({"captured_minor": 0}, {"captured_minor": 1})
    assert {one.actor for one in changed[1:]} == {f"database:{user}"}
    assert [(one.action, one.subject_id) for one in await log(database, subject_type="reconciliation_case")] == [
        ("truncate", "*")
    ]


async def test_no_secret_is_ever_in_the_log(desk: Desk) -> None:
    database = desk.database
    await set_credentials(database, ring("old"), "demo", "stripe", SECRETS)
    await rotate_keys(database, ring("new", "old"))
    await desk.create("p1", "shop")
    redirect: Mapping[str, object] = {"parameters": {"signature": SIGNATURE}}
    await desk.run("authorize", "auth-p1", "shop", payment_id="p1", payment_method_token=TOKEN)
    await desk.run("verify_redirect", "redirect-p1", "shop", payment_id="p1", **redirect)
    stored = await rows(
        database,
        "select encode(ciphertext, 'hex'), encode(wrapped_key, 'hex'), encode(ciphertext, 'base64'),"
        " encode(wrapped_key, 'base64') from gateway_credentials",
    )
    kept = await rows(database, "select content::text || result::text from commands")
    said = "\n".join(str(row[0]) for row in await rows(database, "select audit_log::text from audit_log"))
    assert TOKEN in str(kept)
    assert SIGNATURE in str(kept)
    assert '"key_id": "new"' in said.replace('""', '"')
    hidden = [value for name, value in SECRETS.items() if name != "publishable_key"]
    for secret in (*hidden, CLIENT_SECRET, TOKEN, SIGNATURE, *map(str, stored[0])):
        assert secret not in said
    assert "ciphertext" not in said
    assert "wrapped_key" not in said


async def test_a_change_of_nothing_is_not_recorded(desk: Desk) -> None:
    await a_busy_day(desk)
    database = desk.database
    before = len(await log(database))
    assert not await create_account(database, Account("second", "Another name", 1, 1))
    assert await rotate_keys(database, ring("new", "old")) == 0
    repeat = fact("evt_2", FactKind.CAPTURED, provider_reference="pi_p1", movement_reference="ch_1")
    paid = {"provider_reference": "pi_p1", "occurred_at": NOW}
    again = fact("evt_90", FactKind.REFUNDED, movement_reference="re_1", amount_minor=300, **paid)
    dispute = fact("evt_91", FactKind.DISPUTE_LOST, movement_reference="dp_1", amount_minor=500, **paid)
    report = await apply_events(database, received(repeat, again, dispute), NOW + HOUR)
    assert (report.duplicates, report.applied) == (1, 2)
    async with database.transaction("nobody") as transaction:
        for table, *_ in AUDITED:
            column = "account" if table == "gateway_credentials" else "created_at"
            if table not in {"commands", "manual_payments", "reconciliation_cases"}:
                await transaction.connection.execute(text(f"update {table} set {column} = {column}"))  # noqa: S608 - literal names
    await desk.create("p1", "shop")
    assert (await log(database))[before:] == []


async def test_the_log_costs_no_round_trip_and_one_statement_for_a_batch(database: Database) -> None:
    await open_account(database)
    numbers = [len(range(size)) for size in (1, 40)]
    sent = []
    for size in numbers:
        names = [f"s{size}-{number}" for number in range(size)]
        for name in names:
            await open_payment(database, name, reference=name)
        facts = [fact(f"evt-{name}", FactKind.CAPTURED, provider_reference=name) for name in names]
        async with counted(database) as statements:
            await apply_events(database, received(*facts), NOW)
        assert not [statement for statement in statements if "audit" in statement]
        sent.append(len(statements))
    assert sent[0] == sent[1]
    assert len([one for one in await log(database, subject_type="payment") if one.action == "update"]) == sum(numbers)
    plan = await rows(
        database, "explain (analyze, format json) update payments set sync_attempts = 9 where captured_minor > 0"
    )
    triggers = {one["Trigger Name"]: one["Calls"] for one in plan[0][0][0]["Triggers"]}  # type: ignore[index]  # JSON
    assert triggers["payments_audit_update"] == 1
    assert len([one for one in await log(database, subject_type="payment") if one.action == "update"]) == 2 * sum(
        numbers
    )


async def test_the_newest_records_are_found_and_told_oldest_first(database: Database) -> None:
    for number in range(5):
        await create_account(database, Account(f"shop{number}", "Shop", 0, 0), actor=f"a{number}")
    async with database.snapshot() as transaction:
        found = await transaction.audit_log.find(subject_type="account", limit=2)
    assert [one.subject_id for one in found] == ["shop3", "shop4"]
    assert [one.account for one in found] == ["shop3", "shop4"]
    assert all(isinstance(one.recorded_at, datetime) for one in found)
