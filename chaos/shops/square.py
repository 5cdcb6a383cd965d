"""Square: the payer's client makes a token, and a command of ours authorizes it: the charge goes through the faults."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from chaos.shops.base import Callback, Item, Order, Shop, Truth

ACCESS_TOKEN = "EAAAE-local-square-token"  # noqa: S105 - what the local gateway takes
SIGNATURE_KEY = "square-chaos"
GOOD_TOKEN = "cnon:card-nonce-ok"  # noqa: S105 - Square's published token of the sandbox


class SquareShop(Shop):
    """The local Square."""

    gateway = "square"
    currency = "USD"
    module = "tests.gateways.square"
    pays_by_token = True

    def __init__(self, base: str, event_time: Callable[[], float]) -> None:
        super().__init__(base, event_time)
        self._callback_urls: dict[str, str] = {}
        self._headers = {"authorization": f"Bearer {ACCESS_TOKEN}", "square-version": "2026-09-16"}

    def credentials(self, api_base: str, callback_url: str) -> Mapping[str, str]:
        """An account's credentials; Square signs the address it posts to."""
        self._callback_urls[callback_url.rsplit("/", 1)[1]] = callback_url
        return {
            "access_token": ACCESS_TOKEN,
            "application_id": "sandbox-sq0idb-local",
            "location_id": "L1",
            "callback_url": callback_url,
            "webhook_signature_key": SIGNATURE_KEY,
            "api_base": api_base,
        }

    async def pay(self, order: Order, *, succeeds: bool = True) -> None:
        """Payers pay by a token that a command authorizes."""
        raise NotImplementedError(f"nobody pays {order.reference} at Square's own pages")

    async def refund(self, order: Order, amount_minor: int) -> None:
        """Refund in the dashboard."""
        payment = next(each for each in await self._payments(order) if each["status"] == "COMPLETED")
        money = {"amount": amount_minor, "currency": self.currency}
        body = {"idempotency_key": hashlib.sha256(str(order).encode()).hexdigest()[:40], "payment_id": payment["id"]}
        await self._call("POST", "/v2/refunds", json={**body, "amount_money": money}, headers=self._headers)

    async def news(self, order: Order) -> list[Callback]:
        """Events of every payment's status, and of refunds, which Square carries out a little later."""
        await self._call("POST", "/_control/settle")
        found = []
        for payment in await self._payments(order):
            if self._is_news(str(payment["id"]), str(payment["status"])):
                found.append(self._event(order, "payment.updated", "payment", payment))
            found += [
                self._event(order, "refund.updated", "refund", refund)
                for refund in await self._refunds(payment)
                if self._is_news(str(refund["id"]), str(refund["status"]))
            ]
        return found

    async def truth(self, order: Order) -> Truth:
        """What the order's payments and their refunds say."""
        payments = await self._payments(order)
        captured = [each for each in payments if each["status"] == "COMPLETED"]
        refunds = [
            refund for each in captured for refund in await self._refunds(each) if refund["status"] == "COMPLETED"
        ]
        return Truth(_sum(captured), _sum(refunds), len(captured), len(refunds))

    def _sign_forged(self, body: bytes) -> Mapping[str, str]:
        return {"x-square-hmacsha256-signature": base64.b64encode(hashlib.sha256(body).digest()).decode()}

    async def _payments(self, order: Order) -> list[Item]:
        answer = await self._call("GET", f"/v2/orders/{order.reference}", headers=self._headers)
        names = [tender["payment_id"] for tender in answer["order"].get("tenders", [])]
        found = [await self._call("GET", f"/v2/payments/{name}", headers=self._headers) for name in names]
        return [each["payment"] for each in found]

    async def _refunds(self, payment: Item) -> list[Item]:
        names = payment.get("refund_ids", [])
        found = [await self._call("GET", f"/v2/refunds/{name}", headers=self._headers) for name in names]
        return [each["refund"] for each in found]

    def _event(self, order: Order, kind: str, name: str, item: Item) -> Callback:
        at = datetime.fromtimestamp(self._event_time(), UTC).isoformat(timespec="milliseconds")
        event_id = hashlib.sha256(f"{kind}{item['id']}{item['status']}".encode()).hexdigest()[:32]
        event = {"merchant_id": "M1", "location_id": "L1", "type": kind, "event_id": event_id, "created_at": at}
        body = json.dumps({**event, "data": {"type": name, "id": item["id"], "object": {name: item}}}).encode()
        url = self._callback_urls[order.account]
        return Callback(
            gateway=self.gateway,
            account=order.account,
            payment_id=order.payment_id,
            body=body,
            sign=lambda content: sign(content, url),
        )


def sign(body: bytes, url: str) -> Mapping[str, str]:
    """The headers Square would post the body with."""
    signature = base64.b64encode(hmac.new(SIGNATURE_KEY.encode(), url.encode() + body, hashlib.sha256).digest())
    return {"x-square-hmacsha256-signature": signature.decode()}


def _sum(items: list[Item]) -> int:
    return sum(int(each["amount_money"]["amount"]) for each in items)
