"""The other side of the local PhonePe: what payers, banks and time do there."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from connectors.outcomes import Timeouts
from connectors.phonepe.client import PhonePeConnector
from connectors.phonepe.registration import PhonePeCredentials
from connectors.tls import system_tls
from tests.gateways.phonepe import CLIENT_ID, CLIENT_SECRET, CLIENT_VERSION, WEBHOOK_PASSWORD, WEBHOOK_USERNAME

CREDENTIALS: Mapping[str, Any] = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "client_version": CLIENT_VERSION,
    "environment": "sandbox",
    "webhook_username": WEBHOOK_USERNAME,
    "webhook_password": WEBHOOK_PASSWORD,
}
IMPATIENT = Timeouts(connect_seconds=2.0, read_seconds=0.5, total_seconds=2.0)


@dataclass(frozen=True, slots=True)
class Payer:
    """Plays the payer and the banks, and chooses what fails."""

    http: httpx.AsyncClient

    async def pay(self, reference: str, outcome: str = "paid") -> None:
        """Pay an order or confirm a mandate, or do not. Nobody listens to the callbacks."""
        await self._do(f"/_control/pay/{reference}", {"outcome": outcome})

    async def settle(self) -> None:
        """Let everything that is pending come to its end."""
        await self._do("/_control/settle")

    async def fail_next(self, fault: str) -> None:
        """Choose how the next writing call fails."""
        await self._do(f"/_control/faults/{fault}")

    async def revoke_tokens(self) -> None:
        """Make every access token unusable."""
        await self._do("/_control/tokens/revoke")

    async def tokens(self) -> int:
        """How many access tokens were issued."""
        return int((await self.http.get("/_control/tokens")).json()["issued"])

    async def moved(self, kind: str) -> int:
        """How often money of a kind moved."""
        return int((await self.http.get("/_control/movements")).json().get(kind, 0))

    async def _do(self, path: str, body: Mapping[str, str] | None = None) -> None:
        (await self.http.post(path, json=body)).raise_for_status()


@asynccontextmanager
async def payer_at(url: str) -> AsyncIterator[Payer]:
    """The other side, listening to its own callbacks so that they have somewhere to go."""
    async with httpx.AsyncClient(base_url=url, verify=system_tls()) as http:
        await http.post("/_control/callbacks", json={"url": f"{url}/_control/nobody"})
        yield Payer(http)


@asynccontextmanager
async def connected_to(
    url: str, timeouts: Timeouts | None = None, changes: Mapping[str, Any] | None = None
) -> AsyncIterator[PhonePeConnector]:
    """A connector at the local PhonePe, with other credentials where they are given."""
    values = {**CREDENTIALS, "api_base": url, **(changes or {})}
    connector = PhonePeConnector(PhonePeCredentials.model_validate(values), timeouts)
    try:
        yield connector
    finally:
        await connector.aclose()
