"""A connector at the local PayTabs, and the other side of it: payers, time, faults."""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from connectors.base import Callback, MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts
from connectors.paytabs.client import PayTabsConnector
from connectors.paytabs.registration import PayTabsCredentials
from connectors.tls import system_tls
from domain.facts import Fact
from tests.gateways.paytabs import PROFILE_ID, SERVER_KEY

ACCOUNT = "acme"
TIMEOUTS = Timeouts(connect_seconds=2.0, read_seconds=0.5, total_seconds=2.0)

Step = tuple[str, str | None, int | None]
"""Kind, movement and amount of a fact: what makes it count once."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A payment of its own, the connector it goes through, and the controls of the local gateway."""

    connector: PayTabsConnector
    http: httpx.AsyncClient
    payment_id: str = field(default_factory=lambda: f"payment-{secrets.token_hex(6)}")

    def order(self, amount_minor: int = 15000, currency: str = "AED", *, manual_capture: bool = False) -> OrderRequest:
        """The payment to set up."""
        return OrderRequest(
            payment_id=self.payment_id,
            account=ACCOUNT,
            idempotency_key="command-1",
            amount_minor=amount_minor,
            currency=currency,
            manual_capture=manual_capture,
            description="Two coffees",
            return_url="https://shop.example/back",
        )

    def movement(self, amount_minor: int, key: str = "command-2", **names: str | None) -> MovementRequest:
        """A capture, void or refund of the payment."""
        return MovementRequest(
            payment_id=self.payment_id,
            account=ACCOUNT,
            idempotency_key=key,
            provider_reference=self.payment_id,
            amount_minor=amount_minor,
            currency="AED",
            reason="the size was wrong",
            **names,
        )

    async def pay(self, outcome: str = "paid", reference: str | None = None) -> None:
        """The payer pays, or does not."""
        await self.control(f"pay/{reference or self.payment_id}", {"outcome": outcome})

    async def authorized(self) -> str:
        """Set the payment up, have it authorized, and return the authorization's name."""
        await self.connector.create_order(self.order(manual_capture=True))
        await self.pay()
        (fact,) = await self.facts()
        assert fact.movement_reference is not None
        return fact.movement_reference

    async def sold(self) -> str:
        """Set the payment up, have it paid, and return the sale's name."""
        await self.connector.create_order(self.order())
        await self.pay()
        (fact,) = await self.facts()
        assert fact.movement_reference is not None
        return fact.movement_reference

    async def facts(self, reference: str | None = None) -> tuple[Fact, ...]:
        """What the gateway knows of the payment."""
        request = StatusRequest(
            payment_id=self.payment_id, account=ACCOUNT, provider_reference=reference or self.payment_id
        )
        return (await self.connector.fetch_status(request)).facts

    async def steps(self) -> list[Step]:
        """What the gateway knows of the payment, as steps."""
        return steps_of(await self.facts())

    async def callback_facts(self) -> tuple[Fact, ...]:
        """What the latest callbacks about this payment, or a mandate named after it, say."""
        facts: list[Fact] = []
        for told in (await self.told("inbox"))["callbacks"]:
            callback = Callback(
                account=ACCOUNT,
                body=base64.b64decode(told["body"]),
                headers=[(name, value) for name, value in told["headers"]],
                received_at=datetime.now(UTC),
            )
            facts += self.connector.parse_callback(callback)
        return tuple(fact for fact in facts if fact.payment_id and fact.payment_id.endswith(self.payment_id))

    async def control(self, path: str, body: dict[str, Any] | None = None) -> None:
        """Use one of the local gateway's controls."""
        (await self.http.post(f"/_control/{path}", json=body or {})).raise_for_status()

    async def told(self, path: str) -> dict[str, Any]:
        """Read one of the local gateway's controls."""
        answer: dict[str, Any] = (await self.http.get(f"/_control/{path}")).raise_for_status().json()
        return answer


def steps_of(facts: tuple[Fact, ...]) -> list[Step]:
    """The steps that facts are."""
    return [(fact.kind.value, fact.movement_reference, fact.amount_minor) for fact in facts]


@asynccontextmanager
async def shop_at(url: str) -> AsyncIterator[Shop]:
    """A shop whose connector is closed in the end, and whose callbacks come to the inbox."""
    credentials = PayTabsCredentials.model_validate(
        {
            "profile_id": PROFILE_ID,
            "server_key": SERVER_KEY,
            "region": "ARE",
            "api_base": url,
            "callback_url": f"{url}/_control/inbox",
        }
    )
    connector = PayTabsConnector(credentials, TIMEOUTS)
    async with httpx.AsyncClient(base_url=url, timeout=10, verify=system_tls()) as http:
        yield Shop(connector, http)
    await connector.aclose()
