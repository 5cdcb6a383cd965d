"""What the stand-in for Razorpay remembers: orders, payments and refunds, and the rules Razorpay documents for them."""

import re
import time

from devstack.gateways.razorpay_entities import (
    Entity,
    Refusal,
    amount_in,
    find,
    new_id,
    notes_in,
    refuse_others,
)

MAX_RECEIPT_LENGTH = 40
SMALLEST_INR = 100

_ORDER_FIELDS = frozenset({"amount", "currency", "receipt", "unique_receipt", "notes", "payment"})
_REFUND_FIELDS = frozenset({"amount", "speed", "notes", "receipt"})
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{10,}")


class RazorpayLedger:
    """One account's orders, payments and refunds. Its methods take and return entities as the API shows them."""

    def __init__(self, refund_status: str) -> None:
        self._refund_status = refund_status
        self._orders: dict[str, Entity] = {}
        self._payments: dict[str, Entity] = {}
        self._refunds: dict[str, Entity] = {}
        self._captures: dict[str, str] = {}
        self._refund_requests: dict[str, tuple[str, Entity, str]] = {}

    def create_order(self, body: Entity) -> Entity:
        """Create an order. With `unique_receipt`, a receipt seen before gives the order it belongs to."""
        refuse_others(body, _ORDER_FIELDS)
        amount, currency = amount_in(body), body.get("currency")
        receipt, notes = body.get("receipt"), notes_in(body)
        if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
            raise Refusal("The currency field is required.", field="currency")
        if currency == "INR" and amount < SMALLEST_INR:
            raise Refusal("The amount must be at least INR 1.00", field="amount")
        if receipt is not None and (not isinstance(receipt, str) or len(receipt) > MAX_RECEIPT_LENGTH):
            raise Refusal("The receipt may not be greater than 40 characters.", field="receipt")
        known = next((order for order in self._orders.values() if receipt and order["receipt"] == receipt), None)
        if known is not None:
            if body.get("unique_receipt") is not True:
                raise Refusal("The receipt has to be unique.", field="receipt")
            return known
        payment = body.get("payment") or {"capture": "automatic"}
        if not isinstance(payment, dict) or payment.get("capture") not in {"automatic", "manual"}:
            raise Refusal("The capture field is invalid.", field="payment")
        order: Entity = {
            "id": new_id("order"),
            "entity": "order",
            "amount": amount,
            "amount_paid": 0,
            "amount_due": amount,
            "currency": currency,
            "receipt": receipt,
            "offer_id": None,
            "status": "created",
            "attempts": 0,
            "notes": notes or [],
            "created_at": int(time.time()),
        }
        self._orders[order["id"]] = order
        self._captures[order["id"]] = payment["capture"]
        return order

    def order(self, order_id: str) -> Entity:
        """Return an order."""
        return find(self._orders, order_id)

    def payment(self, payment_id: str) -> Entity:
        """Return a payment."""
        return find(self._payments, payment_id)

    def payments_of(self, order_id: str) -> list[Entity]:
        """Return the payments made on an order."""
        self.order(order_id)
        return [payment for payment in self._payments.values() if payment["order_id"] == order_id]

    def refunds_of(self, payment_id: str) -> list[Entity]:
        """Return a payment's refunds, the latest first."""
        self.payment(payment_id)
        return [refund for refund in reversed(self._refunds.values()) if refund["payment_id"] == payment_id]

    def find_refund(self, refund_id: str) -> Entity:
        """Return a refund."""
        return find(self._refunds, refund_id)

    def capture(self, payment_id: str, body: Entity) -> Entity:
        """Capture an authorized payment, always as a whole."""
        payment = self.payment(payment_id)
        amount = amount_in(body)
        if payment["status"] != "authorized":
            raise Refusal("This payment has already been captured" if payment["captured"] else "Invalid payment status")
        if body.get("currency", payment["currency"]) != payment["currency"]:
            raise Refusal("Payment currency and capture currency are different.", field="currency")
        if amount != payment["amount"]:
            raise Refusal("Capture amount must be equal to the amount authorized", field="amount")
        self._mark_captured(payment)
        return payment

    def refund(self, payment_id: str, body: Entity, idempotency_key: str | None) -> Entity:
        """Refund a part of a captured payment, or all that is left. The same key again gives the same refund."""
        if idempotency_key is not None:
            known = self._refund_made_with(idempotency_key, payment_id, body)
            if known is not None:
                return known
        refuse_others(body, _REFUND_FIELDS)
        payment, notes = self.payment(payment_id), notes_in(body)
        left = payment["amount"] - payment["amount_refunded"]
        amount = amount_in(body) if "amount" in body else left
        if not payment["captured"]:
            raise Refusal("The payment status should be captured for action to be taken")
        if left == 0:
            raise Refusal("The payment has been fully refunded already")
        if amount > left:
            raise Refusal("The refund amount provided is greater than amount captured", field="amount")
        refund: Entity = {
            "id": new_id("rfnd"),
            "entity": "refund",
            "amount": amount,
            "currency": payment["currency"],
            "payment_id": payment_id,
            "notes": notes or [],
            "receipt": body.get("receipt"),
            "acquirer_data": {"arn": None},
            "created_at": int(time.time()),
            "batch_id": None,
            "status": self._refund_status,
            "speed_processed": "normal",
            "speed_requested": "normal",
        }
        self._refunds[refund["id"]] = refund
        self._count_refunds(payment)
        if idempotency_key is not None:
            self._refund_requests[idempotency_key] = (payment_id, body, refund["id"])
        return refund

    def pay(self, order_id: str, body: Entity) -> Entity:
        """Pay an order as the payer does, and return the payment.

        `outcome` is authorized, captured or failed; without it, the order's own setting decides. `notes` are what the
        payer's client sends; `method` is upi unless told otherwise.
        """
        order = self.order(order_id)
        automatic = "captured" if self._captures[order_id] == "automatic" else "authorized"
        outcome = body.get("outcome", automatic)
        if outcome not in {"authorized", "captured", "failed"}:
            raise Refusal("The outcome is authorized, captured or failed", field="outcome")
        if order["status"] == "paid":
            raise Refusal("Your payment has been declined as the order is already paid.")
        payment = _new_payment(order, str(body.get("method", "upi")), notes_in(body))
        self._payments[payment["id"]] = payment
        order["attempts"] += 1
        order["status"] = "attempted"
        if outcome == "failed":
            payment.update(status="failed", error_code="BAD_REQUEST_ERROR", error_reason="payment_failed")
            payment.update(error_description="Payment failed", error_source="bank", error_step="payment_authorization")
        elif outcome == "captured":
            self._mark_captured(payment)
        return payment

    def settle_refund(self, refund_id: str, body: Entity) -> Entity:
        """Let a refund be processed or fail, as banks do."""
        refund = self.find_refund(refund_id)
        if body.get("status") not in {"processed", "failed"}:
            raise Refusal("The status is processed or failed", field="status")
        refund["status"] = body["status"]
        self._count_refunds(self.payment(refund["payment_id"]))
        return refund

    def _mark_captured(self, payment: Entity) -> None:
        payment.update(status="captured", captured=True, fee=payment["amount"] * 2 // 100, tax=0)
        order = self.order(payment["order_id"])
        order.update(status="paid", amount_paid=payment["amount"], amount_due=order["amount"] - payment["amount"])

    def _count_refunds(self, payment: Entity) -> None:
        refunds = [refund for refund in self.refunds_of(payment["id"]) if refund["status"] != "failed"]
        refunded = sum(refund["amount"] for refund in refunds)
        is_full = refunded == payment["amount"]
        payment["amount_refunded"] = refunded
        payment["refund_status"] = "full" if is_full else ("partial" if refunded else None)
        payment["status"] = "refunded" if is_full else "captured"

    def _refund_made_with(self, key: str, payment_id: str, body: Entity) -> Entity | None:
        if not _IDEMPOTENCY_KEY.fullmatch(key):
            raise Refusal("The idempotency key must be at least 10 characters of letters, digits, hyphens, underscores")
        if key not in self._refund_requests:
            return None
        *first, refund_id = self._refund_requests[key]
        if first != [payment_id, body]:
            text = "Different request with the same idempotency key has already been processed."
            raise Refusal(text, status_code=409)
        return self._refunds[refund_id]


def _new_payment(order: Entity, method: str, notes: Entity) -> Entity:
    return {
        "id": new_id("pay"),
        "entity": "payment",
        "amount": order["amount"],
        "currency": order["currency"],
        "status": "authorized",
        "order_id": order["id"],
        "invoice_id": None,
        "international": order["currency"] != "INR",
        "method": method,
        "amount_refunded": 0,
        "refund_status": None,
        "captured": False,
        "description": None,
        "card_id": None,
        "bank": None,
        "wallet": None,
        "vpa": "payer@upi" if method == "upi" else None,
        "email": "payer@example.com",
        "contact": "+919000090000",
        "notes": notes or [],
        "fee": None,
        "tax": None,
        "error_code": None,
        "error_description": None,
        "error_source": None,
        "error_step": None,
        "error_reason": None,
        "acquirer_data": {},
        "created_at": int(time.time()),
    }
