"""What the local PayPal remembers, and what PayPal documents of orders, authorizations, captures and refunds."""

import re
import secrets
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Item = dict[str, Any]

_PUBLISHED = "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS JPY MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD"
CURRENCIES = frozenset(_PUBLISHED.split())
WITHOUT_DECIMALS = frozenset({"HUF", "JPY", "TWD"})
ORDER_FIELDS = frozenset({"intent", "purchase_units", "payment_source"})
UNIT_FIELDS = frozenset({"reference_id", "custom_id", "invoice_id", "description", "amount"})
MAX_LENGTHS = {"reference_id": 256, "custom_id": 255, "invoice_id": 127, "description": 127}

_VALUE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,3})?")
_ACTIONS = {"capture": "CAPTURE", "authorize": "AUTHORIZE"}


class Refusal(Exception):
    """An error as PayPal answers it."""

    def __init__(self, issue: str, description: str = "It cannot be done.", status: int = 422) -> None:
        super().__init__(issue)
        names = {400: "INVALID_REQUEST", 403: "NOT_AUTHORIZED", 404: "RESOURCE_NOT_FOUND", 422: "UNPROCESSABLE_ENTITY"}
        self.status = status
        self.body = {
            "name": names[status],
            "message": "The requested action could not be performed.",
            "debug_id": secrets.token_hex(6),
            "details": [{"issue": issue, "description": description}],
        }


