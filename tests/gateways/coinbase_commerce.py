"""The charges of the local Coinbase Commerce."""

import secrets
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Item = dict[str, Any]

_STEPS = {
    "paid": (("charge:pending", "PENDING"), ("charge:confirmed", "COMPLETED")),
    "failed": (("charge:pending", "PENDING"), ("charge:failed", "FAILED")),
    "cancelled": (("charge:failed", "EXPIRED"),),
}


class Commerce:
    """One account's charges, the newest last. Commerce remembers no idempotency keys."""

    def __init__(self, movements: Counter[str]) -> None:
        self._movements = movements
        self._charges: dict[str, Item] = {}

    async def create(self, request: Request) -> Response:
        """POST /charges."""
        body = await request.json()
        price = body.get("local_price", {})
        if body.get("pricing_type") != "fixed_price" or not isinstance(price.get("amount"), str):
            return _error("local_price must be given")
        if Decimal(price["amount"]) <= 0 or not 0 < len(body.get("name", "")) <= 100:
            return _error("name and amount must be given")
        charge_id, now = str(uuid.uuid4()), datetime.now(UTC)
        self._charges[charge_id] = {
            "id": charge_id,
            "code": secrets.token_hex(4).upper(),
            "hosted_url": f"https://commerce.coinbase.com/pay/{charge_id}",
            "pricing": {"local": price, "settlement": {"amount": price["amount"], "currency": "USDC"}},
            "created_at": _text(now),
            "expires_at": _text(now + timedelta(hours=1)),
            "timeline": [{"status": "NEW", "time": _text(now)}],
            **{name: body.get(name) for name in ("name", "description", "pricing_type", "metadata", "redirect_url")},
        }
        self._movements["charge"] += 1
        return JSONResponse({"data": self._charges[charge_id]}, 201)

    async def newest(self, request: Request) -> Response:
        """GET /charges, the newest first."""
        limit = int(request.query_params.get("limit", "25"))
        if not 0 < limit <= 100 or request.query_params.get("order") != "desc":
            return _error("limit is at most 100")
        return JSONResponse({"pagination": {"limit": limit}, "data": list(self._charges.values())[: -limit - 1 : -1]})

    async def get(self, request: Request) -> Response:
        """GET /charges/{id or code}."""
        charge = self._find(request.path_params["reference"])
        return _error("not found", 404) if charge is None else JSONResponse({"data": charge})

    async def cancel(self, request: Request) -> Response:
        """POST /charges/{id or code}/cancel."""
        charge = self._find(request.path_params["reference"])
        if charge is None:
            return _error("not found", 404)
        if charge["timeline"][-1]["status"] != "NEW":
            return _error("only a new charge can be cancelled")
        self._movements["void"] += 1
        _add(charge, "CANCELED")
        return JSONResponse({"data": charge})

    def pay(self, reference: str, outcome: str) -> list[Item]:
        """The payer pays, or does not; returns the events that follow."""
        charge = self._find(reference)
        if charge is None or charge["timeline"][-1]["status"] != "NEW":
            return []
        self._movements["capture"] += outcome == "paid"
        return [_event(kind, _add(charge, status)) for kind, status in _STEPS[outcome]]

    def _find(self, reference: str) -> Item | None:
        by_code = (charge for charge in self._charges.values() if charge["code"] == reference)
        return self._charges.get(reference) or next(by_code, None)


def _add(charge: Item, status: str) -> Item:
    charge["timeline"] = [*charge["timeline"], {"status": status, "time": _text(datetime.now(UTC))}]
    return dict(charge)


def _event(kind: str, charge: Item) -> Item:
    event = {"id": str(uuid.uuid4()), "type": kind, "created_at": _text(datetime.now(UTC)), "data": charge}
    return {"id": str(uuid.uuid4()), "attempt_number": 1, "event": {**event, "api_version": "2018-03-22"}}


def _error(message: str, status: int = 400) -> Response:
    return JSONResponse({"error": {"type": "invalid_request", "message": message}}, status)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
