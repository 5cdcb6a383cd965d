"""Connectors of accounts, built once and kept for a while."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from connectors.base import CredentialsModel
from connectors.registry import build_connector
from domain.errors import NotFound
from services.accounts import load_credentials
from services.circuit_breaker import Circuit, CircuitBreakers
from storage.sealing import KeyRing
from storage.unit_of_work import Database

KEEP_FOR = timedelta(seconds=5)
"""How long a connector is used before its credentials are read again, where nobody has told of a change before."""

RETIRE_AFTER = timedelta(minutes=2)
"""How long a replaced connector is left to the calls that are under way; no call takes as long."""

_log = structlog.get_logger(__name__)


class ConnectorSource(Protocol):
    """Where use cases get connectors from."""

    async def connector(self, account: str, gateway: str) -> object:
        """Return the account's connector. Raises NotFound when the account has no credentials there."""
        ...

    def circuit(self, account: str, gateway: str) -> Circuit:  # noqa: ARG002 - for sources that keep circuits
        """Return the circuit that the account's calls of the gateway go through; a new one unless they are kept."""
        return Circuit(gateway)

    def forget(self, account: str, gateway: str) -> None:  # noqa: ARG002 - for sources that keep connectors
        """Have the account's credentials read again before the next use."""
        return


@dataclass(frozen=True, slots=True)
class _Kept:
    until: datetime | None
    credentials: CredentialsModel
    connector: object


class Gateways(ConnectorSource):
    """Hands out connectors by account and gateway."""

    def __init__(self, database: Database, ring: KeyRing, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._known: dict[tuple[str, str], _Kept] = {}
        self._retired: list[tuple[datetime, object]] = []
        self._loading = asyncio.Lock()
        self._changes = 0
        self._breakers = CircuitBreakers()

    async def connector(self, account: str, gateway: str) -> object:
        """Return the account's connector. Raises NotFound when the account has no credentials there."""
        if (ready := self._fresh(account, gateway)) is not None:
            return ready
        async with self._loading:
            if (ready := self._fresh(account, gateway)) is not None:
                return ready
            return await self._load(account, gateway)

    def circuit(self, account: str, gateway: str) -> Circuit:
        """Return the circuit that the account's calls of the gateway go through."""
        return self._breakers.circuit(account, gateway)

    def forget(self, account: str, gateway: str) -> None:
        """Have the account's credentials read again before the next use."""
        self._changes += 1
        if (kept := self._known.get((account, gateway))) is not None:
            self._known[account, gateway] = replace(kept, until=None)

    def forget_all(self) -> None:
        """Have every account's credentials read again before their next use."""
        self._changes += 1
        self._known = {name: replace(kept, until=None) for name, kept in self._known.items()}

    async def close(self) -> None:
        """Close the connectors that hold connections."""
        connectors = [kept.connector for kept in self._known.values()] + [connector for _, connector in self._retired]
        self._known.clear()
        self._retired.clear()
        for connector in connectors:
            await _close(connector)

    async def _load(self, account: str, gateway: str) -> object:
        changes = self._changes
        try:
            credentials = await load_credentials(self._database, self._ring, account, gateway)
        except NotFound:
            self._retire(self._known.pop((account, gateway), None))
            raise
        # Told of a change while reading, nobody knows which credentials were read: they serve this once.
        until = self._clock() + KEEP_FOR if changes == self._changes else None
        known = self._known.get((account, gateway))
        if known is not None and known.credentials == credentials:
            # The connector keeps its connections; only changed credentials call for a new one.
            connector = known.connector
        else:
            connector = build_connector(gateway, credentials)
            self._retire(known)
        self._known[account, gateway] = _Kept(until, credentials, connector)
        await self._close_retired()
        return connector

    def _retire(self, kept: _Kept | None) -> None:
        if kept is not None:
            self._retired.append((self._clock() + RETIRE_AFTER, kept.connector))

    async def _close_retired(self) -> None:
        now = self._clock()
        due = [connector for until, connector in self._retired if until <= now]
        self._retired = [(until, connector) for until, connector in self._retired if until > now]
        for connector in due:
            await _close(connector)

    def _fresh(self, account: str, gateway: str) -> object | None:
        kept = self._known.get((account, gateway))
        return kept.connector if kept is not None and kept.until is not None and self._clock() < kept.until else None


async def _close(connector: object) -> None:
    close = getattr(connector, "aclose", None)
    if close is None:
        return
    try:
        await close()
    except Exception as error:  # noqa: BLE001 - a connection that does not close properly must not fail a payment
        _log.warning("a connector did not close", connector=type(connector).__name__, error=type(error).__name__)
