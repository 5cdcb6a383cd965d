"""Stripe: payment intents that are paid by card in the payer's browser, or authorized by token through Paystream."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping

import httpx

from chaos.shops.base import Callback, Item, Order, Shop, Truth

SECRET_KEY = "sk_test_local"  # noqa: S105 - what the local gateway takes
WEBHOOK_SECRET = "whsec_chaos"  # noqa: S105 - opens nothing but this run
GOOD_CARD, DECLINED_CARD = "pm_card_visa", "pm_card_chargeDeclined"

_EVENTS = {
    "succeeded": "payment_intent.succeeded",
    "requires_capture": "payment_intent.amount_capturable_updated",
    "canceled": "payment_intent.canceled",
}


class StripeShop(Shop):
    """The local Stripe that honours idempotency keys."""

    gateway = "stripe"
    currency = "USD"
    module = "tests.gateways.stripe"

    def credentials(self, api_base: str, callback_url: str) -> Mapping[str, str]:  # noqa: ARG002 - not signed at Stripe
        """An account's credentials."""
        return {
            "secret_key": SECRET_KEY,
            "publishable_key": "pk_test_local",
            "webhook_secret": WEBHOOK_SECRET,
            "api_base": api_base,
        }

    async def pay(self, order: Order, *, succeeds: bool = True) -> None:
        """Confirm the intent with a card."""
        form = {"payment_method": GOOD_CARD if succeeds else DECLINED_CARD}
        # With a key, so that a request which reaches the gateway twice is one.
        headers = {**self._authorization, "idempotency-key": f"payer-{order.reference}-{succeeds}"}
        response = await self._ask("POST", f"/v1/payment_intents/{order.reference}/confirm", data=form, headers=headers)
        if succeeds or response.status_code != httpx.codes.PAYMENT_REQUIRED:
            response.raise_for_status()

    async def refund(self, order: Order, amount_minor: int) -> None:
        """Refund in the dashboard."""
        form = {"payment_intent": order.reference, "amount": str(amount_minor)}
        headers = {**self._authorization, "idempotency-key": f"dashboard-{order.reference}"}
        await self._call("POST", "/v1/refunds", data=form, headers=headers)

    async def news(self, order: Order) -> list[Callback]:
        """Events of the intent's status, of declined attempts, and of refunds."""
        intent = await self._intent(order)
        status, error = str(intent["status"]), intent.get("last_payment_error")
        found = []
        if status in _EVENTS and self._is_news(order.reference, status):
            found.append(self._event(order, _EVENTS[status], intent))
        if error and self._is_news(order.reference, "failed"):
            found.append(self._event(order, "payment_intent.payment_failed", intent))
        found += [
            self._event(order, "refund.created", refund)
            for refund in await self._refunds(order)
            if self._is_news(order.reference, str(refund["id"]))
        ]
        return found

    async def truth(self, order: Order) -> Truth:
        """What the intent and its refunds say."""
        intent, refunds = await self._intent(order), await self._refunds(order)
        received = int(intent["amount_received"])
        return Truth(received, sum(int(each["amount"]) for each in refunds), int(received > 0), len(refunds))

    def _sign_forged(self, body: bytes) -> Mapping[str, str]:
        return sign(body, "whsec_of_a_thief")

    async def _intent(self, order: Order) -> Item:
        return await self._call("GET", f"/v1/payment_intents/{order.reference}", headers=self._authorization)

    async def _refunds(self, order: Order) -> list[Item]:
        query = {"payment_intent": order.reference}
        answer = await self._call("GET", "/v1/refunds", params=query, headers=self._authorization)
        found: list[Item] = answer["data"]
        return found

    def _event(self, order: Order, kind: str, item: Item) -> Callback:
        created = int(self._event_time())
        name = hashlib.sha256(f"{kind}{item['id']}{item.get('status')}".encode()).hexdigest()[:24]
        event = {"id": f"evt_{name}", "object": "event", "created": created, "livemode": False, "type": kind}
        body = json.dumps({**event, "data": {"object": item}}).encode()
        return Callback(
            gateway=self.gateway,
            account=order.account,
            payment_id=order.payment_id,
            body=body,
            sign=lambda content: sign(content, WEBHOOK_SECRET),
        )

    @property
    def _authorization(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {SECRET_KEY}"}


def sign(body: bytes, secret: str) -> Mapping[str, str]:
    """The headers Stripe would post the body with now."""
    at = int(time.time())
    signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={signature}"}
