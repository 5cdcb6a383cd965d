"""The checkouts of the local Coinbase Business."""

import re
import secrets
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Item = dict[str, Any]

USDC_OF = {
    "USDC": Decimal(1),
    "USD": Decimal(1),
    "EUR": Decimal("1.16"),
    "GBP": Decimal("1.33"),
    "SGD": Decimal("0.77"),
}
"""What one unit is worth in USDC here."""

_AMOUNT = re.compile(r"[0-9]+(\.[0-9]{1,2})?")
_CENT = Decimal("0.01")
_OUTCOMES = {"paid": ("COMPLETED", "success"), "failed": ("FAILED", "failed"), "cancelled": ("EXPIRED", "expired")}


class Refused(Exception):
    """A request that Business turns down."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Business:
    """One account's checkouts. Every write but deactivation is remembered by its idempotency key."""

    def __init__(self, movements: Counter[str]) -> None:
        self._movements = movements
        self._checkouts: dict[str, Item] = {}
        self._kept: dict[str, tuple[object, Response]] = {}

    def knows(self, checkout_id: str) -> bool:
        """Say whether there is such a checkout."""
        return checkout_id in self._checkouts

    async def create(self, request: Request) -> Response:
        """POST /checkouts."""
        return await self._once(request, self._create, 201)

    async def get(self, request: Request) -> Response:
        """GET /checkouts/{id}."""
        checkout = self._checkouts.get(request.path_params["id"])
        return _error(Refused("no such checkout", 404)) if checkout is None else JSONResponse(checkout)

    async def get_link(self, request: Request) -> Response:
        """GET /payment-links/{id}: nobody has made any."""
        return _error(Refused(f"there is no payment link {request.path_params['id']}", 404))

    async def deactivate(self, request: Request) -> Response:
        """POST /checkouts/{id}/deactivate."""
        checkout = self._checkouts.get(request.path_params["id"])
        if checkout is None:
            return _error(Refused("no such checkout", 404))
        if checkout["status"] != "ACTIVE":
            return _error(Refused(f"the checkout is {checkout['status']}"))
        self._movements["void"] += 1
        return JSONResponse(_change(checkout, status="DEACTIVATED"))

    async def refund(self, request: Request) -> Response:
        """POST /checkouts/{id}/refund."""
        checkout = self._checkouts.get(request.path_params["id"])
        if checkout is None:
            return _error(Refused("no such checkout", 404))
        return await self._once(request, lambda body: self._refund(checkout, body), 200)

    def pay(self, checkout_id: str, outcome: str) -> list[Item]:
        """The payer pays, or does not; returns the event that follows."""
        checkout = self._checkouts[checkout_id]
        status, name = _OUTCOMES[outcome]
        if checkout["status"] != "ACTIVE":
            return []
        if status == "COMPLETED":
            self._movements["capture"] += 1
            fee = (Decimal(checkout["amount"]) / 100).quantize(_CENT, ROUND_HALF_UP)
            settlement = {"totalAmount": checkout["amount"], "feeAmount": str(fee), "currency": "USDC"}
            checkout |= {"settlement": settlement, "transactionHash": f"0x{secrets.token_hex(32)}"}
        return [{**_change(checkout, status=status), "eventType": f"checkout.payment.{name}"}]

    def settle(self) -> list[Item]:
        """Send the money of every pending refund; returns the events that follow."""
        events = []
        for checkout in self._checkouts.values():
            for refund in checkout.get("refunds", []):
                if refund["status"] == "PENDING":
                    refund |= {"status": "COMPLETED", "completedAt": _now(), "transactionHash": "0x" + "ab" * 32}
                    done = sum(_asked(item) for item in checkout["refunds"] if item["status"] == "COMPLETED")
                    status = "REFUNDED" if done >= _asked(checkout) else "PARTIALLY_REFUNDED"
                    changed = _change(checkout, status=status, refundedAmount=str(done))
                    events.append({**changed, "eventType": "checkout.refund.success"})
        return events

    def _create(self, body: Item) -> Item:
        metadata = body.get("metadata", {})
        if len(metadata) > 20 or any(len(value) > 100 for value in metadata.values()):
            raise Refused("metadata is too long")
        for name in ("successRedirectUrl", "failRedirectUrl"):
            if not str(body.get(name, "https://")).startswith("https://"):
                raise Refused(f"{name} must be https")
        expires_at = body.get("expiresAt", _now(timedelta(hours=1)))
        if datetime.fromisoformat(expires_at) <= datetime.now(UTC):
            raise Refused("expiresAt must be in the future")
        checkout_id, now = secrets.token_hex(12), _now()
        checkout = {
            **body,
            **_priced(body),
            "id": checkout_id,
            "url": f"https://payments.coinbase.com/payment-links/pl_{checkout_id}",
            "network": "base",
            "address": "0x" + "0" * 39 + "1",
            "status": "ACTIVE",
            "expiresAt": expires_at,
            "createdAt": now,
            "updatedAt": now,
        }
        self._checkouts[checkout_id] = checkout
        return checkout

    def _refund(self, checkout: Item, body: Item) -> Item:
        if checkout["status"] not in {"COMPLETED", "PARTIALLY_REFUNDED"}:
            raise Refused(f"the checkout is {checkout['status']}")
        own = checkout.get("fiatCurrency", "USDC")
        if body.get("currency", own) != own:
            raise Refused(f"refunds of this checkout are in {own}")
        refund = {
            **_priced({**body, "currency": own}),
            "id": secrets.token_hex(12),
            "checkoutId": checkout["id"],
            "status": "PENDING",
            "reason": body.get("reason"),
            "createdAt": _now(),
        }
        taken = sum(_asked(item) for item in checkout.get("refunds", []) if item["status"] != "FAILED")
        if taken + _asked(refund) > _asked(checkout):
            raise Refused("more than is left to refund")
        self._movements["refund"] += 1
        checkout.setdefault("refunds", []).append(refund)
        return {"checkout": _change(checkout), "refund": refund}

    async def _once(self, request: Request, act: Callable[[Item], Item], status: int) -> Response:
        key, body = request.headers.get("x-idempotency-key", ""), await request.json()
        if not _is_random_uuid(key):
            return _error(Refused("X-Idempotency-Key is no UUID of version 4"))
        asked = (request.url.path, body)
        if key in self._kept:
            kept, response = self._kept[key]
            return response if kept == asked else _error(Refused("the idempotency key was used otherwise"))
        try:
            answer = JSONResponse(act(body), status)
        except Refused as refusal:
            return _error(refusal)
        self._kept[key] = (asked, answer)
        return answer


