"""A local BitPay, written from its documented API.

It checks the version of every request, the token of its facade, and the signatures of the facade merchant over the
whole address and the body. Callbacks go to the address that an invoice names, signed with the token that made it.

Run it with `python -m tests.gateways.bitpay --port N`.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateways.bitpay_state import Invoices, Refused
from tests.gateways.local_gateway import Handler, LocalGateway, Outgoing, serve

POS_TOKEN = "local-bitpay-pos-token"
MERCHANT_TOKEN = "local-bitpay-merchant-token"

_KEY = ec.derive_private_key(int.from_bytes(b"a key of the local BitPay's own!", "big"), ec.SECP256K1())
_IDENTITY = _KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex()
PRIVATE_KEY = _KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


class LocalBitPay(LocalGateway):
    """One merchant's invoices and refunds."""

    def __init__(self) -> None:
        super().__init__()
        self._state = Invoices(self.movements)

    def api_routes(self) -> list[Route]:
        """BitPay's routes, the facade of each."""
        return [
            self.writes("/invoices", pos(self._create_invoice)),
            self.reads("/invoices/guid/{guid}", pos(self._find_invoice)),
            self.reads("/invoices/{id}", pos(self._get_invoice)),
            self.writes("/invoices/{id}", merchant(self._cancel_invoice), "DELETE"),
            self.writes("/refunds", merchant(self._create_refund)),
            self.reads("/refunds", merchant(self._list_refunds)),
            self.reads("/refunds/guid/{guid}", merchant(self._find_refund)),
        ]

    def refuse(self, request: Request) -> Response | None:
        """Check the version; tokens and signatures are the facades' to check, because they may lie in the body."""
        is_known = request.headers.get("x-accept-version") == "2.0.0"
        return None if is_known else error("010000", "X-Accept-Version must be 2.0.0", 400)

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer pays the invoice, or does not."""
        return [outgoing(event) for event in self._state.pay(reference, outcome)]

    def settle(self) -> Sequence[Outgoing]:
        """Payers say where to, and BitPay sends every refund."""
        return [outgoing(event) for event in self._state.settle()]

    async def _create_invoice(self, request: Request) -> Response:
        return data("pos/invoice", self._state.create(await body_of(request)))

    async def _get_invoice(self, request: Request) -> Response:
        return data("pos/invoice", self._state.get(request.path_params["id"]))

    async def _find_invoice(self, request: Request) -> Response:
        return data("pos/invoice", self._state.find_by_guid(request.path_params["guid"]))

    async def _cancel_invoice(self, request: Request) -> Response:
        return data("merchant/invoice", self._state.cancel(request.path_params["id"]))

    async def _create_refund(self, request: Request) -> Response:
        return data("merchant/refund", self._state.refund(await body_of(request)))

    async def _list_refunds(self, request: Request) -> Response:
        return data("merchant/refund", self._state.refunds_of(request.query_params["invoiceId"]))

    async def _find_refund(self, request: Request) -> Response:
        return data("merchant/refund", self._state.find_refund(request.path_params["guid"]))


def pos(handler: Handler) -> Handler:
    """A route of the facade pos: its token, and no signature."""

    async def respond(request: Request) -> Response:
        if await token_of(request) != POS_TOKEN:
            return error("010002", f"no token {await token_of(request)}", 401)
        return await answered(handler, request)

    return respond


def merchant(handler: Handler) -> Handler:
    """A route of the facade merchant: its token, and a good signature by its key."""

    async def respond(request: Request) -> Response:
        if await token_of(request) != MERCHANT_TOKEN or not await is_signed(request):
            return error("010002", f"no token {await token_of(request)}", 401)
        return await answered(handler, request)

    return respond


async def answered(handler: Handler, request: Request) -> Response:
    """The handler's answer, or its refusal."""
    try:
        return await handler(request)
    except Refused as refusal:
        return error("010100", str(refusal), refusal.status)


async def token_of(request: Request) -> str | None:
    """The token, which is in the body where there is one and in the query elsewhere."""
    return request.query_params.get("token") or (await body_of(request)).get("token")


async def body_of(request: Request) -> dict[str, Any]:
    """The request's object; prices are read as text, so that nothing is lost."""
    body: dict[str, Any] = json.loads(await request.body() or b"{}", parse_float=str, parse_int=str)
    return body


async def is_signed(request: Request) -> bool:
    """Say whether the request is signed by the account's key, over its whole address and its body."""
    headers = request.headers
    if headers.get("x-identity") != _IDENTITY:
        return False
    message = str(request.url).encode() + await request.body()
    try:
        _KEY.public_key().verify(bytes.fromhex(headers.get("x-signature", "")), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def outgoing(event: tuple[str, bytes]) -> Outgoing:
    """A callback as it is posted to the address of its invoice."""
    url, body = event
    signature = base64.b64encode(hmac.new(POS_TOKEN.encode(), body, hashlib.sha256).digest()).decode()
    return Outgoing(body=body, headers={"Content-Type": "application/json", "x-signature": signature}, url=url)


def data(facade: str, content: bytes) -> Response:
    """A success."""
    return Response(b'{"facade":"%s","data":%s}' % (facade.encode(), content), media_type="application/json")


def error(code: str, message: str, status: int) -> Response:
    """BitPay's error."""
    return JSONResponse({"status": "error", "code": code, "data": None, "message": message}, status)


if __name__ == "__main__":
    serve(LocalBitPay(), "A local BitPay.")
