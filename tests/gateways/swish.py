"""A local Swish, written from the merchant integration guide.

It is reached without TLS, so it knows the merchant by the number in the request instead of a certificate. The merchant
names instructions: one that was given before is refused (RP09). A payer whose outcome is `expired` does not answer in
time, and `unknown` is what Swish says when the banks do not answer. `settle` has the banks carry out refunds;
`/_control/inbox` is an address for callbacks (see `tests.gateways.inbox`). Run it with
`python -m tests.gateways.swish --port N`.
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.http_client import encode_json
from tests.gateways.inbox import Inbox
from tests.gateways.local_gateway import Handler, LocalGateway, Outgoing, serve

Item = dict[str, Any]

MERCHANT_NUMBER = "1231181189"
PAYER_NUMBER = "46701234567"
PREFIX = "/swish-cpcapi/api"

_INSTRUCTION = re.compile("[0-9A-F]{32}")
_CALLBACK_IDENTIFIER = re.compile("[0-9A-Za-z-]{32,36}")
_REFERENCE = re.compile("[0-9A-Za-z-]{1,35}")
_MESSAGE = re.compile("[0-9A-Za-zÅÄÖåäö:;.,?!() ]{0,50}")

_ERRORS = {
    "cancelled": ("BANKIDCL", "Payer cancelled BankID signing"),
    "expired": ("TM01", "Swish timed out before the payment was started"),
    "error": ("FF10", "Bank system processing error"),
    "unknown": ("DS24", "Swish timed out waiting for an answer from the banks after payment was started"),
}


class Refusal(Exception):
    """An answer that is no success: a code of Swish's and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = [{"errorCode": code, "errorMessage": message, "additionalInformation": None}]


