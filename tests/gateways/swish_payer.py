"""The other side of the local Swish: what payers and banks do there; and a shop to try it with."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from connectors.base import Callback, MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts
from connectors.swish.client import SwishConnector
from connectors.swish.registration import SwishCredentials
from connectors.tls import system_tls
from domain.facts import Fact
from tests.gateways.swish import MERCHANT_NUMBER

ACCOUNT = "acme"
IMPATIENT = Timeouts(connect_seconds=2.0, read_seconds=0.5, total_seconds=2.0)
NO_CERTIFICATE = {
    "client_certificate": "-----BEGIN CERTIFICATE-----\nnone is needed without TLS\n-----END CERTIFICATE-----",
    "client_key": "-----BEGIN PRIVATE KEY-----\nno-key-is-needed-without-TLS\n-----END PRIVATE KEY-----",
}


@dataclass(frozen=True, slots=True)
class Shop:
    """One Swish number at the local Swish, and the other side of it."""

    swish: SwishConnector
    http: httpx.AsyncClient

    async def pay(self, reference: str, outcome: str = "paid") -> list[Callback]:
        """The payer answers in the app; returns the callbacks that follow."""
        (await self.http.post(f"/_control/pay/{reference}", json={"outcome": outcome})).raise_for_status()
        return await self.posted()

    async def settle(self) -> list[Callback]:
        """The banks carry out the refunds; returns the callbacks that follow."""
        (await self.http.post("/_control/settle")).raise_for_status()
        return await self.posted()

    async def posted(self) -> list[Callback]:
        """What Swish has posted meanwhile."""
        told = (await self.http.get("/_control/inbox")).json()["callbacks"]
        return [
            Callback(
                account=ACCOUNT,
                body=base64.b64decode(each["body"]),
                headers=[(name, value) for name, value in each["headers"]],
                target=each["target"],
                received_at=datetime.now(UTC),
            )
            for each in told
        ]

    async def fail_next(self, fault: str) -> None:
        """Choose how the next writing call fails."""
        (await self.http.post(f"/_control/faults/{fault}")).raise_for_status()

    async def moved(self, kind: str) -> int:
        """How often something of a kind happened."""
        return int((await self.http.get("/_control/movements")).json().get(kind, 0))

    async def read(self, collection: str, name: str) -> dict[str, Any]:
        """A payment request or refund as Swish has it."""
        response = await self.http.get(f"/swish-cpcapi/api/v1/{collection}/{name}")
        found: dict[str, Any] = response.raise_for_status().json()
        return found

    async def facts_of(self, request: StatusRequest) -> tuple[Fact, ...]:
        """What a status fetch says."""
        return (await self.swish.fetch_status(request)).facts


@asynccontextmanager
async def shop_at(
    url: str, *, timeouts: Timeouts | None = None, changes: Mapping[str, Any] | None = None
) -> AsyncIterator[Shop]:
    """A shop whose callbacks come to the local gateway's inbox, with other credentials where they are given."""
    values = {
        **NO_CERTIFICATE,
        "merchant_swish_number": MERCHANT_NUMBER,
        "callback_url": f"{url}/_control/inbox",
        "callback_secret": "local-callback-secret",
        "api_base": url,
        **(changes or {}),
    }
    connector = SwishConnector(SwishCredentials.model_validate(values), timeouts)
    try:
        async with httpx.AsyncClient(base_url=url, verify=system_tls()) as http:
            yield Shop(connector, http)
    finally:
        await connector.aclose()


def order_request(key: str, **changes: object) -> OrderRequest:
    """A payment of 120 kronor."""
    request = OrderRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=12_000,
        currency="SEK",
        description="Två kaffe!",
    )
    return replace(request, **changes)  # type: ignore[arg-type]  # the tests name fields of the request


def movement(reference: str, key: str, amount_minor: int = 12_000, capture: str | None = None) -> MovementRequest:
    """A movement of a payment; `capture` is the bank's reference, where that is known."""
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=reference,
        capture_reference=capture,
        amount_minor=amount_minor,
        currency="SEK",
        reason="The size was wrong",
    )


def status(reference: str, *refunds: str, keys: tuple[str, ...] = ()) -> StatusRequest:
    """A look at a payment, at refunds by their names and at those of commands by their keys."""
    return StatusRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        provider_reference=reference,
        refund_references=refunds,
        open_keys=keys,
    )
