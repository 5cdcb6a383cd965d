"""What the local Square remembers, and what Square documents of orders, payments and refunds."""

import re
import secrets
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

Item = dict[str, Any]

LOCATIONS = {"L1": "USD", "L2": "JPY"}
"""The seller's locations and their currencies."""

GOOD, DECLINED, WRONG_CVV = "cnon:card-nonce-ok", "cnon:card-nonce-declined", "cnon:card-nonce-rejected-cvv"
"""Square's published tokens of the sandbox."""
UNCHANGEABLE, NOT_RAISED = "cnon:card-nonce-unchangeable", "cnon:card-nonce-not-raised"
"""A card whose amount cannot be changed, and one whose issuer declines to raise it."""
BANK, BANK_WITHOUT_FUNDS = "bnon:bank-nonce-ok", "bnon:bank-nonce-insufficient-funds"
"""Bank debits: pending until settled."""
WITHOUT_FUNDS = "without funds"
"""The reason of a refund that fails when it is settled."""

_CARDS = frozenset({GOOD, DECLINED, WRONG_CVV, UNCHANGEABLE, NOT_RAISED})
_DECLINES = {DECLINED: (402, "GENERIC_DECLINE"), WRONG_CVV: (400, "CVV_FAILURE")}
_METADATA_KEY = re.compile(r"[a-zA-Z0-9_-]{1,60}")
_TOTALS_DIFFER = "The payment total does not match the order total."


class Refusal(Exception):
    """An error as Square answers it."""

    def __init__(
        self, detail: str, status: int = 400, code: str = "BAD_REQUEST", category: str = "INVALID_REQUEST_ERROR"
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"errors": [{"category": category, "code": code, "detail": detail}]}


