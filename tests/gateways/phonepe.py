"""A local PhonePe, version 2 of its API, written from the documented one.

Beside the usual controls there are some about access tokens: `POST /_control/tokens/revoke` makes every token unusable,
`POST /_control/tokens/lifetime/{seconds}` sets how long new ones last, and `GET /_control/tokens` counts them.
Run it with `python -m tests.gateways.phonepe --port N`.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from itertools import count
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateways.local_gateway import Handler, LocalGateway, Outgoing, serve
from tests.gateways.phonepe_state import Item, PhonePeState, Refusal, bad_request

CLIENT_ID = "SU2511200000000000000001"
CLIENT_SECRET = "local-client-secret"
CLIENT_VERSION = 1
WEBHOOK_USERNAME = "merchant_user"
WEBHOOK_PASSWORD = "Passw0rd1"

API = "/apis/pg-sandbox"
TOKEN_SECONDS = 1_200
CHECKOUT, SUBSCRIPTIONS = frozenset({"page", "sdk"}), frozenset({"setup", "charge"})
HIDDEN = frozenset({"kind", "order"})

Answer = Callable[[Request, Item], Item]


class LocalPhonePe(LocalGateway):
    """Routes requests to one merchant's state."""

    def __init__(self) -> None:
        super().__init__()
        self.state = PhonePeState()
        self.movements = self.state.movements
        self._tokens: dict[str, float] = {}
        self._token_numbers = count(1)
        self._token_seconds = TOKEN_SECONDS

    def api_routes(self) -> list[Route]:
        """PhonePe's routes, and the controls of tokens."""
        state = self.state
        return [
            Route(f"{API}/v1/oauth/token", self._issue_token, methods=["POST"]),
            self._post("/checkout/v2/pay", self._pay_page),
            self._post("/checkout/v2/sdk/order", self._sdk_order),
            self._get("/checkout/v2/order/{name}/status", lambda request, _: self._order(request, CHECKOUT)),
            self._post("/payments/v2/refund", lambda _, body: told(state.refund(body), "refundId", "amount", "state")),
            self._get("/payments/v2/refund/{name}/status", self._refund),
            self._post("/subscriptions/v2/setup", self._setup),
            self._post("/subscriptions/v2/notify", lambda _, body: told(state.notify(body), *ORDER_TOLD)),
            self._get("/subscriptions/v2/order/{name}/status", lambda request, _: self._order(request, SUBSCRIPTIONS)),
            self._get("/subscriptions/v2/{name}/status", lambda request, _: shown(state.mandate(name_in(request)))),
            Route("/_control/tokens/revoke", self._revoke, methods=["POST"]),
            Route("/_control/tokens/lifetime/{seconds:int}", self._set_lifetime, methods=["POST"]),
            Route("/_control/tokens", self._count_tokens, methods=["GET"]),
        ]

    def refuse(self, request: Request) -> Response | None:
        """Refuse a request without a token that was issued and has not expired."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "O-Bearer" and self._tokens.get(token, 0.0) > time.time():
            return None
        return failure(401, "AUTHORIZATION_FAILED", "the token is not valid")

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer pays an order, or confirms a mandate that the merchant knows by this name."""
        state = self.state
        mandate = state.mandates.get(reference)
        order = state.orders[reference if mandate is None else mandate["order"]]
        if outcome == "paid":
            state.attempt(order, "COMPLETED")
        elif outcome == "failed":
            state.attempt(order, "FAILED")
            state.fail(order)
        else:
            state.fail(order)
        end = "completed" if outcome == "paid" else "failed"
        if mandate is not None:
            mandate["state"] = "ACTIVE" if outcome == "paid" else "FAILED"
            return [callback(f"subscription.setup.order.{end}", order)]
        return [callback(f"checkout.order.{end}", order)]

    def settle(self) -> Sequence[Outgoing]:
        """Carry out the refunds that were accepted and the debits that were announced."""
        callbacks = []
        for refund in self.state.refunds.values():
            if refund["state"] == "PENDING":
                refund["state"] = "COMPLETED"
                callbacks.append(callback("pg.refund.completed", refund))
        for order in self.state.orders.values():
            if order["state"] == "NOTIFICATION_IN_PROGRESS":
                self.state.attempt(order, "COMPLETED")
                callbacks.append(callback("subscription.redemption.order.completed", order))
        return callbacks

    def _pay_page(self, request: Request, body: Item) -> Item:
        flow = body.get("paymentFlow", {})
        if flow.get("type") != "PG_CHECKOUT" or not flow.get("merchantUrls", {}).get("redirectUrl"):
            raise bad_request("a page has an address to go back to")
        order = self.state.create_order(body, "page")
        page = f"{str(request.base_url).rstrip('/')}/transact/{order['orderId']}"
        return {**told(order, *ORDER_TOLD), "redirectUrl": page}

    def _sdk_order(self, _: Request, body: Item) -> Item:
        order = self.state.create_order(body, "sdk")
        return {**told(order, *ORDER_TOLD), "token": f"order-token-of-{order['orderId']}"}

    def _order(self, request: Request, kinds: frozenset[str]) -> Item:
        order = self.state.order(name_in(request), kinds)
        if request.query_params.get("details") == "true":
            return shown(order)
        return {**shown(order), "paymentDetails": order["paymentDetails"][-1:]}

    def _refund(self, request: Request, _: Item) -> Item:
        refund = self.state.refunds.get(name_in(request))
        if refund is None:
            raise Refusal(404, "REFUND_NOT_FOUND", "no such refund")
        return {key: value for key, value in refund.items() if key != "merchantRefundId"}

    def _setup(self, _: Request, body: Item) -> Item:
        order = self.state.set_up_mandate(body)
        mode = body["paymentFlow"]["paymentMode"]
        if mode["type"] == "UPI_INTENT":
            return {**told(order, *ORDER_TOLD), "intentUrl": f"upi://mandate?tr={order['orderId']}&am=2.00&cu=INR"}
        if "@" not in mode["details"]["vpa"]:
            raise bad_request("this is no UPI address")
        return told(order, *ORDER_TOLD)

    def _post(self, path: str, answer: Answer) -> Route:
        return self.writes(API + path, _handler(answer))

    def _get(self, path: str, answer: Answer) -> Route:
        return self.reads(API + path, _handler(answer))

    async def _issue_token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        expected = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "client_version": str(CLIENT_VERSION),
            "grant_type": "client_credentials",
        }
        if form != expected:
            return failure(401, "UNAUTHORIZED", f"client {form.get('client_id')} is not known")
        issued_at = int(time.time())
        token = f"token-{next(self._token_numbers)}"
        self._tokens[token] = issued_at + self._token_seconds
        times = {"issued_at": issued_at, "expires_at": issued_at + self._token_seconds}
        return JSONResponse({"access_token": token, "token_type": "O-Bearer", "expires_in": None, **times})

    async def _revoke(self, _: Request) -> Response:
        self._tokens = dict.fromkeys(self._tokens, 0.0)
        return JSONResponse({})

    async def _set_lifetime(self, request: Request) -> Response:
        self._token_seconds = request.path_params["seconds"]
        return JSONResponse({})

    async def _count_tokens(self, _: Request) -> Response:
        return JSONResponse({"issued": len(self._tokens)})


