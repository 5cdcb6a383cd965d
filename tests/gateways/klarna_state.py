"""What one Klarna account holds: payment sessions, hosted pages, authorizations, orders and customer tokens."""

import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Item = dict[str, Any]

TERMS = (
    "purchase_country",
    "purchase_currency",
    "locale",
    "order_amount",
    "order_tax_amount",
    "order_lines",
    "merchant_reference1",
    "merchant_data",
    "merchant_urls",
)
CATEGORIES = frozenset(
    {"DIRECT_DEBIT", "DIRECT_BANK_TRANSFER", "PAY_NOW", "PAY_LATER", "PAY_OVER_TIME", "KLARNA"},
)
OPEN_PAGES = frozenset({"WAITING", "IN_PROGRESS", "BACK", "FAILED", "ERROR"})


class Refusal(Exception):
    """An answer that is no success, with Klarna's own code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"correlation_id": new_id(), "error_code": code, "error_messages": [message]}


class KlarnaState:
    """One account's things, in memory."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.movements: Counter[str] = Counter()
        self.sessions: dict[str, Item] = {}
        self.pages: dict[str, Item] = {}
        self.orders: dict[str, Item] = {}
        self.authorizations: dict[str, str] = {}
        self.customer_tokens: dict[str, Item] = {}

    def create_session(self, body: Item) -> Item:
        """`POST /payments/v1/sessions`."""
        check_terms(body)
        session_id = new_id()
        session = {key: body[key] for key in (*TERMS, "intent") if key in body}
        self.sessions[session_id] = {**session, "status": "incomplete", "client_token": f"client-{session_id}"}
        return {"session_id": session_id, "client_token": f"client-{session_id}", "payment_method_categories": []}

    def create_page(self, body: Item) -> Item:
        """`POST /hpp/v1/sessions`."""
        session_id = str(body.get("payment_session_url", "")).removeprefix(f"{self.origin}/payments/v1/sessions/")
        if find(self.sessions, session_id)["status"] == "complete":
            raise Refusal(404, "NOT_FOUND", "Payment session has expired")
        page_id = new_id()
        options = body.get("options", {})
        if options.get("place_order_mode") not in {"PLACE_ORDER", "CAPTURE_ORDER"}:
            raise Refusal(400, "BAD_VALUE", "Bad value: place_order_mode")
        if options.get("payment_method_category", "KLARNA") not in CATEGORIES:
            raise Refusal(400, "BAD_VALUE", "Bad value: payment_method_category")
        self.pages[page_id] = {
            "session_id": page_id,
            "status": "WAITING",
            "updated_at": now(),
            "hidden": {"session": session_id, "options": options, "urls": body.get("merchant_urls", {})},
        }
        url = f"{self.origin}/hpp/v1/sessions/{page_id}"
        return {
            "session_id": page_id,
            "session_url": url,
            "redirect_url": f"https://pay.playground.klarna.example/eu/hpp/payments/{page_id}",
            "distribution_url": f"{url}/distribution",
            "expires_at": "2038-01-19T03:14:07.000Z",
        }

    def disable_page(self, page_id: str) -> None:
        """`DELETE /hpp/v1/sessions/{session_id}`."""
        page = find(self.pages, page_id)
        if page["status"] == "COMPLETED":
            raise Refusal(400, "BAD_VALUE", "HPP session has already been successfully completed")
        if page["status"] not in OPEN_PAGES:
            raise Refusal(404, "NOT_FOUND", "HPP session has expired")
        page.update(status="DISABLED", updated_at=now())

    def authorize(self, session_id: str) -> str:
        """The payer authorizes a session in the widget; returns the token that the merchant's page gets."""
        find(self.sessions, session_id)
        token = new_id()
        self.authorizations[token] = session_id
        return token

    def place_authorized(self, token: str, body: Item) -> Item:
        """`POST /payments/v1/authorizations/{token}/order`: each token works once, for what was authorized."""
        session_id = self.authorizations.get(token)
        if session_id is None:
            raise Refusal(404, "NOT_FOUND", "Invalid authorization token")
        session = self.sessions[session_id]
        if any(body.get(key) != session.get(key) for key in TERMS):
            raise Refusal(409, "CONFLICT", "The order does not match the session")
        del self.authorizations[token]
        session["status"] = "complete"
        order = self.place(body, is_captured=bool(body.get("auto_capture")))
        return placed(order)

    def create_customer_token(self, token: str, body: Item) -> Item:
        """`POST /payments/v1/authorizations/{token}/customer-token`."""
        if self.authorizations.pop(token, None) is None:
            raise Refusal(404, "NOT_FOUND", "Invalid authorization token")
        needed = ("description", "intended_use", "locale", "purchase_country", "purchase_currency")
        if missing := [key for key in needed if not body.get(key)]:
            raise Refusal(400, "BAD_VALUE", f"Bad value: {', '.join(missing)}")
        token_id = new_id()
        self.customer_tokens[token_id] = body
        return {"token_id": token_id, "redirect_url": f"https://credit.klarna.example/{token_id}"}

    def charge_customer_token(self, token_id: str, body: Item) -> Item:
        """`POST /customer-token/v1/tokens/{token}/order`."""
        token = find(self.customer_tokens, token_id)
        check_terms({**body, "purchase_country": token["purchase_country"]})
        if body["purchase_currency"] != token["purchase_currency"]:
            raise Refusal(400, "BAD_VALUE", "Bad value: purchase_currency")
        return placed(self.place(body, is_captured=bool(body.get("auto_capture"))))

    def place(self, terms: Mapping[str, Any], *, is_captured: bool, fraud_status: str = "ACCEPTED") -> Item:
        """Take an order, and capture it if it is to be captured at once."""
        order_id = new_id()
        order = {key: terms[key] for key in TERMS if key in terms and key != "merchant_urls"}
        order |= {
            "order_id": order_id,
            "status": "AUTHORIZED",
            "fraud_status": fraud_status,
            "created_at": now(),
            "original_order_amount": terms["order_amount"],
            "captured_amount": 0,
            "refunded_amount": 0,
            "captures": [],
            "refunds": [],
            "is_released": False,
        }
        self.orders[order_id] = order
        self.movements["authorization"] += 1
        if is_captured:
            self.capture(order_id, {"captured_amount": order["order_amount"]})
        return order

    def capture(self, order_id: str, body: Item) -> str:
        """`POST …/captures`; returns the capture's id."""
        order, amount = find(self.orders, order_id), integer(body, "captured_amount")
        remaining = remaining_of(order)
        if order["status"] not in {"AUTHORIZED", "PART_CAPTURED"} or amount > remaining:
            raise Refusal(403, "CAPTURE_NOT_ALLOWED", "Capture not allowed.")
        capture_id = new_id()
        order["captures"].append({"capture_id": capture_id, "captured_amount": amount, "captured_at": now()})
        order["captured_amount"] += amount
        order["status"] = "CAPTURED" if amount == remaining else "PART_CAPTURED"
        self.movements["capture"] += 1
        return capture_id

    def refund(self, order_id: str, body: Item) -> str:
        """`POST …/refunds`; returns the refund's id."""
        order, amount = find(self.orders, order_id), integer(body, "refunded_amount")
        if amount > order["captured_amount"] - order["refunded_amount"]:
            raise Refusal(403, "REFUND_NOT_ALLOWED", "Refund not allowed.")
        refund_id = new_id()
        refund = {"refund_id": refund_id, "refunded_amount": amount, "refunded_at": now()}
        order["refunds"].append(refund | {key: body[key] for key in ("description", "reference") if key in body})
        order["refunded_amount"] += amount
        self.movements["refund"] += 1
        return refund_id

    def cancel(self, order_id: str) -> None:
        """`POST …/cancel`."""
        order = find(self.orders, order_id)
        if order["captured_amount"] or order["status"] != "AUTHORIZED":
            raise Refusal(403, "CANCEL_NOT_ALLOWED", "Cancel not allowed.")
        order["status"] = "CANCELLED"
        self.movements["void"] += 1

    def release(self, order_id: str) -> None:
        """`POST …/release-remaining-authorization`."""
        order = find(self.orders, order_id)
        if not order["captured_amount"]:
            raise Refusal(403, "NOT_ALLOWED", "Can not release when order has no captures.")
        order.update(status="CAPTURED", is_released=True)
        self.movements["void"] += 1

    def raise_order(self, order_id: str, body: Item) -> None:
        """`PATCH …/authorization`."""
        order, amount = find(self.orders, order_id), integer(body, "order_amount")
        if order["status"] not in {"AUTHORIZED", "PART_CAPTURED"} or amount > 10 * order["original_order_amount"]:
            raise Refusal(403, "NOT_ALLOWED", "Update authorization not allowed.")
        if sum(line["total_amount"] for line in body["order_lines"]) != amount:
            raise Refusal(400, "BAD_VALUE", "Bad value: order_lines")
        order.update(order_amount=amount, order_lines=body["order_lines"])


