"""The payment links of the stand-in for Razorpay: each is paid once, as a whole, on an order of its own."""

import hashlib
import hmac
import time

from devstack.gateways.razorpay_entities import Entity, Refusal, amount_in, find, new_id, notes_in, refuse_others
from devstack.gateways.razorpay_ledger import RazorpayLedger

MAX_REFERENCE_LENGTH = 40
MAX_DESCRIPTION_LENGTH = 2_048
SHORTEST_SECONDS = 15 * 60
"""A link stays open for at least this long."""

_FIELDS = frozenset(
    {
        "accept_partial",
        "amount",
        "currency",
        "description",
        "expire_by",
        "notes",
        "notify",
        "reference_id",
        "reminder_enable",
    }
)


class RazorpayLinks:
    """One account's payment links. `key_secret` signs what a payer's browser brings back."""

    def __init__(self, ledger: RazorpayLedger, key_secret: str) -> None:
        self._ledger = ledger
        self._key_secret = key_secret
        self._links: dict[str, Entity] = {}

    def create(self, body: Entity) -> Entity:
        """Create a link. Its reference must be its own."""
        refuse_others(body, _FIELDS)
        reference, description = str(body.get("reference_id", "")), str(body.get("description", ""))
        if len(reference) > MAX_REFERENCE_LENGTH:
            raise Refusal("The reference id may not be greater than 40 characters.", field="reference_id")
        if len(description) > MAX_DESCRIPTION_LENGTH:
            raise Refusal("The description may not be greater than 2048 characters.", field="description")
        if "expire_by" in body and body["expire_by"] < time.time() + SHORTEST_SECONDS:
            raise Refusal("expire_by should be at least 15 minutes after current time", field="expire_by")
        if reference and self.find_all(reference):
            raise Refusal("payment link with given reference_id already exists", field="reference_id")
        link_id = new_id("plink")
        link: Entity = {
            "id": link_id,
            "accept_partial": body.get("accept_partial", False),
            "amount": amount_in(body),
            "amount_paid": 0,
            "cancelled_at": 0,
            "created_at": int(time.time()),
            "currency": body.get("currency", "INR"),
            "description": description,
            "expire_by": body.get("expire_by", 0),
            "expired_at": 0,
            "notes": notes_in(body) or None,
            "notify": body.get("notify"),
            "payments": None,
            "reference_id": reference,
            "reminder_enable": body.get("reminder_enable", False),
            "short_url": f"https://rzp.example/i/{link_id}",
            "status": "created",
            "updated_at": int(time.time()),
        }
        self._links[link_id] = link
        return link

    def find(self, link_id: str) -> Entity:
        """Return a link."""
        return find(self._links, link_id)

    def find_all(self, reference: str) -> list[Entity]:
        """Return the links with a reference, or all of them without one."""
        return [link for link in self._links.values() if not reference or link["reference_id"] == reference]

    def cancel(self, link_id: str) -> Entity:
        """Cancel a link that is neither paid nor closed."""
        link = self.find(link_id)
        if link["status"] != "created":
            raise Refusal(f"Payment Link cannot be cancelled: it is {link['status']}")
        link.update(status="cancelled", cancelled_at=int(time.time()))
        return link

    def pay(self, link_id: str) -> Entity:
        """Pay by a link as a payer does; returns the payment and what the browser brings back."""
        link = self.find(link_id)
        if link["status"] != "created":
            raise Refusal(f"This payment link is {link['status']}")
        terms = {"amount": link["amount"], "currency": link["currency"], "notes": link["notes"] or {}}
        order = self._ledger.create_order(terms)
        payment = self._ledger.pay(order["id"], {"outcome": "captured", "notes": terms["notes"]})
        made = {"amount": payment["amount"], "payment_id": payment["id"], "status": "captured", "method": "upi"}
        link.update(status="paid", amount_paid=link["amount"], order_id=order["id"], payments=[made])
        proven = f"{link_id}|{link['reference_id']}|paid|{payment['id']}"
        redirect = {
            "razorpay_payment_id": payment["id"],
            "razorpay_payment_link_id": link_id,
            "razorpay_payment_link_reference_id": link["reference_id"],
            "razorpay_payment_link_status": "paid",
            "razorpay_signature": hmac.new(self._key_secret.encode(), proven.encode(), hashlib.sha256).hexdigest(),
        }
        return {"payment": payment, "redirect": redirect}
