"""A local Square, written from its published API: orders, payments, refunds, cards on file, links and signed events.

Run it with `python -m tests.gateways.square --port N`. It knows the access token below, two locations and Square's
published tokens of the sandbox; see `square_state` for those that fail. What happens by API calls is posted as events
by `/_control/settle`; `/_control/pay/{order or link}` pays as a payer does by a link.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateways.local_gateway import Handler, LocalGateway, Outgoing, serve
from tests.gateways.square_state import DECLINED, GOOD, Item, Refusal, SquareState, find, now
from tests.gateways.square_vault import SquareVault

ACCESS_TOKEN = "EAAAE-local-square-token"
APPLICATION_ID = "sandbox-sq0idb-local"
MERCHANT_ID = "M1"
LOCATION_ID = "L1"
SIGNATURE_KEY = "local-square-signature-key"

MAX_KEY_LENGTHS = {"/v2/orders": 192, "/v2/online-checkout/payment-links": 192}
DEFAULT_MAX_KEY_LENGTH = 45

Act = Callable[[Request, Item], Item]


class LocalSquare(LocalGateway):
    """One seller at Square."""

    def __init__(self) -> None:
        super().__init__()
        self.state = SquareState(self.movements)
        self.vault = SquareVault(self.state)
        self._answers: dict[tuple[str, str], tuple[str, int, object]] = {}

    def api_routes(self) -> list[Route]:
        """The documented API."""
        state, vault = self.state, self.vault
        return [
            self.reads("/v2/orders/batch-retrieve", self._act(self._find_orders), "POST"),
            self.writes("/v2/orders", self._act(lambda _, body: {"order": state.create_order(body["order"])})),
            self.reads(
                "/v2/orders/{id}", self._act(lambda request, _: {"order": find(state.orders, name_in(request))})
            ),
            self.writes("/v2/orders/{id}", self._act(self._update_order), "PUT"),
            self.writes("/v2/payments", self._act(self._create_payment)),
            self.reads("/v2/payments/{id}", self._act(self._get_payment)),
            self.writes("/v2/payments/{id}", self._act(self._update_payment), "PUT"),
            self.writes("/v2/payments/{id}/complete", self._act(self._complete_payment)),
            self.writes("/v2/payments/{id}/cancel", self._act(self._cancel_payment)),
            self.writes("/v2/refunds", self._act(lambda _, body: {"refund": state.create_refund(body)})),
            self.reads("/v2/refunds/{id}", self._act(self._get_refund)),
            self.reads("/v2/customers/search", self._act(self._search_customers), "POST"),
            self.writes("/v2/customers", self._act(lambda _, body: {"customer": vault.create_customer(body)})),
            self.writes("/v2/cards", self._act(lambda _, body: {"card": vault.create_card(body)})),
            self.reads("/v2/cards", self._act(self._list_cards)),
            self.reads("/v2/cards/{id}", self._act(lambda request, _: {"card": find(vault.cards, name_in(request))})),
            self.writes("/v2/online-checkout/payment-links", self._act(self._create_link)),
            self.reads("/v2/online-checkout/payment-links/{id}", self._act(self._get_link)),
            self.writes("/v2/online-checkout/payment-links/{id}", self._act(self._delete_link), "DELETE"),
        ]

    def refuse(self, request: Request) -> Response | None:
        """Square wants the seller's token, and to be told which version of its API is meant."""
        if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
            error = {"category": "AUTHENTICATION_ERROR", "code": "UNAUTHORIZED", "detail": "This request is not yours."}
            return JSONResponse({"errors": [error]}, 401)
        if not request.headers.get("square-version"):
            error = {"category": "INVALID_REQUEST_ERROR", "code": "INVALID_SQUARE_VERSION_FORMAT"}
            return JSONResponse({"errors": [error]}, 400)
        return None

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """Pay an order by its link, or fail to, or see it given up."""
        link = self.vault.links.get(reference, {"order_id": reference, "payment_note": None})
        order = self.state.orders[link["order_id"]]
        if outcome == "cancelled":
            self.state.cancel_order(order)
            return self._take_events()
        content = {
            "source_id": GOOD if outcome == "paid" else DECLINED,
            "amount_money": order["total_money"],
            "autocomplete": True,
            "order_id": order["id"],
        }
        note = {} if link["payment_note"] is None else {"note": link["payment_note"]}
        try:
            self.state.create_payment(content | note, None)
        except Refusal:
            # The payer sees that the card was declined, the seller an event.
            return self._take_events()
        return self._take_events()

    def settle(self) -> Sequence[Outgoing]:
        """Bring what is pending to its end, and tell of everything that has happened."""
        self.state.settle()
        self.vault.settle()
        return self._take_events()

    def _act(self, act: Act) -> Handler:
        """A handler of JSON, which honours the idempotency key in the body."""

        async def handle(request: Request) -> Response:
            content = await request.body()
            body: Item = json.loads(content) if content else {}
            key = body.pop("idempotency_key", None)
            status, answer = self._answer(act, request, body) if key is None else self._once(act, request, body, key)
            return JSONResponse(answer, status)

        return handle

    def _once(self, act: Act, request: Request, body: Item, key: str) -> tuple[int, object]:
        path = request.url.path
        if not 0 < len(key) <= MAX_KEY_LENGTHS.get(path, DEFAULT_MAX_KEY_LENGTH):
            refusal = Refusal("The idempotency key is too long.", code="VALUE_TOO_LONG")
            return refusal.status, refusal.body
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        known = self._answers.get((path, key))
        if known is None:
            self._answers[path, key] = known = (digest, *self._answer(act, request, body))
        if known[0] != digest:
            refusal = Refusal("The idempotency key was used before.", code="IDEMPOTENCY_KEY_REUSED")
            return refusal.status, refusal.body
        return known[1], known[2]

    @staticmethod
    def _answer(act: Act, request: Request, body: Item) -> tuple[int, object]:
        try:
            # A snapshot, so that a repeated request is answered as it was then.
            return 200, json.loads(json.dumps(act(request, body)))
        except Refusal as refusal:
            return refusal.status, refusal.body

    def _find_orders(self, _: Request, body: Item) -> Item:
        found = [self.state.orders[name] for name in body["order_ids"] if name in self.state.orders]
        return {"orders": found} if found else {}

    def _update_order(self, request: Request, body: Item) -> Item:
        return {"order": self.state.update_order(name_in(request), body["order"])}

    def _create_payment(self, _: Request, body: Item) -> Item:
        is_card_on_file = body["source_id"].startswith("ccof:")
        card = find(self.vault.cards, body["source_id"]) if is_card_on_file else None
        if card is not None and not card["enabled"]:
            raise Refusal("The card is disabled.", code="INVALID_CARD")
        return {"payment": self.state.create_payment(body, card)}

    def _get_payment(self, request: Request, _: Item) -> Item:
        return {"payment": find(self.state.payments, name_in(request))}

    def _update_payment(self, request: Request, body: Item) -> Item:
        return {"payment": self.state.update_payment(name_in(request), body["payment"])}

    def _complete_payment(self, request: Request, body: Item) -> Item:
        return {"payment": self.state.complete_payment(name_in(request), body.get("version_token"))}

    def _cancel_payment(self, request: Request, _: Item) -> Item:
        return {"payment": self.state.cancel_payment(name_in(request))}

    def _get_refund(self, request: Request, _: Item) -> Item:
        return {"refund": find(self.state.refunds, name_in(request))}

    def _search_customers(self, _: Request, body: Item) -> Item:
        found = self.vault.search_customers(body["query"])
        return {"customers": found} if found else {}

    def _list_cards(self, request: Request, _: Item) -> Item:
        return {"cards": self.vault.cards_of(request.query_params["customer_id"])}

    def _create_link(self, _: Request, body: Item) -> Item:
        return {"payment_link": self.vault.create_link(body)}

    def _get_link(self, request: Request, _: Item) -> Item:
        return {"payment_link": find(self.vault.links, name_in(request))}

    def _delete_link(self, request: Request, _: Item) -> Item:
        return self.vault.delete_link(name_in(request))

    def _take_events(self) -> list[Outgoing]:
        events, self.state.events[:] = list(self.state.events), []
        return [self._signed(*event) for event in events] if self.callback_url else []

    def _signed(self, event_type: str, name: str, item: Item) -> Outgoing:
        event = {
            "merchant_id": MERCHANT_ID,
            "location_id": item["location_id"],
            "type": event_type,
            "event_id": secrets.token_hex(16),
            "created_at": now(),
            "data": {"type": name, "id": item.get("id") or item["order_id"], "object": {name: item}},
        }
        body = json.dumps(event).encode()
        signature = sign(body, SIGNATURE_KEY, self.callback_url)
        return Outgoing(body, {"content-type": "application/json", "x-square-hmacsha256-signature": signature})


def sign(body: bytes, key: str, url: str) -> str:
    """Square's scheme: base64 of HMAC-SHA256 over the subscription's URL and the body."""
    return base64.b64encode(hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()).decode()


def name_in(request: Request) -> str:
    """The id in a path."""
    return str(request.path_params["id"])


if __name__ == "__main__":
    serve(LocalSquare(), __doc__ or "")
