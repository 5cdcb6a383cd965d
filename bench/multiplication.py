"""Fills the tables with as many payments as one likes, by multiplying a few that went the real way.

Every row of the few is copied so often, each copy under names of its own: texts get a suffix, and a UUID keeps its time
before a digest of itself and the copy's number, so that references between tables still meet. Triggers and foreign keys
are off meanwhile, because the copies are as true as their originals; indexes grow as they do in life.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.unit_of_work import Database

COPIES_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class Multiplied:
    """A table, the columns that get new names in every copy, and those that the database fills itself."""

    table: str
    texts: Sequence[str] = ()
    uuids: Sequence[str] = ()
    generated: Sequence[str] = ()


TABLES = (
    Multiplied("payments", texts=("id", "provider_reference", "resource_id")),
    Multiplied("payment_references", texts=("reference", "payment_id")),
    Multiplied("inbox", texts=("gateway_event_id", "provider_reference", "movement_reference", "payment_id")),
    Multiplied("transitions", texts=("payment_id", "gateway_event_id"), generated=("id",)),
    Multiplied("ledger_transactions", texts=("payment_id",), uuids=("id",)),
    Multiplied("ledger_postings", uuids=("transaction_id",)),
    Multiplied("settlement_entries", texts=("payment_id",), uuids=("id",)),
    Multiplied("payment_events", texts=("payment_id", "event_id")),
    Multiplied("audit_log", texts=("subject_id",), generated=("id",)),
)
"""Every table that a payment's callbacks leave rows in for good; the outbox is emptied by the relay."""

_FOREIGN_KEYS = """
    select conrelid::regclass::text as table_name, conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint where contype = 'f' and conrelid::regclass::text = any (:tables)
"""
_COLUMNS = """
    select column_name from information_schema.columns
    where table_schema = 'public' and table_name = :table order by ordinal_position
"""


async def keep_originals(database: Database) -> None:
    """Put the present rows of every table aside: from now on these are what is copied."""
    async with database.transaction() as transaction:
        for table in TABLES:
            await transaction.connection.execute(text(f"create table {_originals(table)} as table {table.table}"))


async def add_copies(database: Database, copies: range, done: Callable[[int], None]) -> None:
    """Add the copies with these numbers; `done` hears how many there are whenever some are."""
    async with database.engine.connect() as connection:
        statements = [await _statement(connection, table) for table in TABLES]
        async with _without_checks(connection):
            for first in range(copies.start, copies.stop, COPIES_AT_ONCE):
                last = min(first + COPIES_AT_ONCE, copies.stop) - 1
                for statement in statements:
                    await connection.execute(text(statement), {"first": first, "last": last})
                await connection.commit()
                done(last + 1)


async def settle_down(database: Database) -> None:
    """Do what autovacuum and the checkpointer would have done long before a table is so large."""
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for table in TABLES:
            await connection.execute(text(f"vacuum analyze {table.table}"))


async def _statement(connection: AsyncConnection, table: Multiplied) -> str:
    found = await connection.scalars(text(_COLUMNS), {"table": table.table})
    columns = [name for name in found if name not in table.generated]
    values = ", ".join(_value(table, name) for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    return (
        f"insert into {table.table} ({names}) select {values} "  # noqa: S608 - names of our own tables and columns
        f"from {_originals(table)}, generate_series(cast(:first as integer), cast(:last as integer)) as copy"
    )


def _value(table: Multiplied, column: str) -> str:
    if column in table.texts:
        return f"\"{column}\" || '.' || copy"
    if column in table.uuids:
        # The first twelve digits are the time, which is the original's.
        time = f"left(replace(\"{column}\"::text, '-', ''), 12)"
        return f'overlay(md5("{column}"::text || copy) placing {time} from 1)::uuid'
    return f'"{column}"'


def _originals(table: Multiplied) -> str:
    return f"original_{table.table}"


@asynccontextmanager
async def _without_checks(connection: AsyncConnection) -> AsyncIterator[None]:
    """Leave triggers and foreign keys out; afterwards both hold for every new row again."""
    names = [table.table for table in TABLES]
    keys = (await connection.execute(text(_FOREIGN_KEYS), {"tables": names})).all()
    for table in names:
        await connection.execute(text(f"alter table {table} disable trigger user"))
    for key in keys:
        await connection.execute(text(f'alter table {key.table_name} drop constraint "{key.name}"'))
    await connection.commit()
    yield
    for key in keys:
        added = f'alter table {key.table_name} add constraint "{key.name}" {key.definition}'
        await connection.execute(text(added if added.endswith("NOT VALID") else f"{added} not valid"))
    for table in names:
        await connection.execute(text(f"alter table {table} enable trigger user"))
    await connection.commit()