def _is_random_uuid(key: str) -> bool:
    try:
        return str(uuid.UUID(key)) == key and uuid.UUID(key).version == 4
    except ValueError:
        return False


def _priced(body: Item) -> Item:
    amount, currency = body.get("amount"), body.get("currency")
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount) or Decimal(amount) < _CENT:
        raise Refused("amount is no decimal of at most two places")
    if currency not in USDC_OF:
        raise Refused("currency is not supported")
    in_usdc = (Decimal(amount) * USDC_OF[currency]).quantize(_CENT, ROUND_HALF_UP)
    fiat = {} if currency == "USDC" else {"fiatAmount": amount, "fiatCurrency": currency}
    return {"amount": str(in_usdc), "currency": "USDC", **fiat}


def _asked(item: Item) -> Decimal:
    return Decimal(str(item.get("fiatAmount", item["amount"])))


def _change(checkout: Item, **changes: object) -> Item:
    checkout |= {**changes, "updatedAt": _now()}
    return checkout


def _error(refusal: Refused) -> Response:
    body = {"errorType": "invalid_request", "errorMessage": str(refusal), "correlationId": "local"}
    return JSONResponse(body, refusal.status)


def _now(later: timedelta = timedelta()) -> str:
    return (datetime.now(UTC) + later).isoformat(timespec="milliseconds").replace("+00:00", "Z")
