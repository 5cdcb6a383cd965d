"""A shadow: empty copies of the tables that facts are applied to, in a schema of their own beside the live one.

What works on a shadow's connections sees these tables and no others. A statement about a table that has no copy here
fails, so that nothing can reach the live ones by mistake. Foreign keys and triggers are not copied: nothing is
audited, published or posted to anybody from a shadow.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import text

from storage.scripts import run_script
from storage.unit_of_work import Database

PREFIX = "replay_"
TABLES = (
    "payments",
    "payment_references",
    "inbox",
    "transitions",
    "ledger_transactions",
    "ledger_postings",
    "settlement_entries",
    "refunds",
    "disputes",
    "payment_events",
    "outbox",
)


@asynccontextmanager
async def shadow(
    database: Database, now: datetime, *, tables: str = "", keep: bool = False
) -> AsyncIterator[tuple[str, Database]]:
    """Create a shadow and yield its schema's name and a database that is the shadow; drop it unless it is to be kept.

    `tables` is SQL that creates further tables in it. Raises DBAPIError when the database's user may create no schema.
    """
    name = f"{PREFIX}{now:%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"
    shadowed = Database(database.engine.url, pool_size=1, application_name="paystream-replay", schema=name)
    try:
        await _create(database, name, tables)
        yield name, shadowed
    finally:
        await shadowed.close()
        if not keep:
            async with database.transaction() as transaction:
                await transaction.connection.execute(text(f"drop schema if exists {name} cascade"))


async def left_behind(database: Database) -> list[str]:
    """The shadows that are there: kept on purpose, or left by a process that died."""
    async with database.transaction() as transaction:
        rows = await transaction.connection.scalars(
            text("select nspname from pg_namespace where starts_with(nspname, :prefix) order by nspname"),
            {"prefix": PREFIX},
        )
        return [str(name) for name in rows]


async def _create(database: Database, name: str, tables: str) -> None:
    copies = [f"create table {name}.{table} (like {table} including all);" for table in TABLES]
    script = "\n".join([f"create schema {name};", *copies, f"set local search_path = {name};", tables])
    async with database.transaction() as transaction:
        await transaction.connection.run_sync(run_script, script)
