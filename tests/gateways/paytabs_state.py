"""What the local PayTabs remembers, and what PayTabs documents of pages, transactions and their follow-ups."""

import itertools
import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Transaction = dict[str, Any]

PROFILE_ID = "45678"
MERCHANT_ID = 31000
DUPLICATE_SECONDS = 120.0

DECIMALS = {"AED": 2, "EGP": 2, "SAR": 2, "USD": 2, "JPY": 0, "BHD": 3, "KWD": 3, "JOD": 3, "OMR": 3}
WORDS = {
    "A": "Authorised",
    "D": "Declined",
    "C": "Cancelled",
    "X": "Expired",
    "H": "Hold",
    "P": "Pending",
    "E": "Error",
}

_REQUIRED = {"profile_id", "tran_type", "tran_class", "cart_id", "cart_description", "cart_currency", "cart_amount"}
_ALLOWED = _REQUIRED | {"callback", "return", "hide_shipping", "tokenise", "token", "tran_ref"}
_LIMITS = {"cart_id": 64, "cart_description": 128}


class Refusal(Exception):
    """An error as PayTabs answers it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = {"code": code, "message": message, "trace": "PMNT0404.6399E3D5.0000372C"}


class PayTabsState:
    """One profile: pages that wait for their payers, and transactions."""

    def __init__(self) -> None:
        self.pages: dict[str, Transaction] = {}
        self.transactions: dict[str, Transaction] = {}
        self.movements: Counter[str] = Counter()
        self.refunds_wait = False
        self.declines_next = False
        self.told: list[Transaction] = []
        """Follow-ups that no callback has told yet."""
        self._numbers = itertools.count(1)
        self._seen: dict[tuple[object, ...], float] = {}

    def request(self, body: Transaction) -> Transaction:
        """Carry a request out, as `/payment/request` does."""
        amount = check(body)
        self._refuse_duplicate(body)
        tran_type, tran_class = body["tran_type"], body["tran_class"]
        if tran_type in {"sale", "auth", "register"} and tran_class == "ecom":
            return self._open_page(body, amount)
        if tran_type in {"sale", "auth"} and tran_class == "recurring":
            return self._charge(body, amount)
        follow = {"capture": self._capture, "void": self._void, "refund": self._refund}.get(tran_type)
        previous = self.transactions.get(str(body.get("tran_ref")))
        if follow is None or previous is None or previous["cart_currency"] != body["cart_currency"]:
            raise Refusal(206, "Unable to process your request")
        return follow(body, amount, previous)

    def query(self, body: Transaction) -> Transaction | list[Transaction] | None:
        """Find one transaction by its name, or those of a cart."""
        if body.get("profile_id") != PROFILE_ID:
            raise Refusal(1, "Authentication failed. Check authentication header.")
        if "tran_ref" in body:
            return self.transactions.get(body["tran_ref"])
        return [item for item in self.transactions.values() if item["cart_id"] == body["cart_id"]]

    def pay(self, reference: str, outcome: str) -> Transaction:
        """The payer pays on the latest page of a cart, or does not."""
        names = [name for name, page in self.pages.items() if reference in {name, page["cart_id"]}]
        page = self.pages.pop(names[-1])
        status = {"paid": "A", "weak_card": "A", "failed": "D", "cancelled": "C", "expired": "X", "held": "H"}[outcome]
        transaction = self._add(page, Decimal(page["cart_amount"]), status, names[-1])
        if status == "A":
            self._count_payment(page["tran_type"])
            if "tokenise" in page:
                transaction["token"] = f"2C4653BD67A3E{next(self._numbers):05}"
                transaction["is_weak"] = outcome == "weak_card"
        return transaction

    def two_minutes_later(self) -> None:
        """Forget which requests came lately."""
        self._seen.clear()

    def settle(self) -> list[Transaction]:
        """Bring waiting refunds to their end; returns what no callback has told yet."""
        for item in self.transactions.values():
            if (item["tran_type"], item["payment_result"]["response_status"]) == ("Refund", "P"):
                item["payment_result"].update(result("A"))
                self.told.append(item)
        told, self.told = self.told, []
        return told

    def _open_page(self, body: Transaction, amount: Decimal) -> Transaction:
        tran_ref = self._name()
        self.pages[tran_ref] = {**body, "cart_amount": amount}
        return {
            "tran_ref": tran_ref,
            **shown(body, amount),
            "callback": body.get("callback", "none"),
            "return": body.get("return", "none"),
            "redirect_url": f"https://secure.paytabs.example/payment/page/{tran_ref}",
            "serviceId": 2,
            "profileId": int(PROFILE_ID),
            "merchantId": MERCHANT_ID,
            "trace": "PMNT0404.6368BC3D.000BAF4C",
        }

    def _charge(self, body: Transaction, amount: Decimal) -> Transaction:
        registered = self.transactions.get(str(body.get("tran_ref")))
        if registered is None or registered.get("token") != body.get("token"):
            raise Refusal(200, "Invalid token")
        is_declined = registered["is_weak"]
        if not is_declined:
            self._count_payment(body["tran_type"])
        return self._told(self._add(body, amount, "D" if is_declined else "A", previous=registered["tran_ref"]))

    def _capture(self, body: Transaction, amount: Decimal, previous: Transaction) -> Transaction:
        left = Decimal(previous["cart_amount"]) - self._followed(previous, "Capture")
        if not is_approved(previous, "Auth") or self._followed(previous, "Void") or amount > left:
            raise Refusal(320, "Transaction cannot be captured")
        return self._follow(body, amount, previous)

    def _void(self, body: Transaction, amount: Decimal, previous: Transaction) -> Transaction:
        left = Decimal(previous["cart_amount"]) - self._followed(previous, "Capture")
        if not is_approved(previous, "Auth") or self._followed(previous, "Void") or amount != left:
            raise Refusal(321, "Transaction cannot be voided")
        return self._follow(body, amount, previous)

    def _refund(self, body: Transaction, amount: Decimal, previous: Transaction) -> Transaction:
        is_captured = is_approved(previous, "Sale") or is_approved(previous, "Capture")
        if not is_captured or amount > Decimal(previous["cart_amount"]) - self._followed(previous, "Refund"):
            raise Refusal(322, "Transaction cannot be refunded")
        return self._follow(body, amount, previous, "P" if self.refunds_wait else "A")

    def _follow(self, body: Transaction, amount: Decimal, previous: Transaction, status: str = "A") -> Transaction:
        if self.declines_next:
            self.declines_next, status = False, "D"
        else:
            self.movements[body["tran_type"]] += 1
        return self._told(self._add(body, amount, status, previous=previous["tran_ref"]))

    def _followed(self, previous: Transaction, tran_type: str) -> Decimal:
        followers = (
            item for item in self.transactions.values() if item.get("previous_tran_ref") == previous["tran_ref"]
        )
        return sum((Decimal(item["cart_amount"]) for item in followers if item["tran_type"] == tran_type), Decimal(0))

    def _add(
        self, body: Transaction, amount: Decimal, status: str, name: str | None = None, previous: str | None = None
    ) -> Transaction:
        tran_ref = name or self._name()
        transaction = {
            "tran_ref": tran_ref,
            **({} if previous is None else {"previous_tran_ref": previous}),
            "merchant_id": MERCHANT_ID,
            "profile_id": int(PROFILE_ID),
            **shown(body, amount),
            "tran_currency": body["cart_currency"],
            "tran_total": shown(body, amount)["cart_amount"],
            "tran_class": {"ecom": "ECom", "recurring": "Recurring"}[body["tran_class"]],
            "payment_result": result(status),
            "callback": body.get("callback"),
        }
        self.transactions[tran_ref] = transaction
        return transaction

    def _told(self, transaction: Transaction) -> Transaction:
        if transaction["payment_result"]["response_status"] != "P":
            self.told.append(transaction)
        return transaction

    def _count_payment(self, tran_type: str) -> None:
        self.movements[{"sale": "capture", "auth": "authorization", "register": "registration"}[tran_type]] += 1

    def _refuse_duplicate(self, body: Transaction) -> None:
        request = tuple(str(body.get(name)) for name in ("cart_id", "tran_type", "cart_amount", "tran_ref"))
        now = time.monotonic()
        if now - self._seen.get(request, -DUPLICATE_SECONDS) < DUPLICATE_SECONDS:
            raise Refusal(4, "Duplicate Request")
        self._seen[request] = now

    def _name(self) -> str:
        return f"TST26001{next(self._numbers):08}"


def check(body: Transaction) -> Decimal:
    """Refuse what PayTabs' validation refuses; returns the amount."""
    if body.get("profile_id") != PROFILE_ID:
        raise Refusal(1, "Authentication failed. Check authentication header.")
    missing, others = _REQUIRED - body.keys(), body.keys() - _ALLOWED
    if missing or others:
        raise Refusal(2, f"Invalid request: missing {sorted(missing)}, unknown {sorted(others)}")
    for name, limit in _LIMITS.items():
        if not isinstance(body[name], str) or not 1 <= len(body[name]) <= limit:
            raise Refusal(101, f"{name} not valid")
    amount, decimals = body["cart_amount"], DECIMALS.get(body["cart_currency"])
    if decimals is None:
        raise Refusal(102, "cart_currency not valid")
    # A JSON number, not a text; with no more decimals than the currency has.
    if not isinstance(amount, Decimal | int) or isinstance(amount, bool) or amount <= 0:
        raise Refusal(103, "cart_amount not valid")
    exact = Decimal(amount)
    if exact != exact.quantize(Decimal(1).scaleb(-decimals)):
        raise Refusal(103, "cart_amount not valid")
    return exact


def shown(body: Transaction, amount: Decimal) -> Transaction:
    """The fields of a request that its answer repeats: the amount as a text, the type with a capital."""
    return {
        "tran_type": str(body["tran_type"]).capitalize(),
        "cart_id": body["cart_id"],
        "cart_description": body["cart_description"],
        "cart_currency": body["cart_currency"],
        "cart_amount": f"{amount:.{DECIMALS[body['cart_currency']]}f}",
    }


def result(status: str) -> Transaction:
    """The result of a transaction."""
    code = "G12345" if status == "A" else "481"
    time_told = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = WORDS[status]
    return {
        "response_status": status,
        "response_code": code,
        "response_message": words,
        "transaction_time": time_told,
    }


def is_approved(transaction: Transaction, tran_type: str) -> bool:
    """Say whether a transaction is of the type and was approved."""
    return (transaction["tran_type"], transaction["payment_result"]["response_status"]) == (tran_type, "A")