class LocalSwish(LocalGateway):
    """Swish, and one merchant's payment requests and refunds."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox = Inbox()
        self.payments: dict[str, Item] = {}
        self.refunds: dict[str, Item] = {}

    def refuse(self, request: Request) -> Response | None:
        """Nothing: merchants are known by their certificates, which come before HTTP."""
        return None

    def api_routes(self) -> list[Route]:
        """Swish's API."""
        payments, refunds = f"{PREFIX}/v2/paymentrequests", f"{PREFIX}/v2/refunds"
        return [
            *self.inbox.routes(),
            self.writes(f"{payments}/{{id}}", answering(self._create_payment), "PUT"),
            self.writes(f"{refunds}/{{id}}", answering(self._create_refund), "PUT"),
            self.writes(f"{PREFIX}/v1/paymentrequests/{{id}}", answering(self._cancel), "PATCH"),
            self.reads(f"{PREFIX}/v1/paymentrequests/{{id}}", answering(lambda name, _: read(self.payments, name))),
            self.reads(f"{PREFIX}/v1/refunds/{{id}}", answering(lambda name, _: read(self.refunds, name))),
        ]

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer answers in the app, or does not."""
        payment = find(self.payments, reference)
        if outcome == "paid":
            payment.update(status="PAID", paymentReference=new_reference(), datePaid=now(), payerAlias=PAYER_NUMBER)
            self.movements["capture"] += 1
        elif outcome in _ERRORS:
            code, message = _ERRORS[outcome]
            payment.update(status="ERROR", errorCode=code, errorMessage=message)
        else:
            payment.update(status="DECLINED")
        return [callback(payment)]

    def settle(self) -> Sequence[Outgoing]:
        """The banks carry out what refunds there are."""
        callbacks = []
        for refund in self.refunds.values():
            if refund["status"] in {"CREATED", "VALIDATED", "DEBITED"}:
                refund.update(status="PAID", paymentReference=new_reference(), datePaid=now())
                callbacks.append(callback(refund))
        return callbacks

    def _create_payment(self, name: str, body: Item) -> Response:
        check_instruction(name, body, self.payments)
        if body.get("payeeAlias") != MERCHANT_NUMBER:
            raise Refusal(403, "PA01", "The payeeAlias is not the merchant's")
        check_reference(body.get("payeePaymentReference"))
        self.payments[name] = {**body, "id": name, "status": "CREATED", "dateCreated": now(), **NOTHING_YET}
        return created(f"{PREFIX}/v1/paymentrequests/{name}", {"PaymentRequestToken": uuid.uuid4().hex})

    def _create_refund(self, name: str, body: Item) -> Response:
        check_instruction(name, body, self.refunds)
        if body.get("payerAlias") != MERCHANT_NUMBER:
            raise Refusal(403, "PA01", "The payerAlias is not the merchant's")
        check_reference(body.get("payerPaymentReference"))
        original = body.get("originalPaymentReference")
        payments = [payment for payment in self.payments.values() if payment["paymentReference"] == original]
        if not payments or original is None:
            raise Refusal(422, "RF02", "Original payment not found")
        same = (each for each in self.refunds.values() if each["originalPaymentReference"] == original)
        given = sum((each["amount"] for each in same if each["status"] != "ERROR"), Decimal(0))
        if given + body["amount"] > payments[0]["amount"]:
            raise Refusal(422, "RF08", "Amount value is too large")
        self.refunds[name] = {**body, "id": name, "status": "CREATED", "dateCreated": now(), **NOTHING_YET}
        self.movements["refund"] += 1
        return created(f"{PREFIX}/v1/refunds/{name}", {})

    def _cancel(self, name: str, body: object) -> Response:
        payment = find(self.payments, name)
        if body != [{"op": "replace", "path": "/status", "value": "cancelled"}]:
            raise Refusal(400, "RP11", "The operation is not known")
        if payment["status"] != "CREATED":
            raise Refusal(422, "RP07", "The payment request is not in a state that can be cancelled")
        payment.update(status="CANCELLED")
        self.movements["void"] += 1
        return shown(payment)


NOTHING_YET: Mapping[str, object] = {
    "paymentReference": None,
    "datePaid": None,
    "errorCode": None,
    "errorMessage": "",
}


def answering(operation: Callable[[str, Any], Response]) -> Handler:
    """A route with an instruction in its path."""

    async def respond(request: Request) -> Response:
        body = await request.body()
        try:
            content = json.loads(body, parse_float=Decimal) if body else None
            return operation(request.path_params["id"], content)
        except Refusal as refusal:
            return Response(json.dumps(refusal.body), refusal.status, media_type="application/json")

    return respond


def check_instruction(name: str, body: Item, known: Mapping[str, Item]) -> None:
    """Refuse an instruction that is not well-formed, or was given before."""
    amount = body.get("amount")
    if not _INSTRUCTION.fullmatch(name):
        raise Refusal(422, "FF08", "The instruction's UUID is invalid")
    if name in known:
        raise Refusal(422, "RP09", "The given instructionUUID is not available")
    if not _CALLBACK_IDENTIFIER.fullmatch(str(body.get("callbackIdentifier"))):
        raise Refusal(422, "RP10", "The callback identifier is invalid")
    if not str(body.get("callbackUrl")).startswith(("http://", "https://")):
        raise Refusal(422, "RP03", "Callback URL is missing or does not use Https")
    if body.get("currency") != "SEK":
        raise Refusal(422, "AM03", "Invalid or missing currency")
    if not isinstance(amount, Decimal) or amount <= 0 or amount != amount.quantize(Decimal("0.01")):
        raise Refusal(422, "PA02", "Amount value is missing or not a valid number")
    if not _MESSAGE.fullmatch(body.get("message", "")):
        raise Refusal(422, "FF08", "Invalid message")


def check_reference(reference: object) -> None:
    """Refuse a merchant's reference that is none."""
    if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
        raise Refusal(422, "FF08", "PaymentReference is invalid")


def callback(item: Item) -> Outgoing:
    """What Swish posts about a payment request or refund: the thing itself, and the identifier that it came with."""
    headers = {"content-type": "application/json", "callbackIdentifier": item["callbackIdentifier"]}
    return Outgoing(body=bytes(shown(item).body), headers=headers, url=item["callbackUrl"])


def find(items: Mapping[str, Item], name: str) -> Item:
    """Return a payment request or refund."""
    if name not in items:
        raise Refusal(404, "RP04", "No payment request found related to a token")
    return items[name]


def read(items: Mapping[str, Item], name: str) -> Response:
    """Answer with a payment request or refund."""
    return shown(find(items, name))


def shown(item: Item) -> Response:
    """A payment request or refund as Swish shows it."""
    visible = {key: value for key, value in item.items() if key != "callbackIdentifier"}
    return Response(encode_json(visible), media_type="application/json")


def created(location: str, headers: Mapping[str, str]) -> Response:
    """The answer to an instruction."""
    return Response(status_code=201, headers={"Location": location, **headers})


def new_reference() -> str:
    """A reference of a bank's."""
    return uuid.uuid4().hex.upper()


def now() -> str:
    """The time as Swish writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    serve(LocalSwish(), "A local Swish.")
