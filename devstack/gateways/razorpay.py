"""A stand-in for Razorpay: the documented API in memory, and webhooks signed its way.

It has orders, payments, refunds, payment links, customers, registration links and recurring payments. Under
`/_control/` is what Razorpay leaves to the payer and to banks: paying an order or a link, confirming a mandate,
settling a refund.
Run it with `python -m devstack.gateways.razorpay --port N`.
"""

import argparse
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack.gateways.razorpay_entities import Entity, Refusal
from devstack.gateways.razorpay_ledger import RazorpayLedger
from devstack.gateways.razorpay_links import RazorpayLinks
from devstack.gateways.razorpay_mandates import RazorpayMandates

KEY_ID = "rzp_test_paystream"
KEY_SECRET = "stand-in-without-money"  # noqa: S105 - it opens nothing but this stand-in
ACCOUNT_ID = "acc_PaystreamLocal"

Answer = Callable[[Request, Entity], Entity]


def create_app(*, key_id: str = KEY_ID, key_secret: str = KEY_SECRET, refund_status: str = "processed") -> Starlette:
    """Build the application. `refund_status` is the state that new refunds begin in: processed or pending."""
    ledger = RazorpayLedger(refund_status)
    links, mandates = RazorpayLinks(ledger, key_secret), RazorpayMandates(ledger, key_secret)
    expected = "Basic " + base64.b64encode(f"{key_id}:{key_secret}".encode()).decode()

    def api(path: str, method: str, answer: Answer) -> Route:
        return Route(f"/v1{path}", _endpoint(answer, expected), methods=[method])

    def control(path: str, method: str, answer: Answer) -> Route:
        return Route(f"/_control{path}", _endpoint(answer, None), methods=[method])

    routes = [
        api("/orders", "POST", lambda _, body: ledger.create_order(body)),
        api("/orders/{id}", "GET", lambda request, _: ledger.order(_id(request))),
        api("/orders/{id}/payments", "GET", lambda request, _: _collection(ledger.payments_of(_id(request)), request)),
        api("/payments/{id}", "GET", lambda request, _: ledger.payment(_id(request))),
        api("/payments/{id}/capture", "POST", lambda request, body: ledger.capture(_id(request), body)),
        api("/payments/{id}/refund", "POST", lambda request, body: ledger.refund(_id(request), body, _key(request))),
        api("/payments/{id}/refunds", "GET", lambda request, _: _collection(ledger.refunds_of(_id(request)), request)),
        api("/refunds/{id}", "GET", lambda request, _: ledger.find_refund(_id(request))),
        api("/payments/create/recurring", "POST", lambda _, body: mandates.charge(body)),
        api("/payment_links", "POST", lambda _, body: links.create(body)),
        api("/payment_links", "GET", lambda request, _: {"payment_links": links.find_all(_reference(request))}),
        api("/payment_links/{id}", "GET", lambda request, _: links.find(_id(request))),
        api("/payment_links/{id}/cancel", "POST", lambda request, _: links.cancel(_id(request))),
        api("/customers", "POST", lambda _, body: mandates.create_customer(body)),
        api("/customers/{id}", "GET", lambda request, _: mandates.customer(_id(request))),
        api("/subscription_registration/auth_links", "POST", lambda _, body: mandates.register(body)),
        api("/invoices/{id}", "GET", lambda request, _: mandates.invoice(_id(request))),
        control("/ready", "GET", lambda _, __: {"ready": True}),
        control("/orders/{id}/pay", "POST", lambda request, body: ledger.pay(_id(request), body)),
        control("/payment_links/{id}/pay", "POST", lambda request, _: links.pay(_id(request))),
        control("/invoices/{id}/pay", "POST", lambda request, _: mandates.confirm(_id(request))),
        control("/refunds/{id}", "POST", lambda request, body: ledger.settle_refund(_id(request), body)),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _not_found})


def build_event(
    event: str, entities: Mapping[str, Mapping[str, Any]], *, created_at: int, account_id: str = ACCOUNT_ID
) -> bytes:
    """Write a webhook's body: `build_event("payment.captured", {"payment": entity}, created_at=…)`."""
    document = {
        "entity": "event",
        "account_id": account_id,
        "event": event,
        "contains": list(entities),
        "payload": {name: {"entity": entity} for name, entity in entities.items()},
        "created_at": created_at,
    }
    return json.dumps(document).encode()


def sign_webhook(secret: str, body: bytes, *, event_id: str | None = None) -> dict[str, str]:
    """Return the headers that Razorpay delivers a body with. Without an `event_id`, the same body has the same one."""
    return {
        "Content-Type": "application/json",
        "X-Razorpay-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "x-razorpay-event-id": event_id or "evt_" + hashlib.sha256(body).hexdigest()[:14],
    }


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A local stand-in for Razorpay's API")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--key-id", default=KEY_ID)
    parser.add_argument("--key-secret", default=KEY_SECRET)
    parser.add_argument("--refund-status", choices=("processed", "pending"), default="processed")
    chosen = parser.parse_args()
    app = create_app(key_id=chosen.key_id, key_secret=chosen.key_secret, refund_status=chosen.refund_status)
    uvicorn.run(app, host=chosen.host, port=chosen.port, log_level="warning")


def _endpoint(answer: Answer, expected: str | None) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if expected is not None and not hmac.compare_digest(given.encode(), expected.encode()):
            return _error(Refusal("Authentication failed", status_code=401))
        try:
            return JSONResponse(answer(request, await _body_of(request)))
        except Refusal as refusal:
            return _error(refusal)

    return respond


async def _body_of(request: Request) -> Entity:
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise Refusal("The request body is not JSON") from error
    if not isinstance(body, dict):
        raise Refusal("The request body is not a JSON object")
    return body


def _collection(items: list[Entity], request: Request) -> Entity:
    skip, count = (int(request.query_params.get(name, preset)) for name, preset in (("skip", "0"), ("count", "10")))
    page = items[skip : skip + count]
    return {"entity": "collection", "count": len(page), "items": page}


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _reference(request: Request) -> str:
    return request.query_params.get("reference_id", "")


def _key(request: Request) -> str | None:
    return request.headers.get("x-refund-idempotency")


def _error(refusal: Refusal) -> JSONResponse:
    error = {
        "code": "BAD_REQUEST_ERROR",
        "description": refusal.description,
        "source": "business",
        "step": "payment_initiation",
        "reason": "input_validation_failed",
        "metadata": {},
    }
    if refusal.field is not None:
        error["field"] = refusal.field
    return JSONResponse({"error": error}, status_code=refusal.status_code)


async def _not_found(request: Request, exception: Exception) -> Response:  # noqa: ARG001 - Starlette passes both
    return _error(Refusal("The requested URL was not found on the server.", status_code=404))


if __name__ == "__main__":
    main()
