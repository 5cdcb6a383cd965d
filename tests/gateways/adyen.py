"""A local Adyen: the part of Checkout v72 that the connector uses, with standard webhooks and those about tokens.

Modifications and payments with a token answer at once; what comes of them is called back by `/_control/settle`.
`GET /_control/results/{name}` tells what a payer's browser would bring back: the `sessionResult` of a session, by its
reference or id, and the `redirectResult` of the latest redirect of a reference.
"""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateways.adyen_callbacks import Item, body_of, event_date, sign, signed
from tests.gateways.adyen_state import MERCHANT_ACCOUNT, MODIFICATIONS, AdyenState, Page, Refusal, name
from tests.gateways.local_gateway import Handler, LocalGateway, Outgoing, serve

API_KEY, CLIENT_KEY = "AQE-local-adyen-api-key", "test_LOCALADYEN"
HMAC_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
TOKEN_HMAC_KEY = "D1A32EB5A2E7D1C0C5E9B1F3A7E2D4C6B8A0918273645566778899AABBCCDDEE"
RETURN_URL = "https://shop.example/back"
MAX_KEY_LENGTH = 64

CREDENTIALS = {
    "api_key": API_KEY,
    "merchant_account": MERCHANT_ACCOUNT,
    "client_key": CLIENT_KEY,
    "hmac_key": HMAC_KEY,
    "token_hmac_key": TOKEN_HMAC_KEY,
}

Answering = Callable[[Request, Item], Item]


@dataclass(frozen=True, slots=True)
class Kept:
    """The first answer to an idempotency key, and what it was for."""

    asked: tuple[str, str]
    status: int
    answer: Item


