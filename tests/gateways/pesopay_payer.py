"""A connector at the local PesoPay, and the other side of it: payers, the portal, faults."""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from connectors.base import Callback, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts
from connectors.pesopay.client import PesoPayConnector
from connectors.pesopay.registration import PesoPayCredentials
from connectors.tls import system_tls
from domain.facts import Fact
from tests.gateways.pesopay import HASH_FUNCTION, HASH_SECRET, LOGIN_ID, MERCHANT_ID, PASSWORD

ACCOUNT = "acme"
TIMEOUTS = Timeouts(connect_seconds=2.0, read_seconds=0.5, total_seconds=2.0)

Step = tuple[str, str | None, int | None]
"""Kind, movement and amount of a fact: what makes it count once."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A payment of its own, the connector it goes through, and the controls of the local gateway."""

    connector: PesoPayConnector
    http: httpx.AsyncClient
    payment_id: str = field(default_factory=lambda: f"payment-{secrets.token_hex(6)}")

    def order(self, amount_minor: int = 15000, currency: str = "PHP", *, manual_capture: bool = False) -> OrderRequest:
        """The payment to set up."""
        return OrderRequest(
            payment_id=self.payment_id,
            account=ACCOUNT,
            idempotency_key="command-1",
            amount_minor=amount_minor,
            currency=currency,
            manual_capture=manual_capture,
            return_url="https://shop.example/back",
        )

    async def post_form(self, created: GatewayAnswer) -> None:
        """Post the form as the payer's browser does."""
        fields = json.loads(created.client_parameters["form_fields"])
        (await self.http.post(created.client_parameters["form_action"], data=fields)).raise_for_status()

    async def pay(self, reference: str, outcome: str = "paid") -> None:
        """The payer makes an attempt."""
        await self.control(f"pay/{reference}", {"outcome": outcome})

    async def paid(self, *, manual_capture: bool = False) -> tuple[str, str]:
        """Have the payment paid; returns the order reference and the attempt's name."""
        created = await self.connector.create_order(self.order(manual_capture=manual_capture))
        await self.post_form(created)
        await self.pay(created.provider_reference)
        (fact,) = await self.facts(created.provider_reference)
        assert fact.movement_reference is not None
        return created.provider_reference, fact.movement_reference

    def movement(
        self, reference: str, amount_minor: int, key: str = "command-2", **names: str | None
    ) -> MovementRequest:
        """A capture, void or refund of the payment."""
        return MovementRequest(
            payment_id=self.payment_id,
            account=ACCOUNT,
            idempotency_key=key,
            provider_reference=reference,
            amount_minor=amount_minor,
            currency="PHP",
            **names,
        )

    async def facts(self, reference: str, *refunds: str) -> tuple[Fact, ...]:
        """What the gateway knows of the payment, and of refunds that are under way."""
        request = StatusRequest(
            payment_id=self.payment_id, account=ACCOUNT, provider_reference=reference, refund_references=refunds
        )
        return (await self.connector.fetch_status(request)).facts

    async def callback_facts(self) -> tuple[Fact, ...]:
        """What the datafeeds about this payment say that have come since the last look."""
        facts: list[Fact] = []
        for told in (await self.http.get("/_control/inbox")).json()["callbacks"]:
            callback = Callback(
                account=ACCOUNT,
                body=base64.b64decode(told["body"]),
                headers=[(name, value) for name, value in told["headers"]],
                received_at=datetime.now(UTC),
            )
            facts += self.connector.parse_callback(callback)
        return tuple(fact for fact in facts if fact.payment_id == self.payment_id)

    async def control(self, path: str, body: dict[str, Any] | None = None) -> None:
        """Use one of the local gateway's controls."""
        (await self.http.post(f"/_control/{path}", json=body or {})).raise_for_status()

    async def moved(self, kind: str) -> int:
        """How often money moved there, over all payments."""
        return int((await self.http.get("/_control/movements")).json().get(kind, 0))


def steps_of(facts: tuple[Fact, ...]) -> list[Step]:
    """The steps that facts are."""
    return [(fact.kind.value, fact.movement_reference, fact.amount_minor) for fact in facts]


def credentials_at(url: str, **changes: str) -> PesoPayCredentials:
    """The local gateway's account."""
    values = {
        "merchant_id": MERCHANT_ID,
        "secure_hash_secret": HASH_SECRET,
        "hash_function": HASH_FUNCTION,
        "api_login_id": LOGIN_ID,
        "api_password": PASSWORD,
        "api_base": url,
    }
    return PesoPayCredentials.model_validate({**values, **changes})


@asynccontextmanager
async def shop_at(url: str) -> AsyncIterator[Shop]:
    """A shop whose connector is closed in the end, and whose datafeeds come to the inbox."""
    connector = PesoPayConnector(credentials_at(url), TIMEOUTS)
    async with httpx.AsyncClient(base_url=url, timeout=10, verify=system_tls()) as http:
        (await http.post("/_control/callbacks", json={"url": f"{url}/_control/inbox"})).raise_for_status()
        yield Shop(connector, http)
    await connector.aclose()
