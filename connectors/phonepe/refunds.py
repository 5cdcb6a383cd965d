"""PhonePe's refunds: named by us after the command that asks for one, and read back by that name.

PhonePe lists no refunds of an order. What can be read is what is named: refunds known here and not at their end, those
that callbacks hinted at, and those that a command of unknown outcome may have made.
"""

from collections.abc import Iterable

from connectors.base import GatewayAnswer, MovementRequest, StatusRequest
from connectors.outcomes import reading
from connectors.payloads import Payload
from connectors.phonepe.api import PhonePeApi
from connectors.phonepe.errors import GATEWAY_NAME
from connectors.phonepe.names import is_name, refund_name
from connectors.phonepe.orders import wire_rupees
from connectors.phonepe.status import Source, facts_of_refund, read_money
from domain.errors import GatewayRejected
from domain.facts import Fact

REFUND_PATH = "/payments/v2/refund"


async def refund(api: PhonePeApi, request: MovementRequest) -> GatewayAnswer:
    """Refund an amount of an order; PhonePe accepts it first and carries it out later.

    A refund that was accepted before under the same name is returned as it stands.
    """
    name, order = refund_name(request.idempotency_key), request.provider_reference
    body = {
        "merchantRefundId": name,
        "originalMerchantOrderId": order,
        "amount": wire_rupees(request.amount_minor, request.currency),
    }
    try:
        refund = await api.write(REFUND_PATH, body)
    except GatewayRejected as refusal:
        refund = await api.find_made_before(refusal, _status_path(name))
        if not _is_of(refund, order) or refund.get("amount") != body["amount"]:
            raise
    facts = _facts_of({**refund, "merchantRefundId": name, "originalMerchantOrderId": order}, request.account)
    return GatewayAnswer(provider_reference=order, facts=facts)


async def read_refunds(api: PhonePeApi, request: StatusRequest) -> list[Fact]:
    """Return what PhonePe knows of the refunds that the request names.

    A name that PhonePe does not know, or knows for a refund of another order, says nothing: hints may name anything.
    """
    facts: list[Fact] = []
    order = request.provider_reference
    for name in _names(request):
        refund = await api.find(_status_path(name))
        if refund is not None and _is_of(refund, order):
            facts += _facts_of({**refund, "merchantRefundId": name}, request.account)
    return facts


def _names(request: StatusRequest) -> Iterable[str]:
    asked_for_here = (refund_name(key) for key in request.open_keys)
    return dict.fromkeys(name for name in (*request.refund_references, *asked_for_here) if is_name(name))


def _status_path(name: str) -> str:
    return f"{REFUND_PATH}/{name}/status"


def _is_of(refund: Payload, order: str) -> bool:
    return refund.get("originalMerchantOrderId") == order


def _facts_of(refund: Payload, account: str) -> tuple[Fact, ...]:
    with reading(GATEWAY_NAME):
        # A refund without a known state has no facts, and must be readable all the same.
        read_money(refund)
        return tuple(facts_of_refund(refund, Source(account)))
