"""Bring a database to the newest schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.schema_version import VERSION_TABLE, newest_revision, oldest_code_comment

MIGRATION_LOCK = 7_209_001
"""Advisory lock, so that processes that start together migrate one after the other."""


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration, bound to a connection; there is no ini file to keep in step."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present > newest_revision():
        return
    config = alembic_config(connection)
    command.upgrade(config, "head")
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    oldest = [getattr(script.module, "oldest_code", None) for script in scripts]
    if named := [revision for revision in oldest if revision is not None]:
        comment = oldest_code_comment(max(named))
        connection.execute(text(f"comment on table {VERSION_TABLE} is '{comment}'"))


async def migrate(database_url: str) -> None:
    """Apply every migration that is missing, in one transaction. Safe to call from several processes.

    A database that is newer than this version is left as it is.
    """
    engine = create_async_engine(database_url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
