"""A local PhonePe with its legacy API, written from the documented one.

It checks the checksum of every request, takes every name once, and posts each callback to the address that the merchant
named with the payment or the refund. Run it with `python -m tests.gateways.phonepe_v1 --port N`.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateways.local_gateway import Handler, LocalGateway, Outgoing, serve

MERCHANT_ID = "M1"
SALT_KEY = "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399"
SALT_INDEX = 1

API = "/apis/pg-sandbox"
SMALLEST_AMOUNT = 100
LONGEST_NAME = 34
CODES = {"PENDING": "PAYMENT_PENDING", "COMPLETED": "PAYMENT_SUCCESS", "FAILED": "PAYMENT_ERROR"}

Item = dict[str, Any]


class Refusal(Exception):
    """A request that PhonePe refuses."""

    def __init__(self, status_code: int, code: str) -> None:
        super().__init__(code)
        self.status_code = status_code
        self.code = code


class LocalPhonePeV1(LocalGateway):
    """One merchant's transactions, payments and refunds alike."""

    def __init__(self) -> None:
        super().__init__()
        self._transactions: dict[str, Item] = {}
        self._numbers = count(1)

    def api_routes(self) -> list[Route]:
        """The three calls there are."""
        return [
            self.writes(f"{API}/pg/v1/pay", answering(self._new_payment)),
            self.writes(f"{API}/pg/v1/refund", answering(self._new_refund)),
            self.reads(f"{API}/pg/v1/status/{{merchant}}/{{name}}", self._status),
        ]

    def refuse(self, request: Request) -> Response | None:
        """Refuse a look with a wrong checksum; the one of a write covers its body, and is checked with it."""
        if request.method == "POST":
            return None
        path = request.url.path.removeprefix(API)
        is_right = request.headers.get("x-verify") == checksum(path)
        is_ours = request.headers.get("x-merchant-id") == MERCHANT_ID == request.path_params["merchant"]
        return None if is_right and is_ours else answer("AUTHORIZATION_FAILED", status_code=401)

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer pays on the page, or does not."""
        payment = self._transactions[reference]
        self._end(payment, "COMPLETED" if outcome == "paid" else "FAILED")
        if outcome == "cancelled":
            payment["responseCode"] = "TXN_CANCELLED"
        return [self._callback(payment)]

    def settle(self) -> Sequence[Outgoing]:
        """Carry out the refunds."""
        pending = [item for item in self._transactions.values() if "original" in item and item["state"] == "PENDING"]
        for refund in pending:
            self._end(refund, "COMPLETED")
        return [self._callback(refund) for refund in pending]

    async def _new_payment(self, request: Request) -> Response:
        body = await signed_body(request)
        page_is_whole = body["paymentInstrument"]["type"] == "PAY_PAGE" and body["redirectMode"] == "REDIRECT"
        if not (page_is_whole and body["redirectUrl"] and 0 < len(body["merchantUserId"]) < 36):
            raise Refusal(400, "BAD_REQUEST")
        payment = self._new(body, f"T{next(self._numbers):016}")
        page = {"url": f"{str(request.base_url).rstrip('/')}/transact/{payment['transactionId']}", "method": "GET"}
        told = {key: payment[key] for key in ("merchantId", "merchantTransactionId")}
        return answer("PAYMENT_INITIATED", {**told, "instrumentResponse": {"type": "PAY_PAGE", "redirectInfo": page}})

    async def _new_refund(self, request: Request) -> Response:
        body = await signed_body(request)
        original = self._transactions.get(str(body.get("originalTransactionId")), {})
        if original.get("state") != "COMPLETED" or "original" in original:
            raise Refusal(404, "TRANSACTION_NOT_FOUND")
        earlier = (item for item in self._transactions.values() if item.get("original") is original)
        refunded = sum(item["amount"] for item in earlier if item["state"] != "FAILED")
        refund = self._new(body, f"TR{next(self._numbers):016}", original["amount"] - refunded)
        refund["original"] = original
        self.movements["refund"] += 1
        return answer("PAYMENT_PENDING", shown(refund))

    async def _status(self, request: Request) -> Response:
        transaction = self._transactions.get(request.path_params["name"])
        if transaction is None:
            return answer("TRANSACTION_NOT_FOUND", status_code=404)
        return answer(CODES[transaction["state"]], shown(transaction))

    def _new(self, body: Mapping[str, Any], transaction_id: str, most: int | None = None) -> Item:
        name, amount = body.get("merchantTransactionId"), body.get("amount")
        is_name = isinstance(name, str) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if not isinstance(name, str) or not is_name or len(name) > LONGEST_NAME or not body.get("callbackUrl"):
            raise Refusal(400, "BAD_REQUEST")
        if name in self._transactions:
            raise Refusal(400, "INVALID_TRANSACTION_ID")
        if type(amount) is not int or amount < SMALLEST_AMOUNT or (most is not None and amount > most):
            raise Refusal(400, "BAD_REQUEST")
        self._transactions[name] = {
            "merchantId": MERCHANT_ID,
            "merchantTransactionId": name,
            "transactionId": transaction_id,
            "amount": amount,
            "state": "PENDING",
            "responseCode": "PAYMENT_PENDING",
            "callback_url": body["callbackUrl"],
        }
        return self._transactions[name]

    def _end(self, transaction: Item, state: str) -> None:
        transaction["state"] = state
        transaction["responseCode"] = "SUCCESS" if state == "COMPLETED" else "ZM"
        if "original" not in transaction:
            self.movements["capture"] += state == "COMPLETED"

    @staticmethod
    def _callback(transaction: Item) -> Outgoing:
        code = CODES[transaction["state"]]
        document = {"success": code == "PAYMENT_SUCCESS", "code": code, "data": shown(transaction)}
        response = base64.b64encode(json.dumps(document).encode()).decode()
        return Outgoing(
            body=json.dumps({"response": response}, separators=(",", ":")).encode(),
            headers={"Content-Type": "application/json", "X-VERIFY": checksum(response)},
            url=transaction["callback_url"],
        )


def answering(handler: Handler) -> Handler:
    """Answer what PhonePe refuses."""

    async def respond(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return answer(refusal.code, status_code=refusal.status_code)
        except (KeyError, TypeError, ValueError):
            return answer("BAD_REQUEST", status_code=400)

    return respond


async def signed_body(request: Request) -> Item:
    """The payload of a write whose checksum is right."""
    encoded = str((await request.json())["request"])
    payload = json.loads(base64.b64decode(encoded, validate=True))
    if request.headers.get("x-verify") != checksum(encoded + request.url.path.removeprefix(API)):
        raise Refusal(401, "AUTHORIZATION_FAILED")
    if not isinstance(payload, dict) or payload.get("merchantId") != MERCHANT_ID:
        raise Refusal(400, "BAD_REQUEST")
    return payload


def checksum(signed: str, salt_key: str = SALT_KEY, salt_index: int = SALT_INDEX) -> str:
    """The plain digest with the salt behind what is signed, and the salt's number."""
    return f"{hashlib.sha256((signed + salt_key).encode()).hexdigest()}###{salt_index}"


def answer(code: str, data: Mapping[str, Any] | None = None, status_code: int = 200) -> Response:
    """An answer of PhonePe."""
    document: Item = {"success": status_code == 200, "code": code, "message": f"what {code} means"}
    return JSONResponse(document if data is None else {**document, "data": dict(data)}, status_code)


def shown(transaction: Item) -> Item:
    """A transaction as PhonePe shows it: nothing in it says whether it is a refund, or of what."""
    return {key: value for key, value in transaction.items() if key not in {"original", "callback_url"}}


def main() -> None:
    """Serve a local PhonePe with its legacy API."""
    serve(LocalPhonePeV1(), "A local PhonePe with its legacy API.")


if __name__ == "__main__":
    main()
