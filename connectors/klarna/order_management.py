"""What is done with an order: captures, refunds, cancellations and raises, each under an idempotency key.

Klarna answers all of them without a body. A capture or refund is named in a header: a success that names none leaves
the outcome unknown.
"""

from connectors.base import GatewayAnswer, MovementRequest
from connectors.http_client import GatewayResponse
from connectors.klarna.api import KlarnaApi, klarna_amount, path_of
from connectors.klarna.errors import GATEWAY_NAME
from connectors.klarna.names import sessions_in
from connectors.klarna.orders import ORDERS, order_on_page
from connectors.klarna.purchases import MAX_REFERENCE_LENGTH, PAGES, lines_of
from connectors.klarna.status import Source
from connectors.outcomes import unreadable
from connectors.payloads import optional_identifier
from domain.errors import GatewayRejected
from domain.facts import Fact, FactKind

MAX_DESCRIPTION_LENGTH = 255

_CANCELLED = "the order is CANCELLED"
_PAGE_CLOSED = "the hosted page is DISABLED"
"""What a later look at the order or the page says as well, so that both tell the same fact."""


async def capture(api: KlarnaApi, request: MovementRequest) -> GatewayAnswer:
    """Capture the amount, which may be a part; an order can be captured several times."""
    body = {
        "captured_amount": klarna_amount(request.amount_minor, request.currency),
        "reference": request.payment_id[:MAX_REFERENCE_LENGTH],
    }
    order_id = await _order_of(api, request, "capture")
    response = await api.write(f"{path_of(ORDERS, order_id)}/captures", body, key=request.idempotency_key)
    made = _made(response, "capture-id")
    return _answer(request, _source(request, order_id).moved(FactKind.CAPTURED, made, _money(request)))


async def refund(api: KlarnaApi, request: MovementRequest) -> GatewayAnswer:
    """Refund the amount at once. The payer reads the reason."""
    body: dict[str, object] = {
        "refunded_amount": klarna_amount(request.amount_minor, request.currency),
        "reference": request.payment_id[:MAX_REFERENCE_LENGTH],
    }
    if request.reason is not None:
        body["description"] = request.reason[:MAX_DESCRIPTION_LENGTH]
    order_id = await _order_of(api, request, "refund")
    response = await api.write(f"{path_of(ORDERS, order_id)}/refunds", body, key=request.idempotency_key)
    made = _made(response, "refund-id")
    return _answer(request, _source(request, order_id).moved(FactKind.REFUNDED, made, _money(request)))


async def increment_authorization(api: KlarnaApi, request: MovementRequest) -> GatewayAnswer:
    """Raise the order to `amount_minor`, the new total, as one line. Klarna may decline the risk."""
    name, rate = f"Payment {request.payment_id}", api.credentials.tax_rate
    lines = lines_of(name, request.amount_minor, request.currency, rate)
    order_id = await _order_of(api, request, "raise")
    body = {"order_amount": lines["order_amount"], "order_lines": lines["order_lines"]}
    path = f"{path_of(ORDERS, order_id)}/authorization"
    await api.change(path, body, key=request.idempotency_key, method="PATCH")
    return _answer(request, _source(request, order_id).authorized(order_id, _money(request)))


async def void(api: KlarnaApi, request: MovementRequest) -> GatewayAnswer:
    """Cancel the order, or close its page while nobody has paid there.

    Of an order that is captured in part, the rest is released: then the payment is not cancelled, and the answer has no
    facts.
    """
    order_id = request.authorization_reference
    sessions = sessions_in(request.provider_reference)
    if order_id is None and sessions is not None:
        order_id = await order_on_page(api, sessions)
        if order_id is None:
            await api.change(path_of(PAGES, sessions.page_id), method="DELETE")
            fact = Source(account=request.account, names=(request.provider_reference,)).fact(
                FactKind.CANCELLED, request.provider_reference, reason=_PAGE_CLOSED
            )
            return _answer(request, fact)
    order_id = order_id or request.provider_reference
    order = await api.look_up(path_of(ORDERS, order_id))
    operation = "release-remaining-authorization" if order.get("captured_amount") else "cancel"
    await api.change(f"{path_of(ORDERS, order_id)}/{operation}", key=request.idempotency_key)
    if operation != "cancel":
        return _answer(request)
    return _answer(request, _source(request, order_id).fact(FactKind.CANCELLED, order_id, reason=_CANCELLED))


async def _order_of(api: KlarnaApi, request: MovementRequest, operation: str) -> str:
    """Return the order's id: the authorization's name, or what came of the page. Raises GatewayRejected without one."""
    if request.authorization_reference is not None:
        return request.authorization_reference
    sessions = sessions_in(request.provider_reference)
    if sessions is None:
        return request.provider_reference
    order_id = await order_on_page(api, sessions)
    if order_id is None:
        raise GatewayRejected(f"{GATEWAY_NAME} has no order to {operation} for {request.provider_reference}")
    return order_id


def _made(response: GatewayResponse, header: str) -> str:
    """Return the id of what was made: told in a header of its own, or at the end of its address."""
    location = response.headers.get("location", "").rstrip("/").rpartition("/")[2]
    made = optional_identifier(response.headers.get(header)) or optional_identifier(location)
    if made is None:
        raise unreadable(GATEWAY_NAME)
    return made


def _source(request: MovementRequest, order_id: str) -> Source:
    names = tuple(dict.fromkeys((request.provider_reference, order_id)))
    return Source(account=request.account, names=names, payment_id=request.payment_id)


def _money(request: MovementRequest) -> tuple[int, str]:
    return request.amount_minor, request.currency


def _answer(request: MovementRequest, *facts: Fact) -> GatewayAnswer:
    return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)
