"""The migrations, the tables and the database's own guards."""

import importlib
import pkgutil
import uuid

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.exc import DBAPIError

import storage
from storage.migrate import migrate
from storage.table_shapes import METADATA, TransactionId
from storage.unit_of_work import Database

LEDGER_ROW = (
    "insert into ledger_transactions (id, account, cause, currency, occurred_at, recorded_at)"
    " values (:id, 'demo', 'capture', 'USD', now(), now())"
)
POSTING = (
    "insert into ledger_postings (transaction_id, line, ledger_account, currency, amount_minor)"
    " values (:id, :line, :ledger_account, :currency, :amount_minor)"
)


async def _post(database: Database, *postings: tuple[str, str, int]) -> None:
    transaction_id = uuid.uuid4()
    async with database.transaction() as transaction:
        await transaction.connection.execute(
            text("insert into accounts (id, name) values ('demo', 'demo') on conflict do nothing")
        )
        await transaction.connection.execute(text(LEDGER_ROW), {"id": transaction_id})
        for line, (ledger_account, currency, amount_minor) in enumerate(postings):
            values = {"id": transaction_id, "line": line, "ledger_account": ledger_account}
            await transaction.connection.execute(
                text(POSTING), {**values, "currency": currency, "amount_minor": amount_minor}
            )


# Every module that describes tables, so that METADATA is complete.
for _module in pkgutil.iter_modules(storage.__path__, "storage."):
    if _module.name.endswith("tables"):
        importlib.import_module(_module.name)


def _differences(connection: Connection) -> list[object]:
    ischema_names["xid8"] = TransactionId
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found = compare_metadata(context, METADATA)
    assert METADATA.tables.keys() >= {"payments", "api_keys", "settlement_windows"}
    # Indexes, keys to other tables and checks are the migrations' own; the table objects only serve queries.
    return [entry for entry in found if not (isinstance(entry, tuple) and entry[0] in {"remove_index", "remove_fk"})]


async def test_the_tables_are_what_the_migrations_make(database: Database) -> None:
    async with database.engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    assert [entry for entry in differences if "alembic_version" not in str(entry)] == []


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    await migrate(database_url)
    await migrate(database_url)


async def test_a_transaction_that_sums_to_zero_is_kept(database: Database) -> None:
    await _post(database, ("bank", "USD", 100), ("fees", "USD", -30), ("payable", "USD", -70))


@pytest.mark.parametrize(
    "postings",
    [
        [("bank", "USD", 100), ("fees", "USD", -99)],
        [("bank", "USD", 100)],
        [("bank", "USD", 100), ("fees", "EUR", -100)],
    ],
)
async def test_a_transaction_out_of_balance_does_not_commit(
    database: Database, postings: list[tuple[str, str, int]]
) -> None:
    with pytest.raises(DBAPIError, match="out of balance"):
        await _post(database, *postings)


@pytest.mark.parametrize(
    "statement",
    [
        "update ledger_postings set amount_minor = 1",
        "delete from ledger_postings",
        "truncate ledger_postings",
        "update ledger_transactions set cause = 'x'",
        "delete from ledger_transactions",
    ],
)
async def test_the_ledger_is_append_only(database: Database, statement: str) -> None:
    await _post(database, ("bank", "USD", 100), ("fees", "USD", -100))
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.transaction() as transaction:
            await transaction.connection.execute(text(statement))
