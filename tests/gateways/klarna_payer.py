"""The other side of the local Klarna: what payers, time and Klarna itself do there; and a shop to try it with."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from connectors.base import Callback, MovementRequest, OrderRequest, StatusRequest
from connectors.klarna.client import KlarnaConnector
from connectors.klarna.registration import KlarnaCredentials
from connectors.outcomes import Timeouts
from connectors.tls import system_tls
from domain.facts import Fact
from tests.gateways.klarna import COUNTRY, LOCALE, PASSWORD, USERNAME

ACCOUNT = "acme"
IMPATIENT = Timeouts(connect_seconds=2.0, read_seconds=0.5, total_seconds=2.0)


@dataclass(frozen=True, slots=True)
class Shop:
    """One account at the local Klarna, and the other side of it."""

    klarna: KlarnaConnector
    http: httpx.AsyncClient

    async def pay(self, reference: str, outcome: str = "paid") -> list[Callback]:
        """The payer goes to the page; returns the callbacks that follow."""
        (await self.http.post(f"/_control/pay/{reference}", json={"outcome": outcome})).raise_for_status()
        return await self.posted()

    async def authorize(self, reference: str) -> str:
        """The payer authorizes the payment's session in the widget; returns the token that comes of it."""
        response = await self.http.post(f"/_control/authorize/{reference.partition('~')[2] or reference}")
        return str(response.raise_for_status().json()["authorization_token"])

    async def settle(self) -> list[Callback]:
        """Klarna decides what it still had to look at; returns the callbacks that follow."""
        (await self.http.post("/_control/settle")).raise_for_status()
        return await self.posted()

    async def posted(self) -> list[Callback]:
        """What Klarna has posted meanwhile."""
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

    async def forget_pages(self) -> None:
        """Let two days pass."""
        (await self.http.delete("/_control/pages")).raise_for_status()

    async def fail_next(self, fault: str) -> None:
        """Choose how the next writing call fails."""
        (await self.http.post(f"/_control/faults/{fault}")).raise_for_status()

    async def moved(self, kind: str) -> int:
        """How often something of a kind happened."""
        return int((await self.http.get("/_control/movements")).json().get(kind, 0))

    async def order(self, order_id: str) -> dict[str, Any]:
        """An order as Klarna has it."""
        return await self._read(f"/ordermanagement/v1/orders/{order_id}")

    async def session(self, reference: str) -> dict[str, Any]:
        """The payment session behind a payment's name."""
        return await self._read(f"/payments/v1/sessions/{reference.partition('~')[2]}")

    async def urls_of_page(self, reference: str) -> dict[str, Any]:
        """The addresses that a payment's page was made with."""
        return await self._read(f"/_control/pages/{reference.partition('~')[0]}/urls")

    async def facts_of(self, request: StatusRequest) -> tuple[Fact, ...]:
        """What a status fetch says."""
        return (await self.klarna.fetch_status(request)).facts

    async def _read(self, path: str) -> dict[str, Any]:
        response = await self.http.get(path, auth=(USERNAME, PASSWORD))
        found: dict[str, Any] = response.raise_for_status().json()
        return found


@asynccontextmanager
async def shop_at(
    url: str, *, timeouts: Timeouts | None = None, changes: Mapping[str, Any] | None = None
) -> AsyncIterator[Shop]:
    """A shop whose callbacks come to the local gateway's inbox, with other credentials where they are given."""
    values = {
        "username": USERNAME,
        "password": PASSWORD,
        "purchase_country": COUNTRY,
        "locale": LOCALE,
        "callback_url": f"{url}/_control/inbox",
        "url_secret": "local-url-secret",
        "api_base": url,
        **(changes or {}),
    }
    connector = KlarnaConnector(KlarnaCredentials.model_validate(values), timeouts)
    try:
        async with httpx.AsyncClient(base_url=url, verify=system_tls()) as http:
            yield Shop(connector, http)
    finally:
        await connector.aclose()


def order_request(key: str, **changes: object) -> OrderRequest:
    """A payment of 120 kronor, to be captured later."""
    request = OrderRequest(
        payment_id=f"payment-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=12_000,
        currency="SEK",
        manual_capture=True,
        description="Two coffees",
        metadata={"order": "A-1001", "payment_id": "someone-elses"},
    )
    return replace(request, **changes)  # type: ignore[arg-type]  # the tests name fields of the request


def movement(reference: str, key: str, amount_minor: int = 12_000, order_id: str | None = None) -> MovementRequest:
    """A movement of a payment; `order_id` is its authorization, where that is known."""
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=reference,
        authorization_reference=order_id,
        amount_minor=amount_minor,
        currency="SEK",
        reason="the size was wrong",
    )


def status(reference: str, order_id: str | None = None) -> StatusRequest:
    """A look at a payment."""
    return StatusRequest(
        payment_id=None, account=ACCOUNT, provider_reference=reference, authorization_reference=order_id
    )
