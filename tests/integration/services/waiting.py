"""Waiting for what another process or a background task does."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from storage.unit_of_work import Database
from tests.integration.services.books import rows


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within_seconds: float = 10.0) -> None:
    """Wait until something holds; fail, saying what did not happen, when that takes too long."""
    deadline = time.monotonic() + within_seconds
    while not await holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {within_seconds:g} s"
        await asyncio.sleep(0.01)


async def until_somebody_waits(database: Database) -> None:
    """Wait until a transaction waits for a lock of this database."""

    async def waits() -> bool:
        found = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        return bool(await rows(database, found))

    await eventually(waits, "waiting for a lock")


async def until_somebody_listens(database: Database) -> None:
    """Wait until a connection of this database listens for notifications."""

    async def listens() -> bool:
        found = "select 1 from pg_stat_activity where query ilike 'listen%' and datname = current_database()"
        return bool(await rows(database, found))

    await eventually(listens, "listening")