class PayPalState:
    """One account. Objects are plain JSON, as are the events that wait to be posted: type, kind of object, object."""

    def __init__(self, movements: Counter[str]) -> None:
        self.movements = movements
        self.orders: dict[str, Item] = {}
        self.payments: dict[str, Item] = {}
        self.events: list[tuple[str, str, Item]] = []
        self.held: set[str] = set()
        """Kinds of payments, `capture` and `refund`, that stay pending until they are settled."""
        self.declining: set[str] = set()
        """Orders whose payer has chosen something to pay with that will be declined."""
        self._invoices: set[str] = set()

    def create_order(self, body: Item, paid_by: Item | None) -> Item:
        """Create an order, which waits for the payer, or is captured at once when it names what pays."""
        refuse_others(body, ORDER_FIELDS)
        if body.get("intent") not in {"CAPTURE", "AUTHORIZE"}:
            raise Refusal("INVALID_PARAMETER_VALUE", "intent", 400)
        (unit,) = body["purchase_units"]
        refuse_others(unit, UNIT_FIELDS)
        check_amount(unit["amount"])
        if any(not 0 < len(unit.get(name, "x")) <= longest for name, longest in MAX_LENGTHS.items()):
            raise Refusal("INVALID_STRING_LENGTH", "a name is too long", 400)
        order: Item = {
            "id": new_id(),
            "intent": body["intent"],
            "status": "CREATED" if "payment_source" not in body else "PAYER_ACTION_REQUIRED",
            "purchase_units": [{**unit, "payments": {"authorizations": [], "captures": [], "refunds": []}}],
            "create_time": now(),
        }
        self.orders[order["id"]] = order
        if paid_by is not None:
            self._complete(order, paid_by)
        return self.shown(order)

    def order(self, order_id: str) -> Item:
        """Show an order."""
        return self.shown(find(self.orders, order_id))

    def approve(self, order_id: str, *, declining: bool = False) -> None:
        """The payer approves an order, and chooses what to pay with."""
        order = find(self.orders, order_id)
        if order["status"] not in {"CREATED", "PAYER_ACTION_REQUIRED", "APPROVED"}:
            raise Refusal("ORDER_ALREADY_COMPLETED")
        self.declining.discard(order_id)
        if declining:
            self.declining.add(order_id)
        order.update(status="APPROVED", update_time=now())
        self.events.append(("CHECKOUT.ORDER.APPROVED", "checkout-order", self.shown(order)))

    def reverse_approval(self, order_id: str) -> None:
        """PayPal lets an order go that nobody completed."""
        order = find(self.orders, order_id)
        order.update(status="VOIDED", update_time=now())
        resource = {"order_id": order_id, "purchase_units": deepcopy(order["purchase_units"])}
        self.events.append(("CHECKOUT.PAYMENT-APPROVAL.REVERSED", "checkout-order", resource))

    def complete_order(self, order_id: str, action: str, paid_by: Item | None) -> Item:
        """Capture or authorize an order that the payer has approved, or that is paid by a saved payment method."""
        order = find(self.orders, order_id)
        if order["intent"] != _ACTIONS[action]:
            raise Refusal("ACTION_DOES_NOT_MATCH_INTENT")
        if order["status"] == "COMPLETED":
            raise Refusal(f"ORDER_ALREADY_{'CAPTURED' if action == 'capture' else 'AUTHORIZED'}")
        if paid_by is None and order["status"] != "APPROVED":
            raise Refusal("ORDER_NOT_APPROVED", "Payer has not yet approved the Order for payment.")
        if paid_by is None and order_id in self.declining:
            raise Refusal("INSTRUMENT_DECLINED", "The instrument presented was declined by the processor or bank.")
        self._complete(order, paid_by or {})
        return self.shown(order)

    def capture_authorization(self, authorization_id: str, body: Item) -> Item:
        """Capture a part of an authorization, or all of it."""
        refuse_others(body, frozenset({"amount", "final_capture", "invoice_id", "note_to_payer"}))
        authorization = self._payment(authorization_id, "authorization")
        if authorization["status"] not in {"CREATED", "PARTIALLY_CAPTURED"}:
            raise Refusal(f"AUTHORIZATION_{authorization['status']}", "It is not open.")
        check_amount(body["amount"])
        whole, so_far = money_in(authorization), self._taken(authorization_id, "capture")
        amount = Decimal(body["amount"]["value"])
        if amount > whole - so_far:
            raise Refusal("MAX_CAPTURE_AMOUNT_EXCEEDED", "More than is authorized.")
        captured = self._add("capture", self.orders[authorization["order_id"]], body["amount"], authorization_id)
        captured["final_capture"] = body.get("final_capture", False)
        is_over = captured["final_capture"] or so_far + amount == whole
        authorization.update(status="CAPTURED" if is_over else "PARTIALLY_CAPTURED", update_time=now())
        return self.shown_payment(captured)

    def void(self, authorization_id: str) -> Item:
        """Let what is left of an authorization go."""
        authorization = self._payment(authorization_id, "authorization")
        if authorization["status"] not in {"CREATED", "PARTIALLY_CAPTURED", "PENDING"}:
            raise Refusal("PREVIOUSLY_VOIDED" if authorization["status"] == "VOIDED" else "PREVIOUSLY_CAPTURED")
        authorization.update(status="VOIDED", update_time=now())
        self.movements["void"] += 1
        self._tell("VOIDED", authorization)
        return self.shown_payment(authorization)

    def refund(self, capture_id: str, body: Item) -> Item:
        """Refund a part of a capture, or all that is left of it."""
        refuse_others(body, frozenset({"amount", "custom_id", "invoice_id", "note_to_payer"}))
        if len(body.get("custom_id", "")) > 127 or len(body.get("note_to_payer", "")) > 255:
            raise Refusal("INVALID_STRING_LENGTH", "a text is too long", 400)
        captured = self._payment(capture_id, "capture")
        check_amount(body["amount"])
        if captured["status"] not in {"COMPLETED", "PARTIALLY_REFUNDED"}:
            raise Refusal("CAPTURE_FULLY_REFUNDED", "There is nothing left.")
        left = money_in(captured) - self._taken(capture_id, "refund")
        if Decimal(body["amount"]["value"]) > left:
            raise Refusal("REFUND_AMOUNT_EXCEEDED", "More than is left.")
        refunded = self._add("refund", self.orders[captured["order_id"]], body["amount"], capture_id)
        captured["status"] = "REFUNDED" if left == Decimal(body["amount"]["value"]) else "PARTIALLY_REFUNDED"
        return self.shown_payment(refunded)

    def settle(self) -> None:
        """Complete everything that is pending."""
        self.held.clear()
        for payment in [each for each in self.payments.values() if each["status"] == "PENDING"]:
            payment.update(status="COMPLETED", update_time=now())
            self._tell("COMPLETED", payment)

    def shown(self, order: Item) -> Item:
        """An order as PayPal shows it."""
        page = f"https://www.paypal.example/checkoutnow?token={order['id']}"
        relation = "approve" if order["status"] == "CREATED" else "payer-action"
        links = [{"rel": "self", "href": f"https://api-m.paypal.example/v2/checkout/orders/{order['id']}"}]
        if order["status"] not in {"COMPLETED", "VOIDED"}:
            links.append({"rel": relation, "href": page})
        unit = {**order["purchase_units"][0]}
        unit["payments"] = {
            kind: [self.shown_payment(self.payments[name]) for name in names]
            for kind, names in unit["payments"].items()
        }
        return deepcopy({**order, "purchase_units": [unit], "links": links})

    def shown_payment(self, payment: Item) -> Item:
        """An authorization, capture or refund as PayPal shows it."""
        hidden = {"kind", "parent_id", "order_id"}
        shown = {name: value for name, value in payment.items() if name not in hidden}
        kinds = {"authorization": "checkout/orders", "refund": "payments/captures"}
        parent = payment["parent_id"]
        of_authorization = parent in self.payments and self.payments[parent]["kind"] == "authorization"
        above = "payments/authorizations" if of_authorization else kinds.get(payment["kind"], "checkout/orders")
        related = {"order_id": payment["order_id"]} | ({"authorization_id": parent} if of_authorization else {})
        return deepcopy(
            {
                **shown,
                "links": [{"rel": "up", "href": f"https://api-m.paypal.example/v2/{above}/{parent}"}],
                "supplementary_data": {"related_ids": related},
            }
        )

    def payment(self, payment_id: str, kind: str) -> Item:
        """Show an authorization, capture or refund."""
        return self.shown_payment(self._payment(payment_id, kind))

    def _complete(self, order: Item, paid_by: Item) -> None:
        unit = order["purchase_units"][0]
        if (invoice := unit.get("invoice_id")) in self._invoices:
            raise Refusal("DUPLICATE_INVOICE_ID", "The invoice was paid before.")
        kind = "capture" if order["intent"] == "CAPTURE" else "authorization"
        payment = self._add(kind, order, unit["amount"], order["id"], declined=bool(paid_by.get("declines")))
        if invoice and payment["status"] != "DECLINED":
            self._invoices.add(invoice)
        order.update(status="COMPLETED", update_time=now())

    def _add(self, kind: str, order: Item, amount: Item, parent_id: str, *, declined: bool = False) -> Item:
        unit = order["purchase_units"][0]
        status = "PENDING" if kind in self.held else "CREATED" if kind == "authorization" else "COMPLETED"
        payment: Item = {
            "id": new_id(),
            "kind": kind,
            "order_id": order["id"],
            "parent_id": parent_id,
            "status": status,
            "amount": dict(amount),
            "custom_id": unit["custom_id"],
            "create_time": now(),
            "update_time": now(),
        }
        if declined:
            payment.update(
                status="DENIED" if kind == "authorization" else "DECLINED",
                processor_response={"response_code": "5120"},
            )
        else:
            self.movements[kind] += 1
        self.payments[payment["id"]] = payment
        unit["payments"][f"{kind}s"].append(payment["id"])
        self._tell(payment["status"], payment)
        return payment

    def _tell(self, status: str, payment: Item) -> None:
        kind = payment["kind"]
        name = f"PAYMENT.{kind.upper()}.{status}"
        if kind == "refund":
            name = "PAYMENT.CAPTURE.REFUNDED" if status == "COMPLETED" else f"PAYMENT.REFUND.{status}"
        self.events.append((name, kind, self.shown_payment(payment)))

    def _payment(self, payment_id: str, kind: str) -> Item:
        payment = find(self.payments, payment_id)
        if payment["kind"] != kind:
            raise Refusal("INVALID_RESOURCE_ID", f"It is no {kind}.", 404)
        return payment

    def _taken(self, parent_id: str, kind: str) -> Decimal:
        mine = (each for each in self.payments.values() if (each["parent_id"], each["kind"]) == (parent_id, kind))
        return sum((money_in(each) for each in mine), Decimal(0))


