"""A connector at the local Razorpay, and what tests do there in the payer's place."""

from typing import Any

import httpx

from connectors.razorpay.client import RazorpayConnector
from connectors.razorpay.registration import RazorpayCredentials
from devstack.gateways.razorpay import KEY_ID, KEY_SECRET
from tests.connectors.cases.razorpay import CASES

CREDENTIALS = {**CASES.credentials, "key_id": KEY_ID, "key_secret": KEY_SECRET}


def connect(url: str) -> RazorpayConnector:
    """The connector at a URL."""
    return RazorpayConnector(RazorpayCredentials.model_validate({**CREDENTIALS, "api_base": url}))


class Payer:
    """Pays orders and links and confirms mandates as a payer does, and settles refunds as banks do."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def pay(self, order_id: str, outcome: str | None = None, **notes: str) -> dict[str, Any]:
        """Pay an order; returns the payment."""
        body: dict[str, object] = {"notes": notes} if outcome is None else {"outcome": outcome, "notes": notes}
        return await self._post(f"/_control/orders/{order_id}/pay", body)

    async def pay_link(self, link_id: str) -> dict[str, Any]:
        """Pay by a link; returns the payment and what the browser brings back."""
        return await self._post(f"/_control/payment_links/{link_id}/pay", {})

    async def confirm(self, invoice_id: str) -> dict[str, Any]:
        """Confirm a mandate; returns the payment."""
        return await self._post(f"/_control/invoices/{invoice_id}/pay", {})

    async def settle(self, refund_id: str, status: str) -> dict[str, Any]:
        """Let a refund be processed or fail."""
        return await self._post(f"/_control/refunds/{refund_id}", {"status": status})

    async def customer(self, **details: str) -> str:
        """Make a customer through the API, as a merchant's own software does; returns the id."""
        return str((await self._post("/v1/customers", details))["id"])

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self._http.post(path, json=body)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer
