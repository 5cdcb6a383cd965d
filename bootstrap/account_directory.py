"""Which accounts exist at which gateways, kept in memory so that the ingress outlives a stop of PostgreSQL."""

import asyncio
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from storage.unit_of_work import Database

REFRESH_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class DatabaseAccountDirectory:
    """Answers from the last snapshot it could read; it is ready once it has read one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: frozenset[tuple[str, str]] | None = None
        self._task: asyncio.Task[None] | None = None

    def knows(self, gateway: str, account: str) -> bool:
        """Say whether the account has credentials at the gateway."""
        return self._known is not None and (gateway, account) in self._known

    def ready(self) -> bool:
        """Say whether a snapshot was ever read."""
        return self._known is not None

    async def start(self) -> None:
        """Read once, then keep reading in the background."""
        await self._refresh()
        self._task = asyncio.create_task(self._refresh_forever())

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._database.close()

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            async with self._database.transaction() as transaction:
                rows = await transaction.accounts.all_credentials()
        except (OSError, SQLAlchemyError) as error:
            _log.warning("account directory not refreshed: the last snapshot stays in use", error=str(error))
            return
        self._known = frozenset((row.gateway, row.account) for row in rows)
