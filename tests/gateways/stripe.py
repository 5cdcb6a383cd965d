"""A local Stripe that honours idempotency keys, written from Stripe's documented API.

The same key with the same parameters gives the first answer again, byte for byte; with other parameters it is an
`idempotency_error`. Under `/_control/` tests play the payer, count what moved, and choose how the next call fails:

- `silent_after`: the request has its effect and is never answered.
- `error_before`: the request is answered with 503 and has no effect.
- `delivered_twice`: the request arrives twice, as networks sometimes have it, and the second answer is sent.

Run it with `python -m tests.gateways.stripe --port N`.
"""

import argparse
import hmac
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.gateways import stripe_pages as pages
from tests.gateways.stripe_form import Params, decode_form
from tests.gateways.stripe_state import Item, Refusal, StripeState

SECRET_KEY = "sk_test_local"
FAULTS = frozenset({"silent_after", "error_before", "delivered_twice"})
HIDDEN = frozenset({"data", "test_card"})

Handler = Callable[[str, Params], Item]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept for an idempotency key: the request it was used for, and the answer."""

    path: str
    params: Params
    status: int
    body: bytes


class LocalStripe:
    """Routes requests to one account's state."""

    def __init__(self, secret_key: str) -> None:
        self._expected = f"Bearer {secret_key}"
        self._state = StripeState()
        self._kept: dict[str, Kept] = {}
        self._faults: deque[str] = deque()
        self._posts = 0

    def routes(self) -> list[Route]:
        """Stripe's routes and the controls."""
        state = self._state
        return [
            self._post("/payment_intents", lambda _, params: state.create_intent(params)),
            self._get("/payment_intents/{id}", lambda item_id, _: state.find(item_id, "payment_intent")),
            self._post("/payment_intents/{id}/confirm", state.confirm_intent),
            self._post("/payment_intents/{id}/capture", state.capture_intent),
            self._post("/payment_intents/{id}/cancel", state.cancel_intent),
            self._post("/payment_intents/{id}/increment_authorization", state.increment_intent),
            self._post("/refunds", lambda _, params: state.create_refund(params)),
            self._get("/refunds", lambda _, query: collection(state.refunds_of(str(query.get("payment_intent"))))),
            self._get("/refunds/{id}", lambda item_id, _: state.find(item_id, "refund")),
            self._post("/customers", lambda _, params: pages.create_customer(state, params)),
            self._post("/payment_methods/{id}/attach", lambda token, params: pages.attach_method(state, token, params)),
            self._post("/setup_intents", lambda _, params: pages.create_setup(state, params)),
            self._get("/setup_intents/{id}", lambda item_id, _: state.find(item_id, "setup_intent")),
            self._post("/payment_links", lambda _, params: pages.create_link(state, params)),
            self._post("/payment_links/{id}", lambda link_id, params: pages.update_link(state, link_id, params)),
            self._post("/checkout/sessions", lambda _, params: pages.create_session(state, params)),
            self._get("/checkout/sessions", lambda _, query: self._sessions(query)),
            self._get("/checkout/sessions/{id}", lambda item_id, _: state.find(item_id, "checkout.session")),
            self._post("/checkout/sessions/{id}/expire", lambda item_id, _: pages.expire_session(state, item_id)),
            self._control("/movements", lambda _, __: {**state.movements, "posts": self._posts}, "GET"),
            self._control("/faults/{id}", self._plan),
            self._control("/authenticate/{id}", lambda item_id, _: state.authenticate(item_id)),
            self._control("/confirm/{id}", lambda item_id, params: pages.confirm_setup(state, item_id, params)),
            self._control("/pay/{id}", lambda page_id, params: pages.pay(state, page_id, str(params["token"]))),
        ]

    def _plan(self, fault: str, _: Params) -> Item:
        if fault not in FAULTS:
            raise Refusal(400, f"no such fault: {fault}")
        self._faults.append(fault)
        return {"planned": list(self._faults)}

    def _sessions(self, query: Params) -> Item:
        return collection(pages.sessions_of(self._state, str(query.get("payment_link"))))

    def _get(self, path: str, handler: Handler) -> Route:
        async def respond(request: Request) -> Response:
            return self._refused(request) or answer(*self._run(handler, request, decode_form(request.url.query)))

        return Route(f"/v1{path}", respond, methods=["GET"])

    def _post(self, path: str, handler: Handler) -> Route:
        async def respond(request: Request) -> Response:
            self._posts += 1
            if refused := self._refused(request):
                return refused
            params = decode_form((await request.body()).decode())
            fault = self._faults.popleft() if self._faults else ""
            if fault == "error_before":
                return answer(503, encode({"error": {"type": "api_error", "message": "Try again."}}))
            response = self._once(handler, request, params)
            if fault == "delivered_twice":
                return self._once(handler, request, params)
            if fault == "silent_after":
                await until_disconnected(request)
            return response

        return Route(f"/v1{path}", respond, methods=["POST"])

    def _control(self, path: str, handler: Handler, method: str = "POST") -> Route:
        async def respond(request: Request) -> Response:
            return answer(*self._run(handler, request, decode_form((await request.body()).decode())))

        return Route(f"/_control{path}", respond, methods=[method])

    def _refused(self, request: Request) -> Response | None:
        if hmac.compare_digest(request.headers.get("authorization", "").encode(), self._expected.encode()):
            return None
        return answer(401, encode({"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}))

    def _once(self, handler: Handler, request: Request, params: Params) -> Response:
        key, path = request.headers.get("idempotency-key"), request.url.path
        kept = self._kept.get(key) if key is not None else None
        if kept is not None:
            if (kept.path, kept.params) != (path, params):
                message = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used with."
                )
                return answer(400, encode({"error": {"type": "idempotency_error", "message": message}}))
            return answer(kept.status, kept.body, {"idempotent-replayed": "true"})
        status, body, is_kept = self._run_and_judge(handler, request, params)
        if key is not None and is_kept:
            self._kept[key] = Kept(path, params, status, body)
        return answer(status, body)

    def _run(self, handler: Handler, request: Request, params: Params) -> tuple[int, bytes]:
        status, body, _ = self._run_and_judge(handler, request, params)
        return status, body

    def _run_and_judge(self, handler: Handler, request: Request, params: Params) -> tuple[int, bytes, bool]:
        expand = params.get("expand", [])
        plain = {name: value for name, value in params.items() if name not in {"expand", "limit", "starting_after"}}
        try:
            item = handler(str(request.path_params.get("id", "")), plain)
        except Refusal as refusal:
            return refusal.status, encode(refusal.body), refusal.is_kept
        return 200, encode(self._shown(item, expand)), True

    def _shown(self, item: Item, expand: list[str]) -> Item:
        shown = {name: value for name, value in item.items() if name not in HIDDEN}
        if item.get("object") == "list":
            shown["data"] = [self._shown(part, []) for part in item["data"]]
        if "latest_charge.balance_transaction" in expand and shown.get("latest_charge") is not None:
            shown["latest_charge"] = self._state.items[shown["latest_charge"]]
        return shown


def collection(items: list[Item]) -> Item:
    """A list as Stripe shows it, on one page."""
    return {"object": "list", "url": "/v1", "has_more": False, "data": items}


async def until_disconnected(request: Request) -> None:
    """Wait until nobody waits for the answer any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def encode(body: Any) -> bytes:  # noqa: ANN401 - anything that JSON can hold
    """Write an answer's body."""
    return json.dumps(body).encode()


def answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> Response:
    """Build an answer."""
    return Response(body, status, headers, "application/json")


def create_app(secret_key: str = SECRET_KEY) -> Starlette:
    """Build the application for one account."""
    return Starlette(routes=LocalStripe(secret_key).routes())


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A local Stripe that honours idempotency keys")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret-key", default=SECRET_KEY)
    chosen = parser.parse_args()
    uvicorn.run(create_app(chosen.secret_key), host="127.0.0.1", port=chosen.port, log_level="warning")


if __name__ == "__main__":
    main()
