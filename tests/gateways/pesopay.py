"""A local PesoPay, written from what AsiaPay documents of its payment page, datafeeds and order API.

Beside the controls of every local gateway there are:

- `POST /_control/reject_refunds`: refunds that were asked for are turned down.
- `POST /_control/status/{reference} {"status": …}`: what people do in AsiaPay's portal.
- `/_control/inbox`: an address for datafeeds; see `tests.gateways.inbox`.

Run it with `python -m tests.gateways.pesopay --port N`.
"""

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.gateways.inbox import Inbox
from tests.gateways.local_gateway import LocalGateway, Outgoing, serve
from tests.gateways.pesopay_state import (
    HASH_FUNCTION,
    HASH_SECRET,
    LOGIN_ID,
    MERCHANT_ID,
    PASSWORD,
    Attempt,
    PesoPayState,
    Refusal,
    datafeed_of,
)

__all__ = ["HASH_FUNCTION", "HASH_SECRET", "LOGIN_ID", "MERCHANT_ID", "PASSWORD", "LocalPesoPay"]

FORM_PATH, API_PATH = "/b2c2/eng/payment/payForm.jsp", "/b2c2/eng/merchant/api/orderApi.jsp"
HIDDEN = frozenset({"before"})


class LocalPesoPay(LocalGateway):
    """One merchant account at AsiaPay."""

    def __init__(self) -> None:
        super().__init__()
        self._state = PesoPayState()
        self.movements = self._state.movements
        self._queries = self.reads(API_PATH, self._query, "POST")
        self._actions = self.writes(API_PATH, self._act)

    def api_routes(self) -> list[Route]:
        """The payment page, the order API, and what only tests do."""
        return [
            Route(FORM_PATH, self._post_order, methods=["POST"]),
            Route(API_PATH, self._call, methods=["POST"]),
            Route("/_control/reject_refunds", self._reject_refunds, methods=["POST"]),
            Route("/_control/status/{reference}", self._set_status, methods=["POST"]),
            *Inbox().routes(),
        ]

    def refuse(self, request: Request) -> Response | None:
        """The credentials stand in the form, and are checked with it."""
        return None

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer makes an attempt, which a datafeed tells."""
        feed = datafeed_of(self._state.pay(reference, outcome))
        return [Outgoing(urlencode(feed).encode(), {"content-type": "application/x-www-form-urlencoded"})]

    def settle(self) -> Sequence[Outgoing]:
        """Refunds are carried out; no datafeed tells of them."""
        self._state.settle()
        return ()

    async def _call(self, request: Request) -> Response:
        is_query = (await _form_of(request)).get("actionType") == "Query"
        route = self._queries if is_query else self._actions
        response: Response = await route.endpoint(request)
        return response

    async def _query(self, request: Request) -> Response:
        try:
            found = self._state.query(await _form_of(request))
        except Refusal as refusal:
            return _refused(refusal)
        return Response(_records(found), media_type="text/xml")

    async def _act(self, request: Request) -> Response:
        try:
            attempt = self._state.act(await _form_of(request))
        except Refusal as refusal:
            return _refused(refusal)
        told = {"resultCode": "0", **{name: attempt[name] for name in ("orderStatus", "ref", "payRef", "amt", "cur")}}
        return PlainTextResponse(urlencode({**told, "errMsg": ""}))

    async def _post_order(self, request: Request) -> Response:
        try:
            self._state.post_order(await _form_of(request))
        except Refusal as refusal:
            return PlainTextResponse(str(refusal), 400)
        return PlainTextResponse("<html>how would you like to pay?</html>", media_type="text/html")

    async def _reject_refunds(self, _: Request) -> Response:
        self._state.reject_refunds()
        return JSONResponse({})

    async def _set_status(self, request: Request) -> Response:
        self._state.set_status(request.path_params["reference"], (await request.json())["status"])
        return JSONResponse({})


def _refused(refusal: Refusal) -> Response:
    # The status of HTTP says nothing there.
    return PlainTextResponse(urlencode({"resultCode": "-1", "orderStatus": "", "errMsg": str(refusal)}))


def _records(attempts: Sequence[Attempt]) -> bytes:
    written = "".join(
        "<record>"
        + "".join(f"<{name}>{escape(value)}</{name}>" for name, value in attempt.items() if name not in HIDDEN)
        + "</record>"
        for attempt in attempts
    )
    return f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<records>{written}</records>'.encode("latin-1")


async def _form_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


def main() -> None:
    """Serve until interrupted."""
    serve(LocalPesoPay(), "A local PesoPay")


if __name__ == "__main__":
    main()
