"""Connectors of accounts, built once and kept for a while."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from connectors.registry import build_connector
from services.accounts import load_credentials
from storage.sealing import KeyRing
from storage.unit_of_work import Database

KEEP_FOR = timedelta(seconds=5)
"""How long a connector is used before its credentials are read again: a rotation is seen within this time."""


class ConnectorSource(Protocol):
    """Where use cases get connectors from."""

    async def connector(self, account: str, gateway: str) -> object:
        """Return the account's connector. Raises NotFound when the account has no credentials there."""
        ...


class Gateways:
    """Hands out connectors by account and gateway."""

    def __init__(self, database: Database, ring: KeyRing, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[datetime, object]] = {}
        self._loading = asyncio.Lock()

    async def connector(self, account: str, gateway: str) -> object:
        """Return the account's connector. Raises NotFound when the account has no credentials there."""
        if (ready := self._fresh(account, gateway)) is not None:
            return ready
        async with self._loading:
            if (ready := self._fresh(account, gateway)) is not None:
                return ready
            credentials = await load_credentials(self._database, self._ring, account, gateway)
            connector = build_connector(gateway, credentials)
            self._known[account, gateway] = (self._clock() + KEEP_FOR, connector)
            return connector

    def _fresh(self, account: str, gateway: str) -> object | None:
        known = self._known.get((account, gateway))
        return known[1] if known is not None and self._clock() < known[0] else None