class LocalAdyen(LocalGateway):
    """One merchant account at Adyen."""

    def __init__(self) -> None:
        super().__init__()
        self.state = AdyenState(self.movements)
        self._kept: dict[str, Kept] = {}

    def api_routes(self) -> list[Route]:
        """Checkout v72."""
        state = self.state
        modifications = [
            self.writes(f"/v72/payments/{{psp}}/{word}", self._once(self._modify(word), HTTPStatus.CREATED))
            for word in MODIFICATIONS
        ]
        return [
            self.writes("/v72/sessions", self._once(lambda _, body: state.create_session(body), HTTPStatus.CREATED)),
            self.reads("/v72/sessions/{id}", self._plain(self._session_result)),
            self.writes("/v72/payments", self._once(lambda _, body: state.pay(body))),
            self.writes("/v72/payments/details", self._once(lambda _, body: state.complete(body))),
            *modifications,
            self.writes("/v72/paymentLinks", self._once(lambda _, body: state.create_link(body), HTTPStatus.CREATED)),
            self.writes("/v72/paymentLinks/{id}", self._once(self._update_link), "PATCH"),
            self.reads("/v72/paymentLinks/{id}", self._plain(self._link)),
            self.reads("/v72/storedPaymentMethods", self._plain(self._stored_methods)),
            Route("/_control/results/{name}", self._results, methods=["GET"]),
        ]

    def refuse(self, request: Request) -> Response | None:
        """Check the API key."""
        if hmac.compare_digest(request.headers.get("x-api-key", "").encode(), API_KEY.encode()):
            return None
        return JSONResponse(Refusal(401, "000", "HTTP Status Response - Unauthorized").body, 401)

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """Pay the session or link of a reference."""
        page = self._page(reference)
        if page.status != "active" or outcome == "cancelled":
            page.status = "canceled" if page.status == "active" else page.status
            return ()
        answer = self.state.attempt(page.request, is_refused=outcome == "failed")
        if outcome == "failed":
            return self.settle()
        page.status = "completed"
        page.payments.append({key: answer[key] for key in ("pspReference", "amount", "resultCode")})
        return [*self.settle(), *self._store(page.request, answer)]

    def settle(self) -> Sequence[Outgoing]:
        """Bring what is under way to its end."""
        items = [end() for end in self.state.under_way]
        self.state.under_way.clear()
        return [self._outgoing(item) for item in items]

    def _store(self, request: Mapping[str, Any], answer: Item) -> list[Outgoing]:
        """Keep the payer's payment method where the session asks for it; two webhooks tell of it."""
        if request.get("storePaymentMethodMode") != "enabled":
            return []
        shopper, method = str(request["shopperReference"]), name("")
        self.state.stored.setdefault(shopper, []).append(method)
        contract = {
            "eventCode": "RECURRING_CONTRACT",
            "pspReference": method,
            "originalReference": answer["pspReference"],
            "merchantAccountCode": MERCHANT_ACCOUNT,
            "merchantReference": request["reference"],
            "amount": request["amount"],
            "success": "true",
            "eventDate": event_date(datetime.now(UTC)),
        }
        data = {"merchantAccount": MERCHANT_ACCOUNT, "shopperReference": shopper, "storedPaymentMethodId": method}
        created = {"type": "recurring.token.created", "eventId": name(""), "environment": "test", "data": data}
        body = json.dumps(created).encode()
        return [self._outgoing(contract), Outgoing(body, {"HmacSignature": sign(body, TOKEN_HMAC_KEY)})]

    def _outgoing(self, item: Item) -> Outgoing:
        return Outgoing(body_of([signed(item, HMAC_KEY)]), {"Content-Type": "application/json"})

    def _once(self, answering: Answering, success: int = HTTPStatus.OK) -> Handler:
        """Answer a repeated request as the first time, and refuse its key for any other."""

        async def respond(request: Request) -> Response:
            key, content = request.headers.get("idempotency-key"), await request.body()
            asked = (request.url.path, content.decode())
            if key is not None and len(key) > MAX_KEY_LENGTH:
                return JSONResponse(Refusal(422, "14_005", "Invalid idempotency key").body, 422)
            kept = self._kept.get(key) if key is not None else None
            if kept is not None and kept.asked != asked:
                return JSONResponse(Refusal(422, "704", "request already processed or in progress").body, 422)
            if kept is None:
                status, answer = _run(lambda: answering(request, json.loads(content)), success)
                kept = Kept(asked, status, answer)
            if key is not None:
                self._kept[key] = kept
            return JSONResponse(kept.answer, kept.status)

        return respond

    def _plain(self, answering: Callable[[Request], Item]) -> Handler:
        async def respond(request: Request) -> Response:
            status, answer = _run(lambda: answering(request))
            return JSONResponse(answer, status)

        return respond

    def _modify(self, word: str) -> Answering:
        return lambda request, body: self.state.modify(request.path_params["psp"], body, word)

    def _session_result(self, request: Request) -> Item:
        return self.state.session_result(request.path_params["id"], request.query_params.get("sessionResult", ""))

    def _link(self, request: Request) -> Item:
        link = self.state.link(request.path_params["id"])
        return {**link.request, "id": link.id, "status": link.status}

    def _update_link(self, request: Request, body: Item) -> Item:
        return self.state.update_link(request.path_params["id"], body)

    def _stored_methods(self, request: Request) -> Item:
        shopper = request.query_params.get("shopperReference", "")
        if request.query_params.get("merchantAccount") != MERCHANT_ACCOUNT:
            raise Refusal(403, "901", "Invalid Merchant Account")
        methods = [
            {"id": method, "type": "scheme", "brand": "visa", "lastFour": "1111"}
            for method in self.state.stored.get(shopper, [])
        ]
        return {"shopperReference": shopper, "storedPaymentMethods": methods}

    def _page(self, reference: str) -> Page:
        pages = [*self.state.sessions.values(), *self.state.links.values()]
        return next(page for page in reversed(pages) if reference in {page.id, page.request["reference"]})

    async def _results(self, request: Request) -> Response:
        wanted = request.path_params["name"]
        sessions = [
            session for session in self.state.sessions.values() if wanted in {session.id, session.request["reference"]}
        ]
        redirects = [result for result, paid in self.state.redirects.items() if paid["reference"] == wanted]
        told = {"sessionId": sessions[-1].id, "sessionResult": sessions[-1].result} if sessions else {}
        return JSONResponse({**told, **({"redirectResult": redirects[-1]} if redirects else {})})


def _run(answering: Callable[[], Item], success: int = HTTPStatus.OK) -> tuple[int, Item]:
    try:
        return success, answering()
    except Refusal as refusal:
        return refusal.status, refusal.body


def main() -> None:
    """Serve until interrupted."""
    serve(LocalAdyen(), "A local Adyen")


if __name__ == "__main__":
    main()
