"""Razorpay: orders that the payer pays in the browser, captured by themselves or by a command."""

from collections.abc import Mapping

from chaos.shops.base import Callback, Item, Order, Shop, Truth
from devstack.gateways.razorpay import KEY_ID, KEY_SECRET, build_event, sign_webhook

WEBHOOK_SECRET = "razorpay-chaos"  # noqa: S105 - opens nothing but this run


class RazorpayShop(Shop):
    """The stand-in of the demo."""

    gateway = "razorpay"
    currency = "INR"
    module = "devstack.gateways.razorpay"

    def credentials(self, api_base: str, callback_url: str) -> Mapping[str, str]:  # noqa: ARG002 - not signed here
        """An account's credentials."""
        return {
            "key_id": KEY_ID,
            "key_secret": KEY_SECRET,
            "webhook_secret": WEBHOOK_SECRET,
            "api_base": api_base,
        }

    async def pay(self, order: Order, *, succeeds: bool = True) -> None:
        """Pay the order by UPI; whether that captures, the order itself says."""
        chosen: Item = {"notes": {"payment_id": order.payment_id}}
        if not succeeds:
            chosen["outcome"] = "failed"
        await self._call("POST", f"/_control/orders/{order.reference}/pay", json=chosen)

    async def refund(self, order: Order, amount_minor: int) -> None:
        """Refund in the dashboard."""
        payment = next(each for each in await self._payments(order) if each["captured"])
        await self._call("POST", f"/v1/payments/{payment['id']}/refund", json={"amount": amount_minor}, auth=self._auth)

    async def news(self, order: Order) -> list[Callback]:
        """Events of every attempt's status, and of refunds."""
        found = []
        for payment in await self._payments(order):
            status = "captured" if payment["captured"] else str(payment["status"])
            if self._is_news(str(payment["id"]), status):
                told = payment | {"status": status}
                if status == "captured" and self._is_news(str(payment["id"]), "authorized"):
                    authorized = told | {"status": "authorized", "captured": False}
                    found.append(self._event(order, "payment.authorized", payment=authorized))
                found.append(self._event(order, f"payment.{status}", payment=told))
            found += [
                self._event(order, "refund.processed", refund=refund, payment=payment)
                for refund in await self._refunds(payment)
                if self._is_news(str(refund["id"]))
            ]
        return found

    async def truth(self, order: Order) -> Truth:
        """What the order's payments and their refunds say."""
        captured = [each for each in await self._payments(order) if each["captured"]]
        refunds = [refund for payment in captured for refund in await self._refunds(payment)]
        return Truth(
            sum(int(each["amount"]) for each in captured),
            sum(int(each["amount"]) for each in refunds),
            len(captured),
            len(refunds),
        )

    def _sign_forged(self, body: bytes) -> Mapping[str, str]:
        return sign_webhook("guessed_by_a_thief", body)

    async def _payments(self, order: Order) -> list[Item]:
        answer = await self._call("GET", f"/v1/orders/{order.reference}/payments?count=100", auth=self._auth)
        found: list[Item] = answer["items"]
        return found

    async def _refunds(self, payment: Item) -> list[Item]:
        if not payment["captured"]:
            return []
        answer = await self._call("GET", f"/v1/payments/{payment['id']}/refunds?count=100", auth=self._auth)
        found: list[Item] = answer["items"]
        return found

    def _event(self, order: Order, kind: str, **entities: Item) -> Callback:
        body = build_event(kind, entities, created_at=int(self._event_time()))
        return Callback(
            gateway=self.gateway,
            account=order.account,
            payment_id=order.payment_id,
            body=body,
            sign=lambda content: sign_webhook(WEBHOOK_SECRET, content),
        )

    @property
    def _auth(self) -> tuple[str, str]:
        return (KEY_ID, KEY_SECRET)
