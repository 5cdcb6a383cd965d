"""Connectors of accounts, built once and kept for a while."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from connectors.base import CredentialsModel
from connectors.registry import build_connector
from services.accounts import load_credentials
from services.circuit_breaker import Circuit, CircuitBreakers
from storage.sealing import KeyRing
from storage.unit_of_work import Database

KEEP_FOR = timedelta(seconds=5)
"""How long a connector is used before its credentials are read again: a rotation is seen within this time."""


class ConnectorSource(Protocol):
    """Where use cases get connectors from."""

    async def connector(self, account: str, gateway: str) -> object:
        """Return the account's connector. Raises NotFound when the account has no credentials there."""
        ...

    def circuit(self, account: str, gateway: str) -> Circuit:  # noqa: ARG002 - for sources that keep circuits
        """Return the circuit that the account's calls of the gateway go through; a new one unless they are kept."""
        return Circuit(gateway)


@dataclass(frozen=True, slots=True)
class _Kept:
    until: datetime
    credentials: CredentialsModel
    connector: object


class Gateways(ConnectorSource):
    """Hands out connectors by account and gateway."""

    def __init__(self, database: Database, ring: KeyRing, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._known: dict[tuple[str, str], _Kept] = {}
        self._loading = asyncio.Lock()
        self._breakers = CircuitBreakers()

    async def connector(self, account: str, gateway: str) -> object:
        """Return the account's connector. Raises NotFound when the account has no credentials there."""
        if (ready := self._fresh(account, gateway)) is not None:
            return ready
        async with self._loading:
            if (ready := self._fresh(account, gateway)) is not None:
                return ready
            credentials = await load_credentials(self._database, self._ring, account, gateway)
            known = self._known.get((account, gateway))
            if known is not None and known.credentials == credentials:
                # The connector keeps its connections; only changed credentials call for a new one.
                connector = known.connector
            else:
                connector = build_connector(gateway, credentials)
            self._known[account, gateway] = _Kept(self._clock() + KEEP_FOR, credentials, connector)
            return connector

    def circuit(self, account: str, gateway: str) -> Circuit:
        """Return the circuit that the account's calls of the gateway go through."""
        return self._breakers.circuit(account, gateway)

    async def close(self) -> None:
        """Close the connectors that hold connections."""
        for kept in self._known.values():
            close = getattr(kept.connector, "aclose", None)
            if close is not None:
                await close()
        self._known.clear()

    def _fresh(self, account: str, gateway: str) -> object | None:
        kept = self._known.get((account, gateway))
        return kept.connector if kept is not None and self._clock() < kept.until else None
