"""Reading a payment back: the order, Square's payments on it, and their refunds.

Square lists disputes for a whole location only, so of those its events alone tell.
"""

from connectors.base import GatewayAnswer, StatusRequest
from connectors.outcomes import reading
from connectors.payloads import Payload, optional_identifier
from connectors.square import orders
from connectors.square.api import SquareApi, id_of, in_path, read_facts
from connectors.square.errors import GATEWAY_NAME
from connectors.square.status import (
    Source,
    facts_of_order,
    facts_of_payment,
    facts_of_refund,
    money_of_payment,
    payment_id_of_order,
)


async def fetch_status(api: SquareApi, request: StatusRequest) -> GatewayAnswer:
    """Return everything Square knows of a payment, which may be named after its order or after Square's payment."""
    order = await _order(api, request.provider_reference)
    if order is not None:
        return await _read(api, order, request)
    payment = await api.payment(request.provider_reference)
    order_id = optional_identifier(payment.get("order_id"))
    if order_id is not None:
        return await _read(api, await api.order(order_id), request)
    with reading(GATEWAY_NAME):
        amount_minor, currency = money_of_payment(payment)
    facts = read_facts([payment], facts_of_payment, Source(request.account))
    return GatewayAnswer(provider_reference=id_of(payment), facts=facts, amount_minor=amount_minor, currency=currency)


async def _order(api: SquareApi, name: str) -> Payload | None:
    # This call leaves unknown names out, where the one for a single order fails as it does for many other reasons.
    found = await api.some(lambda square: square.orders.batch_get(order_ids=[name]), "orders")
    return next(iter(found), None)


async def _read(api: SquareApi, order: Payload, request: StatusRequest) -> GatewayAnswer:
    order_id, source = id_of(order), Source(request.account, payment_id=payment_id_of_order(order))
    payments = [await api.payment(name) for name in orders.payments_on(order)]
    refunds = [await _refund(api, name) for name in _refunds_of(payments, request)]
    facts = (
        *read_facts([order], facts_of_order, source),
        *read_facts(payments, facts_of_payment, source),
        *read_facts(refunds, lambda refund, origin: facts_of_refund(refund, origin, order_id), source),
    )
    return orders.answer_of_order(order, facts)


async def _refund(api: SquareApi, name: str) -> Payload:
    return await api.one(lambda square: square.refunds.get(in_path(name)), "refund")


def _refunds_of(payments: list[Payload], request: StatusRequest) -> list[str]:
    """The names of the refunds: those that the payments list, and those that are known here and not at their end."""
    lists = (payment.get("refund_ids") for payment in payments)
    names = (optional_identifier(name) for listed in lists if isinstance(listed, list) for name in listed)
    return sorted({*filter(None, names), *request.refund_references})
