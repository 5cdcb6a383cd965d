"""The customers of the demo at Razorpay, and Razorpay's side of their payments: signed webhooks of every step."""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from devstack.demo.plan import PlannedPayment
from devstack.gateways.razorpay import build_event, sign_webhook

WebhookDelivery = tuple[dict[str, str], bytes]
"""Headers and body of one webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RazorpayAccount:
    """Where the local Razorpay is, and one merchant's keys there."""

    base: str
    key_id: str
    key_secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)


class RazorpayCustomers:
    """Pays orders at the local Razorpay, and signs what Razorpay would post about it."""

    def __init__(self, http: httpx.AsyncClient, account: RazorpayAccount) -> None:
        self._http = http
        self._account = account
        self._payments: dict[str, str] = {}

    async def pay(self, payment: PlannedPayment, order_id: str) -> tuple[WebhookDelivery, WebhookDelivery]:
        """Pay an order; returns the webhooks of its authorization and its capture."""
        entity = await self._control(order_id, {"outcome": "captured", "notes": {"payment_id": payment.payment_id}})
        self._payments[order_id] = entity["id"]
        authorized = entity | {"status": "authorized", "captured": False}
        return self._webhook("payment.authorized", payment=authorized), self._webhook(
            "payment.captured", payment=entity
        )

    async def fail(self, payment: PlannedPayment, order_id: str) -> WebhookDelivery:
        """Try to pay an order in vain; returns the webhook of the failure."""
        entity = await self._control(order_id, {"outcome": "failed", "notes": {"payment_id": payment.payment_id}})
        return self._webhook("payment.failed", payment=entity)

    async def refund_in_dashboard(self, payment: PlannedPayment, order_id: str) -> WebhookDelivery:
        """Refund a payment behind Paystream's back, as a merchant does in the dashboard; returns its webhook."""
        gateway_payment = self._payments[order_id]
        refund = await self._api("POST", f"/payments/{gateway_payment}/refund", {"amount": payment.refunded_minor})
        entity = await self._api("GET", f"/payments/{gateway_payment}", None)
        return self._webhook("refund.processed", refund=refund, payment=entity)

    def forged(self, number: int) -> WebhookDelivery:
        """What a thief would post, with a signature that he made up."""
        entity: dict[str, Any] = {
            "id": f"pay_forged_{number}",
            "entity": "payment",
            "order_id": f"order_forged_{number}",
        }
        entity |= {"amount": 999_900, "currency": "INR", "status": "captured", "captured": True, "notes": []}
        body = build_event("payment.captured", {"payment": entity}, created_at=int(time.time()))
        return sign_webhook("guessed_by_a_thief", body), body

    def _webhook(self, event: str, **entities: dict[str, Any]) -> WebhookDelivery:
        body = build_event(event, entities, created_at=int(time.time()))
        return sign_webhook(self._account.webhook_secret, body), body

    async def _control(self, order_id: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self._http.post(f"{self._account.base}/_control/orders/{order_id}/pay", json=body)
        return _entity(response)

    async def _api(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        keys = (self._account.key_id, self._account.key_secret)
        response = await self._http.request(method, f"{self._account.base}/v1{path}", json=body, auth=keys)
        return _entity(response)


def _entity(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    entity: dict[str, Any] = response.json()
    return entity
