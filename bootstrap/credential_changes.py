"""Tells a process at once whose gateway credentials have changed, so that it need not wait until it looks again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.accounts import CREDENTIALS_CHANNEL
from storage.unit_of_work import Database

CHECK_SECONDS = 5.0
"""How often the connection is used, because a connection that has broken silently brings no notification either."""
ANSWER_SECONDS = 5.0
RETRY_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class CredentialChanges:
    """Listens on a connection of its own, and makes a new one when that breaks.

    `changed` is called with account and gateway. `missed` is called whenever listening begins: nobody knows what
    changed before. Both are called in the event loop and must not block. A change that happens while the database
    cannot be reached is told by `missed`, so whoever listens still reads again from time to time.
    """

    def __init__(self, database: Database, *, changed: Callable[[str, str], None], missed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed
        self._missed = missed

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                async with self._database.engine.connect() as connection:
                    await self._listen(connection)
            except (OSError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("changes of credentials are not told at this moment", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, connection: AsyncConnection) -> None:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        driver: Any = (await connection.get_raw_connection()).driver_connection
        # Taken out of the pool: it is closed with its subscription, and nobody else goes without for it.
        await connection.run_sync(Connection.detach)
        closed = asyncio.Event()
        driver.add_termination_listener(lambda _: closed.set())
        await driver.add_listener(CREDENTIALS_CHANNEL, self._on_notification)
        self._missed()
        while not closed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await closed.wait()
            async with asyncio.timeout(ANSWER_SECONDS):
                await connection.execute(text("select 1"))

    def _on_notification(self, *notification: object) -> None:
        account, _, gateway = str(notification[-1]).partition(":")
        self._changed(account, gateway)
