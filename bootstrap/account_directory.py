"""Which accounts exist at which gateways, kept in memory so that the ingress outlives a stop of PostgreSQL."""

import asyncio
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bootstrap.credential_changes import CredentialChanges
from storage.unit_of_work import Database

REFRESH_SECONDS = 2.0
"""How often the snapshot is read where the database has told of no change."""

_log = structlog.get_logger(__name__)


class DatabaseAccountDirectory:
    """Answers from the last snapshot it could read; it is ready once it has read one."""

    def __init__(self, database: Database, *, refresh_seconds: float = REFRESH_SECONDS) -> None:
        self._database = database
        self._refresh_seconds = refresh_seconds
        self._known: frozenset[tuple[str, str]] | None = None
        self._stale = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def knows(self, gateway: str, account: str) -> bool:
        """Say whether the account has credentials at the gateway."""
        return self._known is not None and (account, gateway) in self._known

    def ready(self) -> bool:
        """Say whether a snapshot was ever read."""
        return self._known is not None

    async def start(self) -> None:
        """Read once, then again in the background: at once when something has changed, and from time to time."""
        changes = CredentialChanges(self._database, changed=self._on_change, missed=self._stale.set)
        await self._refresh()
        self._tasks = [asyncio.create_task(self._refresh_forever()), asyncio.create_task(changes.run())]

    async def stop(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._database.close()

    def _on_change(self, *_: str) -> None:
        self._stale.set()

    async def _refresh_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._refresh_seconds):
                    await self._stale.wait()
            self._stale.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            async with self._database.transaction() as transaction:
                self._known = await transaction.accounts.configured()
        except (OSError, SQLAlchemyError) as error:
            _log.warning("account directory not refreshed: the last snapshot stays in use", error=str(error))
