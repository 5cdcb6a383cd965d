"""A local Klarna, written from the documentation of Klarna Payments, the hosted page and order management.

Order management honours idempotency keys as documented: whatever the second request says, it gets the first answer.
Beside the controls that every local gateway has:

- `POST /_control/authorize/{session_id}`: a payer authorizes a payment session in the widget.
- `GET /_control/pages/{session_id}/urls`: the addresses that a page was made with.
- `DELETE /_control/pages`: all pages pass their time.
- `/_control/inbox`: an address for callbacks; see `tests.gateways.inbox`.

A payer whose outcome is `pending` pays an order that Klarna still has to look at; `settle` accepts it. Run it with
`python -m tests.gateways.klarna --port N`.
"""

import base64
import json
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateways.inbox import Inbox
from tests.gateways.klarna_state import Item, KlarnaState, Refusal, find, new_id, now, shown
from tests.gateways.local_gateway import Handler, LocalGateway, Outgoing, serve

USERNAME, PASSWORD = "PK_local", "klarna-local-api-key"
COUNTRY, LOCALE = "SE", "sv-SE"

ORDERS = "/ordermanagement/v1/orders/{id}"
IDEMPOTENCY_HEADER = "klarna-idempotency-key"
JSON_HEADERS = {"content-type": "application/json"}

_PAGE_STATUS = {"paid": "COMPLETED", "pending": "COMPLETED", "failed": "FAILED", "cancelled": "CANCELLED"}


