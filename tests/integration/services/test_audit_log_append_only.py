"""The audit log is append-only, also for the application itself and for whoever gives himself every privilege."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage.unit_of_work import Database
from tests.integration.services.books import open_account, rows


async def records(database: Database) -> list[tuple[object, ...]]:
    """What the log holds."""
    return await rows(database, "select id from audit_log")


FORBIDDEN = ("update audit_log set actor = 'somebody else'", "delete from audit_log", "truncate audit_log")


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_application_itself_cannot_change_the_log(database: Database, statement: str) -> None:
    await open_account(database)
    with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
        async with database.transaction() as transaction:
            await transaction.connection.execute(text(statement))
    assert len(await records(database)) == 1


async def execute_script(database: Database, script: str) -> None:
    async with database.transaction() as transaction:
        for statement in script.split(";"):
            await transaction.connection.execute(text(statement))


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_not_even_after_giving_itself_every_privilege(database: Database, statement: str) -> None:
    await open_account(database)
    with pytest.raises(DBAPIError, match="append-only"):
        await execute_script(database, f"grant all on audit_log to current_user; {statement}")
    assert len(await records(database)) == 1


async def test_nor_can_a_session_that_says_it_replays_another_servers_changes(database: Database) -> None:
    await open_account(database)
    replay = "set local session_replication_role = replica; delete from audit_log"
    with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
        await execute_script(database, replay)
    assert len(await records(database)) == 1
