"""A local PayTabs, written from the documented PT2 API.

Beside the controls of every local gateway there are:

- `POST /_control/two_minutes_later`: requests that came before are no duplicates any more.
- `POST /_control/refunds_wait`: from now on refunds are pending until they are settled.
- `POST /_control/decline_next`: the next follow-up is declined.
- `GET /_control/returned/{tran_ref}`: the form that the payer's browser brings back, signed.
- `/_control/inbox`: an address for callbacks; see `tests.gateways.inbox`.

Run it with `python -m tests.gateways.paytabs --port N`.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateways.inbox import Inbox
from tests.gateways.local_gateway import LocalGateway, Outgoing, serve
from tests.gateways.paytabs_state import PROFILE_ID, PayTabsState, Refusal, Transaction

SERVER_KEY = "SZJN2K6LRT-LOCAL0000001-AAAABBBBCC"
HIDDEN = frozenset({"callback", "is_weak"})

__all__ = ["PROFILE_ID", "SERVER_KEY", "LocalPayTabs", "sign", "sign_form"]


class LocalPayTabs(LocalGateway):
    """One profile of PayTabs."""

    def __init__(self) -> None:
        super().__init__()
        self._state = PayTabsState()
        self.movements = self._state.movements

    def api_routes(self) -> list[Route]:
        """Two addresses, and what only tests do."""
        return [
            self.writes("/payment/request", self._request),
            self.reads("/payment/query", self._query, "POST"),
            Route("/_control/two_minutes_later", self._wait, methods=["POST"]),
            Route("/_control/refunds_wait", self._let_refunds_wait, methods=["POST"]),
            Route("/_control/decline_next", self._decline_next, methods=["POST"]),
            Route("/_control/returned/{tran_ref}", self._returned, methods=["GET"]),
            *Inbox().routes(),
        ]

    def refuse(self, request: Request) -> Response | None:
        """The server key stands in the header as it is, without a scheme before it."""
        if hmac.compare_digest(request.headers.get("authorization", "").encode(), SERVER_KEY.encode()):
            return None
        body = {"code": 1, "message": "Authentication failed. Check authentication header.", "trace": "PMNT0404.1"}
        return JSONResponse(body, 401)

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer pays on the page, or does not; PayTabs calls back either way."""
        return [self._callback(self._state.pay(reference, outcome))]

    def settle(self) -> Sequence[Outgoing]:
        """Waiting refunds are carried out, and everything that followed is called back."""
        return [self._callback(transaction) for transaction in self._state.settle()]

    async def _request(self, request: Request) -> Response:
        return self._answer(self._state.request, await _body_of(request))

    async def _query(self, request: Request) -> Response:
        return self._answer(self._state.query, await _body_of(request))

    def _answer(self, carry_out: Any, body: Transaction) -> Response:  # noqa: ANN401 - two methods of the state
        try:
            return Response(encode(carry_out(body)), media_type="application/json")
        except Refusal as refusal:
            return JSONResponse(refusal.body, 401 if refusal.body["code"] == 1 else 400)

    def _callback(self, transaction: Transaction) -> Outgoing:
        body = encode({**transaction, "ipn_trace": "IPNS0001.1"})
        headers = {"content-type": "application/json", "signature": sign(body, SERVER_KEY)}
        return Outgoing(body, headers, transaction["callback"])

    async def _wait(self, _: Request) -> Response:
        self._state.two_minutes_later()
        return JSONResponse({})

    async def _let_refunds_wait(self, _: Request) -> Response:
        self._state.refunds_wait = True
        return JSONResponse({})

    async def _decline_next(self, _: Request) -> Response:
        self._state.declines_next = True
        return JSONResponse({})

    async def _returned(self, request: Request) -> Response:
        transaction = self._state.transactions[request.path_params["tran_ref"]]
        result = transaction["payment_result"]
        form = {
            "acquirerMessage": "",
            "acquirerRRN": "",
            "cartId": transaction["cart_id"],
            "customerEmail": "payer@shop.example",
            "respCode": result["response_code"],
            "respMessage": result["response_message"],
            "respStatus": result["response_status"],
            "token": "",
            "tranRef": transaction["tran_ref"],
        }
        return JSONResponse({**form, "signature": sign_form(form, SERVER_KEY)})


def sign(body: bytes, server_key: str) -> str:
    """PayTabs' signature of a callback: hex HMAC-SHA256 over the body."""
    return hmac.new(server_key.encode(), body, hashlib.sha256).hexdigest()


def sign_form(form: dict[str, str], server_key: str) -> str:
    """PayTabs' signature of a returned form: over the fields that have a value, sorted, as a query string."""
    query = "&".join(f"{quote_plus(name)}={quote_plus(form[name])}" for name in sorted(form) if form[name])
    return sign(query.encode(), server_key)


def encode(answer: Transaction | list[Transaction] | None) -> bytes:
    """An answer as JSON, without what only this stand-in knows."""
    found = answer if isinstance(answer, list) else [answer]
    told = [item and {name: value for name, value in item.items() if name not in HIDDEN} for item in found]
    return json.dumps(told if isinstance(answer, list) else told[0]).encode()


async def _body_of(request: Request) -> Transaction:
    body: Transaction = json.loads(await request.body(), parse_float=Decimal)
    return body


def main() -> None:
    """Serve until interrupted."""
    serve(LocalPayTabs(), "A local PayTabs")


if __name__ == "__main__":
    main()