class LocalKlarna(LocalGateway):
    """One Klarna account."""

    def __init__(self) -> None:
        super().__init__()
        self.state = KlarnaState("")
        self.movements = self.state.movements
        self.inbox = Inbox()
        self._answers: dict[str, Response] = {}
        self._credentials = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()

    def refuse(self, request: Request) -> Response | None:
        """Basic authentication."""
        # Klarna is told the address of a session of its own, by whatever name it was reached.
        self.state.origin = str(request.base_url).rstrip("/")
        if request.headers.get("authorization") == f"Basic {self._credentials}":
            return None
        return JSONResponse({"error_code": "UNAUTHORIZED", "error_messages": ["Unauthorized"]}, 401)

    def api_routes(self) -> list[Route]:
        """Klarna's API."""
        state = self.state
        return [
            *self.inbox.routes(),
            self.writes("/payments/v1/sessions", made(lambda _, body: state.create_session(body))),
            self.reads("/payments/v1/sessions/{id}", made(lambda item_id, _: find(state.sessions, item_id))),
            self.writes("/payments/v1/authorizations/{id}/order", made(state.place_authorized)),
            self.writes("/payments/v1/authorizations/{id}/customer-token", made(state.create_customer_token)),
            self.writes("/hpp/v1/sessions", made(lambda _, body: state.create_page(body), 201)),
            self.reads("/hpp/v1/sessions/{id}", made(lambda item_id, _: self._page(item_id))),
            self.writes("/hpp/v1/sessions/{id}", made(lambda item_id, _: state.disable_page(item_id), 204), "DELETE"),
            self._once("/customer-token/v1/tokens/{id}/order", made(state.charge_customer_token)),
            self.reads(ORDERS, made(lambda item_id, _: shown(find(state.orders, item_id)))),
            self._once(f"{ORDERS}/acknowledge", made(lambda item_id, _: self._acknowledge(item_id), 204)),
            self._once(f"{ORDERS}/captures", named(state.capture, "Capture-Id", "captures")),
            self._once(f"{ORDERS}/refunds", named(state.refund, "Refund-Id", "refunds")),
            self._once(f"{ORDERS}/cancel", made(lambda item_id, _: state.cancel(item_id), 204)),
            self._once(
                f"{ORDERS}/release-remaining-authorization", made(lambda item_id, _: state.release(item_id), 204)
            ),
            self._once(f"{ORDERS}/authorization", made(state.raise_order, 204), "PATCH"),
            Route("/_control/authorize/{id}", made(lambda item_id, _: self._authorize(item_id)), methods=["POST"]),
            Route("/_control/pages/{id}/urls", made(lambda item_id, _: find(state.pages, item_id)["hidden"]["urls"])),
            Route("/_control/pages", made(lambda _, __: state.pages.clear(), 204), methods=["DELETE"]),
        ]

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer comes to the hosted page that the merchant's name for the payment begins with."""
        page = find(self.state.pages, reference.partition("~")[0])
        hidden = page["hidden"]
        page.update(status=_PAGE_STATUS[outcome], updated_at=now())
        session = self.state.sessions[hidden["session"]]
        callbacks = []
        if page["status"] == "COMPLETED":
            session["status"] = "complete"
            order = self.state.place(
                session,
                is_captured=hidden["options"]["place_order_mode"] == "CAPTURE_ORDER" and outcome == "paid",
                fraud_status="PENDING" if outcome == "pending" else "ACCEPTED",
            )
            order["notification"] = session["merchant_urls"]["notification"]
            page["order_id"] = order["order_id"]
            callbacks.append(Outgoing(body=b"", url=for_order(session["merchant_urls"]["push"], order["order_id"])))
        event = {"event_id": new_id(), "session": self._page(page["session_id"])}
        url = hidden["urls"]["status_update"].replace("{{session_id}}", page["session_id"])
        return [Outgoing(body=json.dumps(event).encode(), headers=JSON_HEADERS, url=url), *callbacks]

    def settle(self) -> Sequence[Outgoing]:
        """Klarna has looked at the orders that were pending, and accepts them."""
        callbacks = []
        for order in self.state.orders.values():
            if order["fraud_status"] == "PENDING":
                order["fraud_status"] = "ACCEPTED"
                body = {"order_id": order["order_id"], "event_type": "FRAUD_RISK_ACCEPTED"}
                url = for_order(order["notification"], order["order_id"])
                callbacks.append(Outgoing(body=json.dumps(body).encode(), headers=JSON_HEADERS, url=url))
        return callbacks

    def _page(self, page_id: str) -> Item:
        return {key: value for key, value in find(self.state.pages, page_id).items() if key != "hidden"}

    def _authorize(self, session_id: str) -> Item:
        return {"authorization_token": self.state.authorize(session_id)}

    def _acknowledge(self, order_id: str) -> None:
        find(self.state.orders, order_id)
        self.movements["acknowledgement"] += 1

    def _once(self, path: str, handler: Handler, method: str = "POST") -> Route:
        """A writing route that gives the first answer again to a key that it knows."""

        async def respond(request: Request) -> Response:
            key = request.headers.get(IDEMPOTENCY_HEADER)
            if key is None:
                return await handler(request)
            known = self._answers.get(key)
            if known is None:
                known = await handler(request)
                self._answers[key] = known
            return known

        return self.writes(path, respond, method)


def made(operation: Callable[[str, Item], object], status: int = 200) -> Handler:
    """A route that answers with JSON, or with nothing where the operation returns nothing."""

    async def respond(request: Request) -> Response:
        body = await request.body()
        try:
            answer = operation(request.path_params.get("id", ""), json.loads(body) if body else {})
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)
        return Response(status_code=status) if answer is None else JSONResponse(answer, status)

    return respond


def named(operation: Callable[[str, Item], str], header: str, collection: str) -> Handler:
    """A route that names what it made in a header and answers without a body."""

    async def respond(request: Request) -> Response:
        order_id = request.path_params["id"]
        try:
            item_id = operation(order_id, await request.json())
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)
        location = f"{request.base_url}ordermanagement/v1/orders/{order_id}/{collection}/{item_id}"
        return Response(status_code=201, headers={header: item_id, "Location": location})

    return respond


def for_order(url: str, order_id: str) -> str:
    """A merchant's address with the order's id in its place."""
    return url.replace("{order.id}", order_id)


if __name__ == "__main__":
    serve(LocalKlarna(), "A local Klarna.")
