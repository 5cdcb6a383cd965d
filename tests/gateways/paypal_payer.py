"""The local PayPal in this very process, so that tests can look into it, and connectors that are connected to it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from connectors.base import OrderRequest, StatusRequest
from connectors.outcomes import Timeouts
from connectors.paypal.client import PayPalConnector
from connectors.paypal.registration import PayPalCredentials
from connectors.tls import system_tls
from tests.connectors.case import ACCOUNT
from tests.gateways.paypal import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, LocalPayPal

IMPATIENT = Timeouts(connect_seconds=2.0, read_seconds=0.3, total_seconds=2.0)
RETURN_URL = "https://shop.example/back"


@asynccontextmanager
async def listening(gateway: LocalPayPal) -> AsyncIterator[str]:
    """Serve a local PayPal and yield its URL."""
    config = uvicorn.Config(gateway.create_app(), log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Who connects before the server takes over waits in the socket's queue.
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            await serving


async def fail_next(url: str, fault: str) -> None:
    """Choose how the next writing call fails."""
    async with httpx.AsyncClient(verify=system_tls()) as http:
        (await http.post(f"{url}/_control/faults/{fault}")).raise_for_status()


def credentials_at(url: str, authority: str, **changes: Any) -> PayPalCredentials:  # noqa: ANN401 - of any credential
    """An account's credentials at a local PayPal."""
    values = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "webhook_id": WEBHOOK_ID,
        "certificate_authorities": authority,
        "api_base": url,
    }
    return PayPalCredentials.model_validate(values | changes)


@asynccontextmanager
async def connected(credentials: PayPalCredentials, timeouts: Timeouts | None = None) -> AsyncIterator[PayPalConnector]:
    """A connector, closed afterwards."""
    connector = PayPalConnector(credentials, timeouts)
    try:
        yield connector
    finally:
        await connector.aclose()


def order(payment_id: str = "payment-1", amount_minor: int = 1000, currency: str = "USD", **more: Any) -> OrderRequest:  # noqa: ANN401 - of any field
    """A payment to set up."""
    values = {"idempotency_key": f"create-{payment_id}", "return_url": RETURN_URL} | more
    return OrderRequest(payment_id=payment_id, account=ACCOUNT, amount_minor=amount_minor, currency=currency, **values)


def status(reference: str, payment_id: str | None = "payment-1") -> StatusRequest:
    """A payment to read back."""
    return StatusRequest(payment_id=payment_id, account=ACCOUNT, provider_reference=reference)
