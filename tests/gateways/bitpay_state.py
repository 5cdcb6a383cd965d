"""The invoices and refunds of the local BitPay, in the JSON that it writes: prices are numbers, never rounded."""

import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.http_client import encode_json

Item = dict[str, Any]

PLACES = {"JPY": 0, "KRW": 0, "VND": 0}
"""Decimal places of prices, where they are not two."""

QUARTER_OF_AN_HOUR = 900_000
SATOSHI_OF_ONE = 1_600
"""What one unit of money is worth here, in the smallest unit of Bitcoin."""

_STEPS = {
    "paid": (("invoice_paidInFull", "paid"), ("invoice_confirmed", "confirmed"), ("invoice_completed", "complete")),
    "failed": (("invoice_paidInFull", "paid"), ("invoice_failedToConfirm", "invalid")),
    "cancelled": (("invoice_expired", "expired"),),
}


class Refused(Exception):
    """A request that BitPay turns down."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Invoices:
    """One merchant's invoices. A guid that comes again makes another: that BitPay prevents it is not documented."""

    def __init__(self, movements: Counter[str]) -> None:
        self._movements = movements
        self._invoices: dict[str, Item] = {}
        self._refunds: dict[str, Item] = {}

    def create(self, body: Item) -> bytes:
        """Make an invoice."""
        price, currency = _price_of(body.get("price"), str(body.get("currency"))), body["currency"]
        if not str(body.get("notificationURL", "")).startswith("http"):
            raise Refused("notificationURL must be given")
        if len(body.get("orderId", "")) > 100:
            raise Refused("orderId is too long")
        invoice_id, now = f"Inv{len(self._invoices) + 1:019d}", _milliseconds()
        self._invoices[invoice_id] = {
            **{name: body.get(name) for name in ("guid", "orderId", "posData", "notificationURL", "redirectURL")},
            "id": invoice_id,
            "url": f"https://bitpay.com/invoice?id={invoice_id}",
            "status": "new",
            "price": price,
            "currency": currency,
            "invoiceTime": now,
            "expirationTime": now + QUARTER_OF_AN_HOUR,
            "exceptionStatus": False,
            "amountPaid": 0,
            "transactions": [],
        }
        self._movements["invoice"] += 1
        return self.get(invoice_id)

    def get(self, invoice_id: str) -> bytes:
        """An invoice as it is now."""
        return encode_json(self._now(invoice_id))

    def find_by_guid(self, guid: str) -> bytes:
        """The first invoice that was made with a guid."""
        found = next((item for item in self._invoices.values() if item["guid"] == guid), None)
        if found is None:
            raise Refused("Object not found", 404)
        return self.get(found["id"])

    def cancel(self, invoice_id: str) -> bytes:
        """Cancel an invoice that nobody has paid."""
        invoice = self._now(invoice_id)
        if invoice["status"] != "new":
            raise Refused(f"the invoice is {invoice['status']}")
        self._invoices[invoice_id] |= {"status": "expired", "isCancelled": True}
        self._movements["void"] += 1
        return self.get(invoice_id)

    def refund(self, body: Item) -> bytes:
        """Ask for a refund."""
        invoice = self._now(str(body.get("invoiceId")))
        amount = _price_of(body.get("amount"), invoice["currency"])
        if invoice["status"] not in {"confirmed", "complete"}:
            raise Refused(f"the invoice is {invoice['status']}")
        if sum(item["amount"] for item in self._of(invoice["id"])) + amount > invoice["price"]:
            raise Refused("more than is left to refund")
        refund_id = f"Ref{len(self._refunds) + 1:019d}"
        self._refunds[refund_id] = {
            "id": refund_id,
            "invoice": invoice["id"],
            "guid": body.get("guid"),
            "reference": body.get("reference"),
            "amount": amount,
            "currency": invoice["currency"],
            "status": "created",
            "type": "full" if amount == invoice["price"] else "partial",
            "requestDate": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        self._movements["refund"] += 1
        return encode_json(self._refunds[refund_id])

    def refunds_of(self, invoice_id: str) -> bytes:
        """The refunds of an invoice."""
        return encode_json(self._of(invoice_id))

    def find_refund(self, guid: str) -> bytes:
        """The first refund that was asked for with a guid."""
        found = next((item for item in self._refunds.values() if item["guid"] == guid), None)
        if found is None:
            raise Refused("Object not found", 404)
        return encode_json(found)

    def pay(self, invoice_id: str, outcome: str) -> list[tuple[str, bytes]]:
        """The payer pays, or does not; returns where each callback goes, and what it says."""
        invoice = self._invoices[invoice_id]
        if invoice["status"] != "new":
            return []
        if outcome != "cancelled":
            paid, seen = int(invoice["price"] * SATOSHI_OF_ONE), datetime.now(UTC).isoformat(timespec="milliseconds")
            payment = {"amount": paid, "confirmations": 6, "receivedTime": seen, "txid": "ab" * 32}
            invoice |= {"amountPaid": paid, "transactionCurrency": "BTC", "transactions": [payment]}
        self._movements["capture"] += outcome == "paid"
        return [self._tell(name, invoice_id, status) for name, status in _STEPS[outcome]]

    def settle(self) -> list[tuple[str, bytes]]:
        """Send every refund that waits; returns where each callback goes, and what it says."""
        waiting = [item for item in self._refunds.values() if item["status"] == "created"]
        told = []
        for refund in waiting:
            refund["status"] = "success"
            event = {"event": {"code": 7003, "name": "refund_success"}, "data": refund}
            told.append((str(self._invoices[refund["invoice"]]["notificationURL"]), encode_json(event)))
        return told

    def _tell(self, name: str, invoice_id: str, status: str) -> tuple[str, bytes]:
        self._invoices[invoice_id]["status"] = status
        event = {"event": {"code": 1000, "name": name}, "data": self._now(invoice_id)}
        return str(self._invoices[invoice_id]["notificationURL"]), encode_json(event)

    def _now(self, invoice_id: str) -> Item:
        if invoice_id not in self._invoices:
            raise Refused("Object not found", 404)
        return {**self._invoices[invoice_id], "currentTime": _milliseconds()}

    def _of(self, invoice_id: str) -> list[Item]:
        return [item for item in self._refunds.values() if item["invoice"] == invoice_id]


def _price_of(told: object, currency: str) -> Decimal:
    try:
        price = Decimal(str(told))
    except ArithmeticError as error:
        raise Refused("price is no number") from error
    exponent = price.as_tuple().exponent
    if price <= 0 or not isinstance(exponent, int) or -exponent > PLACES.get(currency, 2):
        raise Refused("price has too many decimals")
    return price


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