ORDER_TOLD = ("orderId", "state", "expireAt")


def _handler(answer: Answer) -> Handler:
    async def respond(request: Request) -> Response:
        try:
            body = await request.json() if request.method == "POST" else {}
            return JSONResponse(answer(request, body))
        except Refusal as refusal:
            return failure(refusal.status_code, refusal.code, refusal.message)
        except (KeyError, TypeError, ValueError):
            return failure(400, "BAD_REQUEST", "the request lacks something")

    return respond


def callback(event: str, item: Item) -> Outgoing:
    """A callback as the webhook with the authentication type SHA gets it."""
    document = {"event": event, "type": event.replace(".", "_").upper(), "payload": shown(item)}
    return Outgoing(
        body=json.dumps(document, separators=(",", ":")).encode(),
        headers={"Content-Type": "application/json", "Authorization": authorization()},
    )


def authorization(username: str = WEBHOOK_USERNAME, password: str = WEBHOOK_PASSWORD) -> str:
    """The constant that every callback carries."""
    return hashlib.sha256(f"{username}:{password}".encode()).hexdigest()


def failure(status_code: int, code: str, message: str) -> Response:
    """PhonePe's error."""
    return JSONResponse({"success": False, "code": code, "message": message, "data": {}}, status_code)


def told(item: Item, *names: str) -> Item:
    """Some of an item's fields."""
    return {name: item[name] for name in names}


def shown(item: Item) -> Item:
    """An item as PhonePe shows it."""
    return {name: value for name, value in item.items() if name not in HIDDEN}


def name_in(request: Request) -> str:
    """The name in a request's path."""
    return str(request.path_params["name"])


def main() -> None:
    """Serve a local PhonePe."""
    serve(LocalPhonePe(), "A local PhonePe, version 2 of its API.")


if __name__ == "__main__":
    main()