def check_terms(body: Item) -> None:
    """Refuse a session or order without the fields that Klarna needs, or whose lines do not sum to the amount."""
    needed = ("purchase_country", "purchase_currency", "order_amount", "order_lines")
    if missing := [key for key in needed if key not in body]:
        raise Refusal(400, "BAD_VALUE", f"Bad value: {', '.join(missing)}")
    lines = body["order_lines"]
    for line in lines:
        if line["total_amount"] != line["quantity"] * line["unit_price"] or not 1 <= len(line["name"]) <= 255:
            raise Refusal(400, "BAD_VALUE", "Bad value: order_lines")
        whole = 10_000 + line["tax_rate"]
        if abs(line["total_tax_amount"] * whole - line["total_amount"] * line["tax_rate"]) > whole:
            raise Refusal(400, "BAD_VALUE", "Bad value: total_tax_amount")
    if sum(line["total_amount"] for line in lines) != body["order_amount"]:
        raise Refusal(400, "BAD_VALUE", "Bad value: order_amount")
    if sum(line["total_tax_amount"] for line in lines) != body["order_tax_amount"]:
        raise Refusal(400, "BAD_VALUE", "Bad value: order_tax_amount")


def remaining_of(order: Item) -> int:
    """What may still be captured of an order."""
    return 0 if order["is_released"] else int(order["order_amount"]) - int(order["captured_amount"])


def shown(order: Item) -> Item:
    """An order as it is read."""
    hidden = {"is_released", "notification"}
    visible = {key: value for key, value in order.items() if key not in hidden}
    return {**visible, "remaining_authorized_amount": remaining_of(order)}


def placed(order: Item) -> Item:
    """The answer to placing an order."""
    url = f"https://credit.klarna.example/v1/sessions/{order['order_id']}/redirect"
    return {"order_id": order["order_id"], "fraud_status": order["fraud_status"], "redirect_url": url}


def find(items: Mapping[str, Item], item_id: str) -> Item:
    """Return a thing by its id."""
    if item_id not in items:
        raise Refusal(404, "NO_SUCH_ORDER", f"there is no {item_id}")
    return items[item_id]


def integer(body: Item, name: str) -> int:
    """Return a positive integer of a body."""
    value = body.get(name)
    if type(value) is not int or value <= 0:
        raise Refusal(400, "BAD_VALUE", f"Bad value: {name}")
    return value


def new_id() -> str:
    """A fresh id."""
    return str(uuid.uuid4())


def now() -> str:
    """The time as Klarna writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