class SquareState:
    """One seller. Objects are plain JSON; `events` wait to be posted, each with its type and the name of its object."""

    def __init__(self, movements: Counter[str]) -> None:
        self.movements = movements
        self.orders: dict[str, Item] = {}
        self.payments: dict[str, Item] = {}
        self.refunds: dict[str, Item] = {}
        self.events: list[tuple[str, str, Item]] = []
        self.tokens: dict[str, str] = {}

    def create_order(self, content: Item) -> Item:
        """Create an order."""
        if content.get("location_id") not in LOCATIONS:
            raise Refusal("The location is not the seller's.", code="INVALID_LOCATION")
        metadata = content.get("metadata", {})
        if len(metadata) > 10 or not all(_METADATA_KEY.fullmatch(key) for key in metadata):
            raise Refusal("Metadata has at most 10 entries of plain keys.", code="TOO_MANY_MAP_ENTRIES")
        if not all(0 < len(value) <= 255 for value in metadata.values()):
            raise Refusal("A value of the metadata is too long.", code="VALUE_TOO_LONG")
        if len(content.get("reference_id", "")) > 40:
            raise Refusal("The reference is too long.", code="VALUE_TOO_LONG")
        order = {**content, "id": new_id(), "state": "OPEN", "version": 1, "created_at": now(), "updated_at": now()}
        for line in order["line_items"]:
            check_money(line["base_price_money"], order["location_id"])
        self._total(order)
        self.orders[order["id"]] = order
        return order

    def update_order(self, order_id: str, change: Item) -> Item:
        """Change the price of lines, or give the order up."""
        order = find(self.orders, order_id)
        if order["state"] != "OPEN":
            raise Refusal(f"The order is {order['state']} and cannot be updated.")
        if change.get("version") != order["version"]:
            raise Refusal("Supplied version does not match the current version.", code="VERSION_MISMATCH")
        if change.get("state") == "CANCELED":
            self.cancel_order(order)
        for line in change.get("line_items", []):
            known = next(item for item in order["line_items"] if item["uid"] == line["uid"])
            known.update(line)
            check_money(known["base_price_money"], order["location_id"])
        self._total(order)
        self._touch(order)
        return order

    def cancel_order(self, order: Item) -> None:
        """Give an order up on which nothing is held."""
        if any(self.payments[name]["status"] in {"APPROVED", "PENDING"} for name in payments_on(order)):
            raise Refusal("The order has payments on it.")
        order.update(state="CANCELED", closed_at=now())
        told = {name: order[name] for name in ("location_id", "state", "version", "created_at", "updated_at")}
        self.events.append(("order.updated", "order_updated", {"order_id": order["id"], **told}))

    def create_payment(self, content: Item, card_on_file: Item | None) -> Item:
        """Make a payment on an order; a declined one is kept as well."""
        order, source = find(self.orders, content["order_id"]), content["source_id"]
        if card_on_file is not None and content.get("customer_id") != card_on_file["customer_id"]:
            raise Refusal("The card belongs to another customer.", code="CARD_MISMATCH")
        if card_on_file is None and source not in _CARDS | {BANK, BANK_WITHOUT_FUNDS}:
            raise Refusal("Card nonce not found.", 404, "NOT_FOUND")
        if len(content.get("reference_id", "")) > 40:
            raise Refusal("The reference is too long.", code="VALUE_TOO_LONG")
        check_money(content["amount_money"], order["location_id"])
        amount, total = content["amount_money"]["amount"], order["total_money"]["amount"]
        if order["state"] != "OPEN" or amount > total or (content["autocomplete"] and amount != total):
            raise Refusal(_TOTALS_DIFFER)
        payment = self._add_payment(content, order)
        token = source if card_on_file is None else GOOD
        self.tokens[payment["id"]] = token
        if token in _DECLINES:
            status, code = _DECLINES[token]
            self._fail(payment, code, "card_details")
            raise Refusal(f"Authorization error: '{code}'", status, code, "PAYMENT_METHOD_ERROR")
        self.movements["authorization"] += 1
        self._tender(order, payment)
        if token in {BANK, BANK_WITHOUT_FUNDS}:
            payment["status"] = "PENDING"
        elif content["autocomplete"]:
            self._complete(payment)
        self._tell(payment)
        return payment

    def update_payment(self, payment_id: str, change: Item) -> Item:
        """Change the amount of an authorization."""
        payment = self._approved(payment_id, change.get("version_token"))
        order, amount = self.orders[payment["order_id"]], change["amount_money"]["amount"]
        check_money(change["amount_money"], order["location_id"])
        direction = "UP" if amount > payment["amount_money"]["amount"] else "DOWN"
        if f"EDIT_AMOUNT_{direction}" not in payment["capabilities"]:
            raise Refusal(f"EDIT_AMOUNT_{direction} capability is not available.")
        if amount > order["total_money"]["amount"]:
            raise Refusal(_TOTALS_DIFFER)
        if direction == "UP" and self.tokens[payment_id] == NOT_RAISED:
            raise Refusal("Authorization error: 'GENERIC_DECLINE'", 402, "GENERIC_DECLINE", "PAYMENT_METHOD_ERROR")
        money = change["amount_money"]
        payment.update(amount_money=money, total_money=money, approved_money=money)
        self.movements["update"] += 1
        self._tell(payment)
        return payment

    def complete_payment(self, payment_id: str, version_token: str | None) -> Item:
        """Capture an authorization as a whole."""
        payment = self._approved(payment_id, version_token)
        if payment["total_money"] != self.orders[payment["order_id"]]["total_money"]:
            raise Refusal(_TOTALS_DIFFER)
        self._complete(payment)
        self._tell(payment)
        return payment

    def cancel_payment(self, payment_id: str) -> Item:
        """Let an authorization go."""
        payment = self._approved(payment_id, None)
        payment.pop("capabilities")
        payment["status"] = "CANCELED"
        payment["card_details"].update(status="VOIDED", card_payment_timeline={"voided_at": now()})
        self.movements["void"] += 1
        self._tell(payment)
        return payment

    def create_refund(self, content: Item) -> Item:
        """Begin to give a part of a payment back, or all of it."""
        payment = find(self.payments, content["payment_id"])
        check_money(content["amount_money"], payment["location_id"])
        amount = content["amount_money"]["amount"]
        refunds = (self.refunds[name] for name in payment.get("refund_ids", []))
        taken = sum(refund["amount_money"]["amount"] for refund in refunds if refund["status"] != "FAILED")
        if payment["status"] != "COMPLETED" or amount > payment["total_money"]["amount"] - taken:
            raise Refusal("The requested refund amount exceeds the amount left.", code="REFUND_AMOUNT_INVALID")
        if len(content.get("reason", "")) > 192:
            raise Refusal("The reason is too long.", code="VALUE_TOO_LONG")
        refund = {
            "id": f"{payment['id']}_{secrets.token_hex(12)}",
            "status": "PENDING",
            "amount_money": content["amount_money"],
            "payment_id": payment["id"],
            # The order of the return, which is another than the one that was paid.
            "order_id": new_id(),
            "reason": content.get("reason"),
            "location_id": payment["location_id"],
            "created_at": now(),
            "updated_at": now(),
        }
        self.refunds[refund["id"]] = refund
        payment.setdefault("refund_ids", []).append(refund["id"])
        self.movements["refund"] += 1
        self.events.append(("refund.created", "refund", deepcopy(refund)))
        return refund

    def settle(self) -> None:
        """Bring pending refunds and bank debits to their end."""
        for refund in self.refunds.values():
            if refund["status"] == "PENDING":
                self._settle_refund(refund)
        for payment in self.payments.values():
            if payment["status"] != "PENDING":
                continue
            if self.tokens[payment["id"]] == BANK:
                self._complete(payment)
            else:
                self._fail(payment, "INSUFFICIENT_FUNDS", "bank_account_details")
            self._tell(payment)

    def _settle_refund(self, refund: Item) -> None:
        refund.update(status="FAILED" if refund["reason"] == WITHOUT_FUNDS else "COMPLETED", updated_at=now())
        if refund["status"] == "COMPLETED":
            payment = self.payments[refund["payment_id"]]
            before = payment.get("refunded_money", {}).get("amount", 0)
            total = before + refund["amount_money"]["amount"]
            payment["refunded_money"] = {**refund["amount_money"], "amount": total}
            self._tell(payment)
        self.events.append(("refund.updated", "refund", deepcopy(refund)))

    def _add_payment(self, content: Item, order: Item) -> Item:
        is_card = not content["source_id"].startswith("bnon:")
        is_changeable = is_card and not content["autocomplete"] and content["source_id"] != UNCHANGEABLE
        echoed: Item = {name: content[name] for name in ("reference_id", "note", "customer_id") if name in content}
        payment: Item = {
            **echoed,
            "id": new_id(),
            "status": "APPROVED",
            "amount_money": content["amount_money"],
            "total_money": content["amount_money"],
            "approved_money": content["amount_money"],
            "source_type": "CARD" if is_card else "BANK_ACCOUNT",
            "card_details" if is_card else "bank_account_details": {"status": "AUTHORIZED"},
            "capabilities": ["EDIT_AMOUNT_UP", "EDIT_AMOUNT_DOWN"] if is_changeable else [],
            "order_id": order["id"],
            "location_id": order["location_id"],
            "version_token": secrets.token_hex(20),
            "created_at": now(),
            "updated_at": now(),
        }
        self.payments[payment["id"]] = payment
        self.events.append(("payment.created", "payment", deepcopy(payment)))
        return payment

    def _approved(self, payment_id: str, version_token: str | None) -> Item:
        payment = find(self.payments, payment_id)
        if payment["status"] != "APPROVED":
            raise Refusal(f"Payment {payment_id} has status {payment['status']}.")
        if version_token not in {None, payment["version_token"]}:
            raise Refusal("The payment was changed in the meantime.", code="VERSION_MISMATCH")
        return payment

    def _complete(self, payment: Item) -> None:
        payment.pop("capabilities", None)
        payment.update(status="COMPLETED", receipt_url=f"https://squareup.example/receipt/{payment['id']}")
        if "card_details" in payment:
            payment["card_details"].update(status="CAPTURED", card_payment_timeline={"captured_at": now()})
        order = self.orders[payment["order_id"]]
        order.update(state="COMPLETED", closed_at=now())
        self._tender(order, payment)
        self.movements["capture"] += 1

    def _fail(self, payment: Item, code: str, details: str) -> None:
        errors = [{"category": "PAYMENT_METHOD_ERROR", "code": code, "detail": f"Authorization error: '{code}'"}]
        payment["status"] = "FAILED"
        payment[details] = {"status": "FAILED", "errors": errors}
        payment.pop("capabilities", None)
        self._tell(payment)

    def _tender(self, order: Item, payment: Item) -> None:
        others = [tender for tender in order.get("tenders", []) if tender["payment_id"] != payment["id"]]
        tender = {"id": payment["id"], "payment_id": payment["id"], "amount_money": payment["total_money"]}
        order["tenders"] = [*others, {**tender, "type": "CARD" if "card_details" in payment else "BANK_ACCOUNT"}]
        self._touch(order)

    def _tell(self, payment: Item) -> None:
        payment.update(version_token=secrets.token_hex(20), updated_at=now())
        self.events.append(("payment.updated", "payment", deepcopy(payment)))

    @staticmethod
    def _total(order: Item) -> None:
        prices = [line["base_price_money"]["amount"] * int(line["quantity"]) for line in order["line_items"]]
        order["total_money"] = {"amount": sum(prices), "currency": LOCATIONS[order["location_id"]]}

    @staticmethod
    def _touch(order: Item) -> None:
        order.update(version=order["version"] + 1, updated_at=now())


def payments_on(order: Item) -> list[str]:
    """The ids of the payments on an order."""
    return [tender["payment_id"] for tender in order.get("tenders", [])]


def check_money(money: Item, location_id: str) -> None:
    """Refuse what is no positive amount in the location's currency."""
    if type(money.get("amount")) is not int or money["amount"] <= 0:
        raise Refusal("The amount must be a positive integer.", code="VALUE_TOO_LOW")
    if money.get("currency") != LOCATIONS[location_id]:
        raise Refusal("The currency is not the location's.", code="CURRENCY_MISMATCH")


def find(items: dict[str, Item], name: str) -> Item:
    """Return an object by its id."""
    if name not in items:
        raise Refusal(f"Could not find {name}.", 404, "NOT_FOUND")
    return items[name]


def new_id() -> str:
    """An id as Square's are: letters and digits without a prefix."""
    return secrets.token_hex(11).upper() + "ZY"


def now() -> str:
    """The time as Square writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
