"""The second wall: inside a scope, PostgreSQL itself shows and takes only rows of the scope's accounts."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from domain.errors import InvariantViolated
from domain.facts import FactKind
from services.apply_events import apply_events
from services.commands.runner import CommandRunner
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, fact, open_account, open_payment, received, rows
from tests.integration.services.reconciling import LossyGateway, OneGateway, create, refund

OWNED = (
    "payments",
    "payment_references",
    "payment_events",
    "transitions",
    "inbox",
    "ledger_transactions",
    "ledger_postings",
    "settlement_entries",
    "refunds",
    "commands",
    "audit_log",
    "accounts",
)


async def count(database: Database, table: str) -> int:
    ((found,),) = await rows(database, f"select count(*)::int from {table}")  # noqa: S608 - names of this file
    assert isinstance(found, int)
    return found


@pytest.fixture
async def two_shops(database: Database) -> Database:
    """Two accounts, each with a payment that was captured and partly refunded by a command."""
    for name in ("demo", "other"):
        await open_account(database, name)
        await open_payment(database, f"p-{name}", account=name, reference=f"pi_{name}")
        facts = [
            fact(f"{kind}_{name}", kind, account=name, provider_reference=f"pi_{name}", movement_reference=f"m_{name}")
            for kind in (FactKind.CAPTURED, FactKind.REFUNDED)
        ]
        await apply_events(database, received(*facts), NOW)
    runner = CommandRunner(database, OneGateway(LossyGateway()), lambda: NOW)
    for name in ("demo", "other"):
        command = refund(f"c-{name}").model_copy(update={"account": name, "payment_id": f"p-{name}"})
        assert (await runner.run(command)).outcome == "refused"
    return database


@pytest.mark.parametrize("table", OWNED)
async def test_a_scope_sees_its_own_rows_and_no_others(two_shops: Database, table: str) -> None:
    everything = await count(two_shops, table)
    own = await count(two_shops.scoped({"demo"}), table)
    foreign = await count(two_shops.scoped({"other"}), table)

    assert own > 0
    assert foreign > 0
    assert own + foreign == everything
    assert await count(two_shops.scoped({"demo", "other"}), table) == everything
    assert await count(two_shops.scoped({"nobody"}), table) == 0


async def test_every_table_has_row_level_security(database: Database) -> None:
    open_tables = await rows(
        database,
        "select relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
        " where relkind = 'r' and nspname = 'public' and not relrowsecurity"
        " and has_any_column_privilege('paystream_tenant', pg_class.oid, 'select, insert, update')",
    )
    assert open_tables == []


async def test_a_scope_cannot_write_for_another_account(two_shops: Database) -> None:
    with pytest.raises(DBAPIError, match="row-level security"):
        async with two_shops.scoped({"demo"}).transaction() as transaction:
            await transaction.connection.execute(text("insert into invoices values ('other', 'i1', 100, 'USD', now())"))
    async with two_shops.scoped({"demo"}).transaction() as transaction:
        changed = await transaction.connection.execute(text("update payments set description = 'mine'"))
        assert changed.rowcount == 1
        moved = await transaction.connection.execute(text("delete from invoices where account = 'other'"))
        assert moved.rowcount == 0
    assert await rows(two_shops, "select description from payments where account = 'other'") == [(None,)]


@pytest.mark.parametrize(
    "statement", ["select * from outbox", "select * from relay_shards", "delete from audit_log", "truncate payments"]
)
async def test_a_scope_may_not_touch_the_machinery(two_shops: Database, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with two_shops.scoped({"demo"}).transaction() as transaction:
            await transaction.connection.execute(text(statement))


async def test_commands_run_inside_a_scope(database: Database) -> None:
    await open_account(database)
    gateway = LossyGateway()
    runner = CommandRunner(database.scoped({"demo"}), OneGateway(gateway), lambda: NOW)

    assert (await runner.run(create("c1"))).outcome == "succeeded"
    gateway.in_dashboard("paid", FactKind.CAPTURED)
    await apply_events(database, received(fact("evt", FactKind.CAPTURED, movement_reference="m_paid")), NOW)
    assert (await runner.run(refund("c2", 400))).outcome == "succeeded"

    assert await rows(database, "select status, refunded_minor from payments") == [("partially_refunded", 400)]
    changes = await rows(database, "select distinct account, actor from audit_log where subject_type = 'payment'")
    assert {account for account, _ in changes} == {"demo"}


async def test_a_scope_ends_with_its_transaction(two_shops: Database) -> None:
    for _ in range(12):
        await count(two_shops.scoped({"demo"}), "payments")
    assert await count(two_shops, "payments") == 2


@pytest.mark.parametrize("accounts", [set(), {""}, {"demo,other"}])
async def test_a_scope_without_an_account_is_a_bug(database: Database, accounts: set[str]) -> None:
    with pytest.raises(InvariantViolated):
        database.scoped(accounts)
