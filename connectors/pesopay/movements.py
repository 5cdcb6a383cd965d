"""Captures, voids and refunds of an attempt that was paid.

AsiaPay has no idempotency keys. So an order is looked up before anything is written to it: what has been done already
is the answer.
"""

from collections.abc import Sequence

from connectors.base import GatewayAnswer, MovementRequest, StatusRequest
from connectors.outcomes import unreadable
from connectors.pesopay.answers import Record
from connectors.pesopay.api import PesoPayApi, read_facts, wire_money
from connectors.pesopay.errors import GATEWAY_NAME
from connectors.pesopay.refunds import name_refund
from connectors.pesopay.status import (
    PARTLY_REFUNDED,
    REFUND_ASKED_FOR,
    Source,
    map_status,
    order_status,
    pay_ref_of,
    read_money,
    refund_fact,
)
from domain.errors import GatewayRejected, GatewayUnavailable, MalformedPayload
from domain.facts import FactKind

_CAPTURED = frozenset({FactKind.CAPTURED, FactKind.PROCESSING})
_CANCELLED = frozenset({FactKind.CANCELLED})
_REFUNDABLE = frozenset({"accepted", "accepted_adj", "captured", PARTLY_REFUNDED})


async def capture(api: PesoPayApi, request: MovementRequest) -> GatewayAnswer:
    """Capture an authorization as a whole."""
    amount, _ = wire_money(request.amount_minor, request.currency)
    attempt = await _find(api, request, request.authorization_reference, {FactKind.AUTHORIZED, *_CAPTURED})
    if _money_of(attempt) != (request.amount_minor, request.currency):
        raise GatewayRejected(f"{_name_of(attempt)} is of another amount, and captured only as a whole")
    if _kind_of(attempt) not in _CAPTURED:
        attempt = {**attempt, **await api.act("Capture", _name_of(attempt), amount)}
    return _answer_of(attempt, request, _CAPTURED)


async def void(api: PesoPayApi, request: MovementRequest) -> GatewayAnswer:
    """Let an authorization go."""
    attempt = await _find(api, request, request.authorization_reference, {FactKind.AUTHORIZED, *_CANCELLED})
    if _kind_of(attempt) not in _CANCELLED:
        attempt = {**attempt, **await api.act("Void", _name_of(attempt))}
    return _answer_of(attempt, request, _CANCELLED)


async def refund(api: PesoPayApi, request: MovementRequest) -> GatewayAnswer:
    """Ask for a refund; it is carried out later.

    Raises GatewayRejected while another one of the same payment is under way: nobody could tell the two apart.
    """
    amount, _ = wire_money(request.amount_minor, request.currency)
    attempt = await _find(api, request, request.capture_reference, {FactKind.CAPTURED})
    status, pay_ref = order_status(attempt).lower(), _name_of(attempt)
    if status in REFUND_ASKED_FOR:
        raise GatewayRejected(f"{pay_ref} has a refund under way, which must come to its end before the next")
    if status not in _REFUNDABLE or _money_of(attempt)[1] != request.currency:
        raise GatewayRejected(f"{pay_ref} is {order_status(attempt)} and cannot be refunded")
    is_first = status != PARTLY_REFUNDED
    asked_for = name_refund(pay_ref, request.amount_minor, request.idempotency_key, is_first=is_first)
    answer = await api.act("RequestRefund", pay_ref, amount)
    # What was asked for is under way, whatever the answer calls it.
    kind = map_status("refund", order_status(answer)) or FactKind.REFUND_PENDING
    fact = refund_fact(kind, attempt, Source(request.account), asked_for)
    return GatewayAnswer(provider_reference=request.provider_reference, facts=(fact,))


async def _find(api: PesoPayApi, request: MovementRequest, pay_ref: str | None, kinds: set[FactKind]) -> Record:
    """Return the attempt of this name, or the first that is of the kinds; one that was cancelled only if all are."""
    attempts = await api.attempts_before_writing(request.provider_reference)
    suitable = [item for item in attempts if _kind_of(item) in kinds and pay_ref in (None, item.get("payref"))]
    if not suitable:
        raise GatewayRejected(f"{request.provider_reference} has no payment at {GATEWAY_NAME} for this")
    return _first(suitable)


def _first(suitable: Sequence[Record]) -> Record:
    return next((item for item in suitable if _kind_of(item) is not FactKind.CANCELLED), suitable[0])


def _answer_of(attempt: Record, request: MovementRequest, kinds: frozenset[FactKind]) -> GatewayAnswer:
    if _kind_of(attempt) not in kinds:
        raise unreadable(GATEWAY_NAME)
    status = StatusRequest(
        payment_id=request.payment_id, account=request.account, provider_reference=request.provider_reference
    )
    return GatewayAnswer(provider_reference=request.provider_reference, facts=read_facts([attempt], status))


def _kind_of(attempt: Record) -> FactKind | None:
    return map_status("payment", order_status(attempt))


def _name_of(attempt: Record) -> str:
    try:
        return pay_ref_of(attempt)
    except MalformedPayload as error:
        raise GatewayUnavailable(f"{GATEWAY_NAME} gave an attempt without a name") from error


def _money_of(attempt: Record) -> tuple[int, str]:
    try:
        return read_money(attempt)
    except MalformedPayload as error:
        raise GatewayUnavailable(f"{GATEWAY_NAME} gave an attempt whose amount cannot be read") from error