def new_id() -> str:
    """An id as PayPal makes them: 17 capital letters and digits."""
    return "".join(secrets.choice("ABCDEFGHJKLMNPRSTUVWXY0123456789") for _ in range(17))


def now() -> str:
    """The time as PayPal writes it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def money_in(item: Item) -> Decimal:
    """The amount of a payment."""
    return Decimal(item["amount"]["value"])


def check_amount(amount: Item) -> None:
    """Refuse what is no amount in PayPal's terms."""
    value, currency = amount.get("value"), amount.get("currency_code")
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise Refusal("INVALID_PARAMETER_SYNTAX", "value", 400)
    if currency not in CURRENCIES:
        raise Refusal("CURRENCY_NOT_SUPPORTED")
    if currency in WITHOUT_DECIMALS and "." in value:
        raise Refusal("DECIMALS_NOT_SUPPORTED", "Currency does not support decimals.")
    if len(value.partition(".")[2]) > 2:
        raise Refusal("DECIMAL_PRECISION", "The value has too many decimals.")
    if not Decimal(value):
        raise Refusal("CANNOT_BE_ZERO_OR_NEGATIVE", "Must be greater than zero.")


def find(items: dict[str, Item], name: str) -> Item:
    """Return an item, or refuse as for one that is not there."""
    if name not in items:
        raise Refusal("INVALID_RESOURCE_ID", "Specified resource ID does not exist.", 404)
    return items[name]


def refuse_others(body: Item, known: frozenset[str]) -> None:
    """Refuse what PayPal does not document."""
    if others := sorted(body.keys() - known):
        raise Refusal("NOT_SUPPORTED_PARAMETER", ", ".join(others), 400)
