"""Captures, voids and refunds: transactions that follow a payment, in the payment's own cart.

PayTabs has no idempotency keys. So a cart is looked up before anything is written to it: a transaction that bears the
command's mark was made by the same command before, and is the answer.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from connectors.base import GatewayAnswer, MovementRequest
from connectors.outcomes import nothing_moved_yet, unreadable
from connectors.payloads import Payload, optional_identifier
from connectors.paytabs.api import PayTabsApi, paytabs_amount, read_facts, refuse_declined, was_duplicate
from connectors.paytabs.carts import describe, is_marked
from connectors.paytabs.errors import GATEWAY_NAME
from connectors.paytabs.status import (
    FOLLOW_UPS,
    kind_of,
    read_money,
    type_of,
)
from domain.errors import GatewayRejected, GatewayUnavailable, MalformedPayload
from domain.facts import FactKind

_GIVEN_BACK = frozenset({FactKind.REFUNDED, FactKind.REFUND_PENDING})

Target = tuple[str, Decimal]
"""The transaction to follow, and the amount to write."""


async def capture(api: PayTabsApi, request: MovementRequest) -> GatewayAnswer:
    """Capture a part of the authorization, or all of it."""

    def target(known: Sequence[Payload]) -> Target:
        amount = paytabs_amount(request.amount_minor, request.currency)
        return request.authorization_reference or _name_of(_authorization(known, request)), amount

    return await _follow_up(api, request, "capture", target)


async def void(api: PayTabsApi, request: MovementRequest) -> GatewayAnswer:
    """Let the authorization go, as a whole."""

    def target(known: Sequence[Payload]) -> Target:
        authorization = _authorization(known, request)
        return _name_of(authorization), paytabs_amount(*_money_of(authorization))

    return await _follow_up(api, request, "void", target)


async def refund(api: PayTabsApi, request: MovementRequest) -> GatewayAnswer:
    """Refund the amount of a sale or capture; where there are several, of one that has as much left."""

    def target(known: Sequence[Payload]) -> Target:
        amount = paytabs_amount(request.amount_minor, request.currency)
        return request.capture_reference or _refundable(known, request), amount

    return await _follow_up(api, request, "refund", target)


async def _follow_up(
    api: PayTabsApi, request: MovementRequest, tran_type: str, target: Callable[[Sequence[Payload]], Target]
) -> GatewayAnswer:
    with nothing_moved_yet():
        known = await api.named(request.provider_reference)
    made_before = _made_before(known, request, tran_type)
    if made_before is not None:
        return _answer_of(made_before, request)
    tran_ref, amount = target(known)
    cart_id = optional_identifier(known[0].get("cart_id")) if known else None
    fields: dict[str, object] = {
        "tran_type": tran_type,
        "tran_class": "ecom",
        "tran_ref": tran_ref,
        "cart_id": cart_id or request.provider_reference,
        "cart_description": describe(request.idempotency_key, request.reason),
        "cart_currency": request.currency,
        "cart_amount": amount,
    }
    if api.credentials.callback_url is not None:
        fields["callback"] = api.credentials.callback_url
    try:
        transaction = await api.request(fields)
    except GatewayUnavailable as error:
        if not was_duplicate(error):
            raise
        # Either this command's earlier request, which the first look-up was too early for, or another command's.
        same = _made_before(await api.cart_before_writing(str(fields["cart_id"])), request, tran_type)
        if same is None:
            raise
        transaction = same
    return _answer_of(transaction, request)


def _answer_of(transaction: Payload, request: MovementRequest) -> GatewayAnswer:
    refuse_declined(transaction)
    facts = read_facts([transaction], request.account)
    if not facts or type_of(transaction) not in FOLLOW_UPS:
        raise unreadable(GATEWAY_NAME)
    return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)


def _made_before(known: Sequence[Payload], request: MovementRequest, tran_type: str) -> Payload | None:
    same = (item for item in known if type_of(item) == tran_type and is_marked(item, request.idempotency_key))
    return next(same, None)


def _authorization(known: Sequence[Payload], request: MovementRequest) -> Payload:
    wanted = request.authorization_reference
    for item in known:
        if kind_of(item) is FactKind.AUTHORIZED and wanted in (None, item.get("tran_ref")):
            return item
    raise GatewayRejected(f"{request.provider_reference} has no authorization at {GATEWAY_NAME}")


def _refundable(known: Sequence[Payload], request: MovementRequest) -> str:
    for item in known:
        if kind_of(item) is FactKind.CAPTURED:
            name = _name_of(item)
            given_back = (
                _money_of(other)[0]
                for other in known
                if kind_of(other) in _GIVEN_BACK and other.get("previous_tran_ref") == name
            )
            if _money_of(item)[0] - sum(given_back) >= request.amount_minor:
                return name
    raise GatewayRejected(f"{request.provider_reference} has no capture with as much left to refund")


def _name_of(transaction: Payload) -> str:
    name = optional_identifier(transaction.get("tran_ref"))
    if name is None:
        raise GatewayUnavailable(f"{GATEWAY_NAME} gave a transaction without a name")
    return name


def _money_of(transaction: Payload) -> tuple[int, str]:
    try:
        return read_money(transaction)
    except MalformedPayload as error:
        raise GatewayUnavailable(f"{GATEWAY_NAME} gave a transaction whose amount cannot be read") from error
