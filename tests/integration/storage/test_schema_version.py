"""A process looks at the real database's schema before it begins."""

import asyncio
import os
import sys

import pytest
from sqlalchemy import text

from bootstrap.settings import Settings
from cli.processes import SCHEMA_EXIT_CODE
from devstack.application import variables_of
from domain.errors import Unavailable
from storage.migrate import migrate
from storage.schema_version import newest_revision, oldest_code_comment, require_schema
from storage.unit_of_work import Database

pytestmark = pytest.mark.integration

FUTURE = "9999"


async def pretend(database: Database, revision: str) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("update alembic_version set version_num = :revision"), {"revision": revision})


async def revision_of(database: Database) -> str:
    async with database.engine.connect() as connection:
        return str((await connection.execute(text("select version_num from alembic_version"))).scalar_one())


async def test_a_migrated_database_is_in_order(database: Database) -> None:
    await require_schema(database)
    assert await revision_of(database) == newest_revision()


async def test_a_database_without_a_schema_says_what_to_run(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("drop table alembic_version"))
    with pytest.raises(Unavailable, match="paystream migrate"):
        await require_schema(database)


async def test_a_newer_schema_is_worked_with_and_left_as_it_is_unless_it_says_otherwise(
    database: Database, database_url: str
) -> None:
    await pretend(database, FUTURE)
    await require_schema(database)
    await migrate(database_url)
    assert await revision_of(database) == FUTURE
    async with database.engine.begin() as connection:
        await connection.execute(text(f"comment on table alembic_version is '{oldest_code_comment(FUTURE)}'"))
    with pytest.raises(Unavailable) as refused:
        await require_schema(database)
    assert refused.value.code == "schema_too_new"


@pytest.mark.parametrize("process", ["worker", "api"])
async def test_a_process_does_not_begin_on_an_older_schema(
    process: str, database: Database, settings: Settings
) -> None:
    await pretend(database, "0001")
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", process),
        env={**os.environ, **variables_of(settings)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await started.communicate()
    assert started.returncode == SCHEMA_EXIT_CODE
    assert b"run `paystream migrate`" in told
