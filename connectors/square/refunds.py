"""Refunds of a captured payment. Square carries most of them out later, and says so by an event."""

from connectors.base import GatewayAnswer, MovementRequest
from connectors.outcomes import nothing_moved_yet, reading
from connectors.payloads import Payload
from connectors.square import orders
from connectors.square.api import SquareApi, id_of, read_facts, square_key, square_money
from connectors.square.errors import GATEWAY_NAME
from connectors.square.status import Source, facts_of_refund, money_of_payment, read_money
from domain.errors import GatewayRejected

MAX_REASON_LENGTH = 192


async def refund(api: SquareApi, request: MovementRequest) -> GatewayAnswer:
    """Refund the amount of the order's captured payment."""
    content: dict[str, object] = {
        "idempotency_key": square_key(request.idempotency_key),
        "amount_money": square_money(request.amount_minor, request.currency),
    }
    if request.reason is not None:
        content["reason"] = request.reason[:MAX_REASON_LENGTH]
    with nothing_moved_yet():
        content["payment_id"] = request.capture_reference or await _payment_with_enough_left(api, request)
    told = await api.one(lambda square: square.refunds.refund_payment(**content), "refund")
    source = Source(request.account, payment_id=request.payment_id)
    facts = read_facts([told], lambda item, origin: facts_of_refund(item, origin, request.provider_reference), source)
    return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)


async def _payment_with_enough_left(api: SquareApi, request: MovementRequest) -> str:
    order = await api.order(request.provider_reference)
    for name in orders.payments_on(order):
        payment = await api.payment(name)
        if payment.get("status") == "COMPLETED" and _left_of(payment) >= request.amount_minor:
            return id_of(payment)
    raise GatewayRejected(f"no payment on {request.provider_reference} has as much left to refund")


def _left_of(payment: Payload) -> int:
    refunded = payment.get("refunded_money")
    with reading(GATEWAY_NAME):
        return money_of_payment(payment)[0] - (0 if refunded is None else read_money(refunded)[0])
