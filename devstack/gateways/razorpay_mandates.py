"""The customers, registration links and recurring payments of the stand-in for Razorpay."""

import hashlib
import hmac
import time

from devstack.gateways.razorpay_entities import Entity, Refusal, amount_in, find, new_id, notes_in, refuse_others
from devstack.gateways.razorpay_ledger import RazorpayLedger

_CUSTOMER_FIELDS = frozenset({"name", "email", "contact", "fail_existing", "notes"})
_REGISTRATION_FIELDS = frozenset(
    {
        "amount",
        "currency",
        "customer",
        "description",
        "email_notify",
        "expire_by",
        "notes",
        "receipt",
        "sms_notify",
        "subscription_registration",
        "type",
    }
)
_RECURRING_FIELDS = frozenset(
    {
        "amount",
        "contact",
        "currency",
        "customer_id",
        "description",
        "email",
        "notes",
        "order_id",
        "recurring",
        "token",
    }
)


class RazorpayMandates:
    """One account's customers and what they agreed to. `key_secret` signs recurring payments."""

    def __init__(self, ledger: RazorpayLedger, key_secret: str) -> None:
        self._ledger = ledger
        self._key_secret = key_secret
        self._customers: dict[str, Entity] = {}
        self._invoices: dict[str, Entity] = {}
        self._token_owners: dict[str, str] = {}

    def create_customer(self, body: Entity) -> Entity:
        """Create a customer, whose name alone is mandatory."""
        refuse_others(body, _CUSTOMER_FIELDS)
        if not body.get("name"):
            raise Refusal("The name field is required.", field="name")
        customer: Entity = {
            "id": new_id("cust"),
            "entity": "customer",
            "name": body["name"],
            "email": body.get("email"),
            "contact": body.get("contact"),
            "gstin": None,
            "notes": notes_in(body) or [],
            "created_at": int(time.time()),
        }
        self._customers[customer["id"]] = customer
        return customer

    def customer(self, customer_id: str) -> Entity:
        """Return a customer."""
        return find(self._customers, customer_id)

    def register(self, body: Entity) -> Entity:
        """Issue a registration link, which is an invoice. A customer is known again by e-mail address and telephone."""
        refuse_others(body, _REGISTRATION_FIELDS)
        if body.get("type") != "link" or not body.get("description"):
            raise Refusal("The type and description fields are required.")
        given = body.get("customer")
        details = given if isinstance(given, dict) else {}
        named = {name: details.get(name) for name in ("name", "email", "contact")}
        known = (
            customer
            for customer in self._customers.values()
            if (customer["email"], customer["contact"]) == (named["email"], named["contact"])
        )
        customer = next(known, None) or self.create_customer(named)
        order = self._ledger.create_order({"amount": amount_in(body), "currency": body.get("currency")})
        invoice_id = new_id("inv")
        invoice: Entity = {
            "id": invoice_id,
            "entity": "invoice",
            "receipt": body.get("receipt"),
            "customer_id": customer["id"],
            "customer_details": named,
            "order_id": order["id"],
            "payment_id": None,
            "status": "issued",
            "amount": order["amount"],
            "currency": order["currency"],
            "description": body["description"],
            "notes": notes_in(body) or [],
            "short_url": f"https://rzp.example/i/{invoice_id}",
            "type": "link",
            "created_at": int(time.time()),
        }
        self._invoices[invoice_id] = invoice
        return invoice

    def invoice(self, invoice_id: str) -> Entity:
        """Return an invoice."""
        return find(self._invoices, invoice_id)

    def confirm(self, invoice_id: str) -> Entity:
        """Confirm a mandate as a payer does, by paying its registration link; returns the payment."""
        invoice = self.invoice(invoice_id)
        payment = self._ledger.pay(invoice["order_id"], {"outcome": "captured", "method": "card"})
        token = new_id("token")
        payment.update(customer_id=invoice["customer_id"], token_id=token, invoice_id=invoice_id)
        self._token_owners[token] = invoice["customer_id"]
        invoice.update(status="paid", payment_id=payment["id"])
        return payment

    def charge(self, body: Entity) -> Entity:
        """Charge a token on an order made for the purpose."""
        refuse_others(body, _RECURRING_FIELDS)
        missing = sorted(name for name in _RECURRING_FIELDS - {"description", "notes"} if not body.get(name))
        if missing:
            raise Refusal(f"The {missing[0]} field is required.", field=missing[0])
        if self._token_owners.get(str(body["token"])) != body["customer_id"]:
            raise Refusal("The id provided does not exist", field="token")
        order = self._ledger.order(str(body["order_id"]))
        if (amount_in(body), body["currency"]) != (order["amount"], order["currency"]):
            raise Refusal("Payment amount is different from the order's amount", field="amount")
        payment = self._ledger.pay(order["id"], {"method": "card", "notes": notes_in(body)})
        payment.update(customer_id=body["customer_id"], token_id=body["token"])
        proven = f"{order['id']}|{payment['id']}".encode()
        return {
            "razorpay_payment_id": payment["id"],
            "razorpay_order_id": order["id"],
            "razorpay_signature": hmac.new(self._key_secret.encode(), proven, hashlib.sha256).hexdigest(),
        }
