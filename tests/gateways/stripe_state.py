"""What the local Stripe remembers, and what Stripe documents of how payments are charged, captured and refunded."""

import secrets
import time
from collections import Counter
from typing import Any

from tests.gateways.stripe_form import Params

Item = dict[str, Any]

DECLINED, CHALLENGED = "pm_card_chargeDeclined", "pm_card_authenticationRequired"
"""Stripe's published test cards that are declined and that want the payer; any other `pm_card_…` is good."""

_CANCELLABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action", "requires_capture"})
_INTENT_FIELDS = frozenset(
    {
        "amount",
        "capture_method",
        "confirm",
        "currency",
        "customer",
        "description",
        "metadata",
        "off_session",
        "payment_method",
        "payment_method_options",
        "return_url",
    }
)


class Refusal(Exception):
    """An error as Stripe answers it. Those of validation are not kept for the idempotency key, all others are."""

    def __init__(self, status: int, message: str, *, code: str = "", kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.is_kept = code != "parameter_invalid"
        self.body = {"error": {"type": kind, "code": code, "message": message}}


class StripeState:
    """One account. Objects are plain JSON; `movements` counts everything that moved or held money, by kind."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.movements: Counter[str] = Counter()

    def find(self, item_id: str, kind: str) -> Item:
        """Return an object of a kind."""
        item = self.items.get(item_id)
        if item is None or item["object"] != kind:
            raise Refusal(404, f"No such {kind}: '{item_id}'", code="resource_missing")
        return item

    def add(self, prefix: str, kind: str, **fields: Any) -> Item:  # noqa: ANN401 - fields of any object
        """Keep a new object."""
        item_id = f"{prefix}_{secrets.token_hex(9)}"
        item: Item = {"id": item_id, "object": kind, "created": int(time.time()), "livemode": False, **fields}
        self.items[item_id] = item
        return item

    def create_intent(self, params: Params) -> Item:
        """Create a payment intent and, when asked, confirm it."""
        refuse_others(params, _INTENT_FIELDS)
        intent = self.add(
            "pi",
            "payment_intent",
            amount=integer(params, "amount"),
            amount_received=0,
            amount_capturable=0,
            currency=currency(params),
            capture_method=params.get("capture_method", "automatic"),
            customer=params.get("customer"),
            description=params.get("description"),
            last_payment_error=None,
            latest_charge=None,
            metadata=params.get("metadata", {}),
            next_action=None,
            payment_method=None,
            payment_method_options=params.get("payment_method_options", {}),
            status="requires_payment_method",
        )
        intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(6)}"
        if params.get("confirm") == "true":
            self._confirm(intent, params, off_session=params.get("off_session") == "true")
        return intent

    def confirm_intent(self, intent_id: str, params: Params) -> Item:
        """Confirm a payment intent with a payment method."""
        refuse_others(params, frozenset({"payment_method", "return_url"}))
        intent = self._intent_in(intent_id, {"requires_payment_method", "requires_confirmation"})
        self._confirm(intent, params, off_session=False)
        return intent

    def authenticate(self, intent_id: str) -> Item:
        """Let the payer pass the challenge of a payment intent or setup intent."""
        item = self.items.get(intent_id, {})
        if item.get("status") != "requires_action":
            raise Refusal(400, "nothing waits for the payer")
        item["next_action"] = None
        if item["object"] == "setup_intent":
            item["status"] = "succeeded"
        else:
            self._charge(item)
        return item

    def capture_intent(self, intent_id: str, params: Params) -> Item:
        """Capture a part of an authorization, or all of it, and release the rest."""
        refuse_others(params, frozenset({"amount_to_capture"}))
        intent = self._intent_in(intent_id, {"requires_capture"})
        amount = integer(params, "amount_to_capture") if "amount_to_capture" in params else intent["amount_capturable"]
        if amount > intent["amount_capturable"]:
            raise Refusal(400, "You cannot capture more than the authorized amount", code="amount_too_large")
        self._take(intent, amount)
        return intent

    def cancel_intent(self, intent_id: str, params: Params) -> Item:
        """Cancel a payment intent that has not been captured."""
        refuse_others(params, frozenset({"cancellation_reason"}))
        intent = self._intent_in(intent_id, _CANCELLABLE)
        self.movements["void"] += intent["status"] == "requires_capture"
        intent.update(status="canceled", canceled_at=int(time.time()), amount_capturable=0, next_action=None)
        return intent

    def increment_intent(self, intent_id: str, params: Params) -> Item:
        """Raise an authorization to a new total."""
        refuse_others(params, frozenset({"amount"}))
        intent = self._intent_in(intent_id, {"requires_capture"})
        card = intent["payment_method_options"].get("card", {})
        if card.get("request_incremental_authorization") != "if_available":
            raise Refusal(400, "This PaymentIntent is not eligible for incremental authorization")
        amount = integer(params, "amount")
        if amount <= intent["amount"]:
            raise Refusal(400, "The amount must be greater than the currently authorized amount")
        intent.update(amount=amount, amount_capturable=amount)
        self.items[intent["latest_charge"]]["amount"] = amount
        self.movements["increment"] += 1
        return intent

    def create_refund(self, params: Params) -> Item:
        """Refund a part of a captured payment, or all that is left."""
        refuse_others(params, frozenset({"amount", "charge", "metadata", "payment_intent", "reason"}))
        if "payment_intent" in params:
            intent = self._intent_in(str(params["payment_intent"]), {"succeeded"})
            charge = self.items[intent["latest_charge"]]
        else:
            charge = self.find(str(params.get("charge")), "charge")
        left = charge["amount_captured"] - charge["amount_refunded"]
        amount = integer(params, "amount") if "amount" in params else left
        if not left:
            raise Refusal(400, "Charge has already been refunded.", code="charge_already_refunded")
        if amount > left:
            raise Refusal(400, "Refund amount is greater than unrefunded amount on charge", code="amount_too_large")
        charge["amount_refunded"] += amount
        self.movements["refund"] += 1
        return self.add(
            "re",
            "refund",
            amount=amount,
            charge=charge["id"],
            currency=charge["currency"],
            metadata=params.get("metadata", {}),
            payment_intent=charge["payment_intent"],
            reason=params.get("reason"),
            status="succeeded",
        )

    def refunds_of(self, intent_id: str) -> list[Item]:
        """Return the refunds of a payment intent, the latest first."""
        refunds = (item for item in self.items.values() if item["object"] == "refund")
        return [refund for refund in refunds if refund["payment_intent"] == intent_id][::-1]

    def method(self, token: str) -> Item:
        """Return a payment method; one of Stripe's test cards becomes a new one each time."""
        if not token.startswith("pm_card_"):
            return self.find(token, "payment_method")
        card = {"brand": "visa", "last4": "4242", "exp_month": 3, "exp_year": 2030}
        return self.add("pm", "payment_method", type="card", card=card, customer=None, test_card=token)

    def _intent_in(self, intent_id: str, statuses: set[str] | frozenset[str]) -> Item:
        intent = self.find(intent_id, "payment_intent")
        if intent["status"] not in statuses:
            message = f"This PaymentIntent's status is {intent['status']}, which does not allow this."
            raise Refusal(400, message, code="payment_intent_unexpected_state")
        return intent

    def _confirm(self, intent: Item, params: Params, *, off_session: bool) -> None:
        method = self.method(str(params.get("payment_method")))
        if method["customer"] is not None and method["customer"] != intent["customer"]:
            raise Refusal(400, "The payment method belongs to another customer.", code="payment_method_customer")
        if off_session and (intent["customer"] is None or method["customer"] != intent["customer"]):
            raise Refusal(400, "An off-session payment needs a payment method that is attached to its customer.")
        intent["payment_method"] = method["id"]
        if method["test_card"] == DECLINED or (off_session and method["test_card"] == CHALLENGED):
            code = "card_declined" if method["test_card"] == DECLINED else "authentication_required"
            error = {"type": "card_error", "code": code, "message": "Your card was declined."}
            intent.update(last_payment_error=error, payment_method=None)
            raise Refusal(402, error["message"], code=code, kind="card_error")
        if method["test_card"] == CHALLENGED:
            url = f"https://hooks.stripe.example/{intent['id']}"
            intent.update(status="requires_action", next_action=challenge(url, params.get("return_url")))
        else:
            self._charge(intent)

    def _charge(self, intent: Item) -> None:
        charge = self.add(
            "ch",
            "charge",
            amount=intent["amount"],
            amount_captured=0,
            amount_refunded=0,
            balance_transaction=None,
            captured=False,
            currency=intent["currency"],
            disputed=False,
            metadata=intent["metadata"],
            payment_intent=intent["id"],
            receipt_url=None,
            status="succeeded",
        )
        self.movements["charge"] += 1
        intent.update(latest_charge=charge["id"], last_payment_error=None, amount_capturable=intent["amount"])
        intent["status"] = "requires_capture"
        if intent["capture_method"] != "manual":
            self._take(intent, intent["amount"])

    def _take(self, intent: Item, amount: int) -> None:
        settled = self.add("txn", "balance_transaction", amount=amount)
        charge = self.items[intent["latest_charge"]]
        charge.update(captured=True, amount_captured=amount, balance_transaction=settled)
        charge["receipt_url"] = f"https://pay.stripe.example/receipts/{charge['id']}"
        self.movements["capture"] += 1
        intent.update(status="succeeded", amount_received=amount, amount_capturable=0)


def challenge(url: str, return_url: object) -> Item:
    """The `next_action` of an intent that waits for the payer."""
    return {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": return_url}}


def integer(params: Params, name: str) -> int:
    """Return a positive integer of a form."""
    value = str(params.get(name, ""))
    if not value.isdecimal() or int(value) == 0:
        raise Refusal(400, f"Invalid integer: {name}", code="parameter_invalid")
    return int(value)


def currency(params: Params) -> str:
    """Return the currency of a form, which is in small letters."""
    value = str(params.get("currency", ""))
    if len(value) != 3 or not value.islower():
        raise Refusal(400, f"Invalid currency: {value}", code="parameter_invalid")
    return value


def refuse_others(params: Params, known: frozenset[str]) -> None:
    """Refuse parameters that Stripe does not document for the request."""
    others = sorted(params.keys() - known)
    if others:
        raise Refusal(400, f"Received unknown parameter: {', '.join(others)}", code="parameter_invalid")
