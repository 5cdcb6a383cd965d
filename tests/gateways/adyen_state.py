"""What the local Adyen knows: sessions, links, attempts to pay, stored payment methods, and requests under way."""

import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.gateways.adyen_callbacks import Item, event_date

MERCHANT_ACCOUNT = "TestMerchant"
SHOPPER = "shopper-1"
STORED, REFUSING, REDIRECTING = "STOREDVISA000001", "STOREDREFUSED001", "STOREDREDIRECT01"
"""The shopper's stored payment methods: one that is paid with, one that is refused, one that leads to another page."""

MAX_REFERENCE_LENGTH = 80
METADATA_LIMITS = (20, 20, 80)

Request = Mapping[str, Any]


class Refusal(Exception):
    """An error as Adyen answers it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        kind = "security" if status in {401, 403} else "validation"
        self.status = status
        self.body = {"status": status, "errorCode": code, "message": message, "errorType": kind}


@dataclass(slots=True)
class Page:
    """A session or a payment link. It can be paid until it was paid once."""

    id: str
    request: Request
    status: str
    data: str = ""
    result: str = ""
    payments: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Attempt:
    """A payment as Adyen counts them, in its own minor units."""

    psp_reference: str
    request: Request
    authorised: int
    is_manual: bool
    captured: int = 0
    refunded: int = 0
    is_cancelled: bool = False

    @property
    def currency(self) -> str:
        """The currency of all its amounts."""
        return str(self.request["amount"]["currency"])

    def capture(self, value: int) -> str | None:
        """Capture an amount; returns why not."""
        if self.is_cancelled or not self.is_manual or not 0 < value <= self.authorised - self.captured:
            return "Insufficient balance on payment"
        self.captured += value
        return None

    def cancel(self, _: int) -> str | None:
        """Let an authorization go; returns why not."""
        if self.captured or self.is_cancelled:
            return "Transaction not authorised or already captured"
        self.is_cancelled = True
        return None

    def reverse(self, _: int) -> str | None:
        """Give everything back; returns why not."""
        if self.is_cancelled:
            return "Already cancelled"
        self.refunded, self.is_cancelled = self.captured, True
        return None

    def refund(self, value: int) -> str | None:
        """Refund an amount; returns why not."""
        if not 0 < value <= self.captured - self.refunded:
            return "Insufficient balance on payment"
        self.refunded += value
        return None

    def adjust(self, value: int) -> str | None:
        """Change the authorised amount; returns why not."""
        if self.captured or self.request.get("additionalData", {}).get("authorisationType") != "PreAuth":
            return "Authorisation type not allowed"
        self.authorised = value
        return None


class AdyenState:
    """Everything of one merchant account, in memory."""

    def __init__(self, movements: Counter[str]) -> None:
        self.movements = movements
        self.sessions: dict[str, Page] = {}
        self.links: dict[str, Page] = {}
        self.attempts: dict[str, Attempt] = {}
        self.stored: dict[str, list[str]] = {SHOPPER: [STORED, REFUSING, REDIRECTING]}
        self.redirects: dict[str, Request] = {}
        self.under_way: list[Callable[[], Item]] = []

    def create_session(self, request: Request) -> Item:
        """POST /sessions."""
        check_payment(request)
        need(request, "returnUrl")
        session = Page(name("CS"), request, "active", data=name("Ab02b4c0!"), result=name("X3XtfGC9!"))
        self.sessions[session.id] = session
        shown = {key: request[key] for key in ("merchantAccount", "amount", "reference", "returnUrl")}
        return {**shown, "id": session.id, "sessionData": session.data, "expiresAt": "2030-01-01T00:00:00+01:00"}

    def session_result(self, session_id: str, result: str) -> Item:
        """GET /sessions/{id}?sessionResult=…"""
        session = self.sessions.get(session_id)
        if session is None or result != session.result:
            raise Refusal(422, "14_017", "Invalid sessionResult")
        shown = {"id": session.id, "status": session.status, "reference": session.request["reference"]}
        return {**shown, "payments": session.payments}

    def pay(self, request: Request) -> Item:
        """POST /payments, with a stored payment method."""
        check_payment(request)
        if not request.get("shopperReference"):
            raise Refusal(422, "130", "Required field 'shopperReference' is not provided.")
        method = str(need(request, "paymentMethod").get("storedPaymentMethodId"))
        if method not in self.stored.get(str(request["shopperReference"]), []):
            raise Refusal(422, "800", "Contract not found")
        if method == REDIRECTING:
            result = name("X6XtfGC3!")
            self.redirects[result] = request
            url = f"https://checkout.adyen.example/redirect?result={result}"
            return {"resultCode": "RedirectShopper", "action": {"type": "redirect", "method": "GET", "url": url}}
        return self.attempt(request, is_refused=method == REFUSING)

    def complete(self, request: Request) -> Item:
        """POST /payments/details."""
        paid = self.redirects.get(str(need(request, "details").get("redirectResult")))
        if paid is None:
            raise Refusal(422, "14_0406", "The redirectResult provided is not valid")
        return self.attempt(paid, is_refused=False)

    def attempt(self, request: Request, *, is_refused: bool) -> Item:
        """Authorise, or do not; what came of it is called back later."""
        psp_reference, amount = name(""), request["amount"]
        shown = {"pspReference": psp_reference, "merchantReference": request["reference"]}
        reason = "Not enough balance" if is_refused else "033899:1111:03/2030"
        event = _event("AUTHORISATION", psp_reference, request, amount, success=not is_refused, reason=reason)
        self.under_way.append(lambda: event)
        if is_refused:
            return {**shown, "resultCode": "Refused", "refusalReason": reason, "refusalReasonCode": "12"}
        is_manual = request.get("additionalData", {}).get("manualCapture") == "true"
        if not is_manual and request.get("captureDelayHours") != 0 and amount["value"]:
            raise Refusal(422, "137", "this merchant account captures by hand unless it is told otherwise")
        attempt = Attempt(psp_reference, request, amount["value"], is_manual=is_manual)
        self.attempts[psp_reference] = attempt
        self.movements["authorization"] += 1
        if not is_manual and amount["value"]:
            attempt.captured = amount["value"]
            self.movements["capture"] += 1
        return {**shown, "resultCode": "Authorised", "amount": amount}

    def modify(self, psp_reference: str, request: Request, word: str) -> Item:
        """POST /payments/{psp}/…: take a modification in; what comes of it is called back later."""
        code, change, movement = MODIFICATIONS[word]
        attempt, amount = self.attempts.get(psp_reference), request.get("amount")
        if request.get("merchantAccount") != MERCHANT_ACCOUNT:
            raise Refusal(403, "901", "Invalid Merchant Account")
        if attempt is None:
            raise Refusal(422, "167", "Original pspReference required for this operation")
        if amount is None and word in {"captures", "refunds", "amountUpdates"}:
            raise Refusal(422, "100", "No amount specified")
        if amount is not None and amount.get("currency") != attempt.currency:
            raise Refusal(422, "137", "The currency differs from that of the payment")
        own = name("")

        def end() -> Item:
            reason = change(attempt, 0 if amount is None else amount["value"])
            self.movements[movement] += reason is None
            told = amount or attempt.request["amount"]
            event = _event(code, own, request, told, success=reason is None, reason=reason or "")
            return {**event, "originalReference": psp_reference}

        self.under_way.append(end)
        shown = {"merchantAccount": MERCHANT_ACCOUNT, "reference": request.get("reference"), "status": "received"}
        return {**shown, "amount": amount, "paymentPspReference": psp_reference, "pspReference": own}

    def create_link(self, request: Request) -> Item:
        """POST /paymentLinks."""
        check_payment(request)
        if not request["amount"]["value"]:
            raise Refusal(422, "100", "No amount specified")
        link = Page(name("PL"), request, "active")
        self.links[link.id] = link
        return {**request, "id": link.id, "status": link.status, "url": f"https://test.adyen.link/{link.id}"}

    def update_link(self, link_id: str, request: Request) -> Item:
        """PATCH /paymentLinks/{id}."""
        link = self.link(link_id)
        if request.get("status") != "expired":
            raise Refusal(422, "29_001", "A payment link can only be expired")
        if link.status != "active":
            raise Refusal(422, "29_002", f"The payment link is {link.status}")
        link.status = "expired"
        return {"id": link.id, "status": link.status}

    def link(self, link_id: str) -> Page:
        """A payment link that is there."""
        if link_id not in self.links:
            raise Refusal(404, "29_000", "Payment link not found")
        return self.links[link_id]


def _event(code: str, psp_reference: str, request: Request, amount: Item, *, success: bool, reason: str) -> Item:
    return {
        "eventCode": code,
        "pspReference": psp_reference,
        "merchantAccountCode": MERCHANT_ACCOUNT,
        "merchantReference": request.get("reference"),
        "amount": amount,
        "success": "true" if success else "false",
        "reason": reason,
        "eventDate": event_date(datetime.now(UTC)),
    }


def check_payment(request: Request) -> None:
    """Refuse what no payment, session or link may have."""
    if request.get("merchantAccount") != MERCHANT_ACCOUNT:
        raise Refusal(403, "901", "Invalid Merchant Account")
    amount = need(request, "amount")
    if type(amount.get("value")) is not int or amount["value"] < 0 or len(str(amount.get("currency"))) != 3:
        raise Refusal(422, "137", "Invalid amount specified")
    reference = str(need(request, "reference"))
    if len(reference) > MAX_REFERENCE_LENGTH or ":" in reference:
        raise Refusal(422, "702", "Invalid reference")
    count, name_length, value_length = METADATA_LIMITS
    metadata = request.get("metadata", {})
    if len(metadata) > count or any(len(key) > name_length or len(metadata[key]) > value_length for key in metadata):
        raise Refusal(422, "14_007", "Invalid metadata")


def need(request: Request, field_name: str) -> Any:  # noqa: ANN401 - anything that JSON can hold
    """A field that must be there."""
    if request.get(field_name) in (None, "", {}):
        raise Refusal(422, "130", f"Required field '{field_name}' is not provided.")
    return request[field_name]


def name(prefix: str) -> str:
    """A name as Adyen gives it: sixteen letters and digits, and what its kind begins with."""
    return prefix + secrets.token_hex(8).upper()


MODIFICATIONS: Mapping[str, tuple[str, Callable[[Attempt, int], str | None], str]] = {
    "captures": ("CAPTURE", Attempt.capture, "capture"),
    "cancels": ("CANCELLATION", Attempt.cancel, "void"),
    "reversals": ("CANCEL_OR_REFUND", Attempt.reverse, "reversal"),
    "refunds": ("REFUND", Attempt.refund, "refund"),
    "amountUpdates": ("AUTHORISATION_ADJUSTMENT", Attempt.adjust, "adjustment"),
}
"""By the last word of the path: what the callback is called, what is done, and how the movement is counted."""
