"""Payments on an order: made, changed, captured and let go.

Square completes a payment only for exactly what its order is for, and the call takes neither an amount nor an
idempotency key. So before a capture both are read, and set to the amount where they differ; a payment that is captured
already is not captured again. At no time is a payment for more than its order.
"""

from connectors.base import AuthorizationRequest, GatewayAnswer, MovementRequest
from connectors.outcomes import nothing_moved_yet, reading
from connectors.payloads import Payload, part_of
from connectors.square import cards, orders
from connectors.square.api import (
    SquareApi,
    echo_of,
    id_of,
    in_path,
    read_facts,
    square_key,
    square_money,
)
from connectors.square.errors import GATEWAY_NAME
from connectors.square.status import Source, facts_of_order, facts_of_payment, money_of_payment, payment_id_of_order
from domain.errors import GatewayRejected
from domain.facts import Fact

APPROVED, COMPLETED, CANCELED, FAILED = "APPROVED", "COMPLETED", "CANCELED", "FAILED"


async def authorize(api: SquareApi, request: AuthorizationRequest) -> GatewayAnswer:
    """Pay the order with a token of the payer's client, or with a card on file; or only authorize the payment.

    Square holds the amount against the order's. Raises GatewayRejected when the request has none.
    """
    if request.amount_minor is None or request.currency is None:
        raise GatewayRejected(f"{GATEWAY_NAME} wants to be told the amount of a payment again", field="amount_minor")
    token = request.payment_method_token
    content = {
        **payment_content(api, token, request.amount_minor, request.currency, request.payment_id),
        "idempotency_key": square_key(request.idempotency_key),
        "order_id": request.provider_reference,
        "autocomplete": not request.manual_capture,
    }
    if cards.is_card(token):
        with nothing_moved_yet():
            content["customer_id"] = await cards.owner_of(api, token)
    payment = await create_payment(api, content)
    return _answer(request.provider_reference, payment, Source(request.account, payment_id=request.payment_id))


def payment_content(
    api: SquareApi, source_id: str, amount_minor: int, currency: str, payment_id: str
) -> dict[str, object]:
    """Return what every payment of ours says of itself."""
    return {
        "source_id": source_id,
        "amount_money": square_money(amount_minor, currency),
        "location_id": api.credentials.location_id,
        **echo_of(payment_id),
    }


async def create_payment(api: SquareApi, content: dict[str, object]) -> Payload:
    """Make a payment."""
    return await api.one(lambda square: square.payments.create(**content), "payment")


async def capture(api: SquareApi, request: MovementRequest) -> GatewayAnswer:
    """Capture the amount; what is left of the authorization is released."""
    with nothing_moved_yet():
        order, payment = await _read(api, request)
        source = _source(order, request.account)
        if _require_status(payment, APPROVED, COMPLETED) == COMPLETED:
            if _money_of(payment) != (request.amount_minor, request.currency):
                raise GatewayRejected(f"{id_of(payment)} is captured already, with another amount")
            return _answer(request.provider_reference, payment, source)
        payment = await _set_amounts(api, order, payment, request)
    name, token = in_path(id_of(payment)), payment.get("version_token")
    version = {} if token is None else {"version_token": token}
    payment = await api.one(lambda square: square.payments.complete(name, **version), "payment")
    return _answer(request.provider_reference, payment, source)


async def increment(api: SquareApi, request: MovementRequest) -> GatewayAnswer:
    """Raise the authorization to `amount_minor`, the new total. The card's issuer may decline."""
    with nothing_moved_yet():
        order, payment = await _read(api, request)
        source = _source(order, request.account)
        _require_status(payment, APPROVED)
        if _money_of(payment) == (request.amount_minor, request.currency):
            return _answer(request.provider_reference, payment, source)
        _check_ours(order, payment)
        _check_changeable(payment, request)
        if orders.total_of(order)[0] < request.amount_minor:
            await _set_total(api, order, request)
    payment = await _set_amount(api, payment, request)
    return _answer(request.provider_reference, payment, source)


async def void(api: SquareApi, request: MovementRequest) -> GatewayAnswer:
    """Let the authorizations on an order go, or give the order up when there are none."""
    with nothing_moved_yet():
        order = await api.order(request.provider_reference)
        payments = [await api.payment(name) for name in orders.payments_on(order)]
    source = _source(order, request.account)
    for payment in payments:
        _require_status(payment, APPROVED, CANCELED, FAILED)
    facts: tuple[Fact, ...] = ()
    for payment in payments:
        told = await _cancel(api, payment) if payment.get("status") == APPROVED else payment
        facts += read_facts([told], facts_of_payment, source)
    if all(payment.get("status") == FAILED for payment in payments):
        is_given_up = order.get("state") == CANCELED
        told = order if is_given_up else await orders.cancel_order(api, order, request.idempotency_key)
        facts += read_facts([told], facts_of_order, source)
    return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)


async def _read(api: SquareApi, request: MovementRequest) -> tuple[Payload, Payload]:
    """Return the order, and the payment on it that is authorized or captured."""
    order = await api.order(request.provider_reference)
    if request.authorization_reference is not None:
        return order, await api.payment(request.authorization_reference)
    payments = [await api.payment(name) for name in orders.payments_on(order)]
    found = next((payment for payment in payments if payment.get("status") in {APPROVED, COMPLETED}), None)
    if found is None:
        raise GatewayRejected(f"nothing is authorized on {request.provider_reference}")
    return order, found


async def _set_amounts(api: SquareApi, order: Payload, payment: Payload, request: MovementRequest) -> Payload:
    """Make order and payment be for the amount; returns the payment as it is then."""
    owed, _ = orders.total_of(order)
    is_changed = _money_of(payment) != (request.amount_minor, request.currency)
    if is_changed or owed != request.amount_minor:
        _check_ours(order, payment)
    if is_changed:
        _check_changeable(payment, request)
    if owed < request.amount_minor:
        await _set_total(api, order, request)
    if is_changed:
        payment = await _set_amount(api, payment, request)
    if owed > request.amount_minor:
        await _set_total(api, order, request)
    return payment


async def _set_total(api: SquareApi, order: Payload, request: MovementRequest) -> None:
    await orders.set_total(api, order, square_money(request.amount_minor, request.currency), request.idempotency_key)


async def _set_amount(api: SquareApi, payment: Payload, request: MovementRequest) -> Payload:
    name, token = in_path(id_of(payment)), payment.get("version_token")
    change: dict[str, object] = {"amount_money": square_money(request.amount_minor, request.currency)}
    if token is not None:
        change["version_token"] = token
    key = square_key(request.idempotency_key, "amount", str(token))
    return await api.one(lambda square: square.payments.update(name, idempotency_key=key, payment=change), "payment")


async def _cancel(api: SquareApi, payment: Payload) -> Payload:
    name = in_path(id_of(payment))
    return await api.one(lambda square: square.payments.cancel(name), "payment")


def _check_ours(order: Payload, payment: Payload) -> None:
    """Raise GatewayRejected unless order and payment are for one amount alone, which is ours to change."""
    if not orders.is_ours(order) or part_of(payment, "tip_money").get("amount"):
        text = f"{id_of(payment)} has a tip or an order that was not made here, and keeps its amount"
        raise GatewayRejected(text, field="amount_minor")


def _check_changeable(payment: Payload, request: MovementRequest) -> None:
    """Raise GatewayRejected unless the card allows the amount."""
    direction = "UP" if request.amount_minor > _money_of(payment)[0] else "DOWN"
    capabilities = payment.get("capabilities")
    if not isinstance(capabilities, list) or f"EDIT_AMOUNT_{direction}" not in capabilities:
        text = f"{GATEWAY_NAME} does not let the amount of {id_of(payment)} be changed {direction.lower()}"
        raise GatewayRejected(text, field="amount_minor")


def _require_status(payment: Payload, *statuses: str) -> str:
    status = str(payment.get("status"))
    if status not in statuses:
        raise GatewayRejected(f"{id_of(payment)} is {status[:40]}, which does not allow this")
    return status


def _money_of(payment: Payload) -> tuple[int, str]:
    with reading(GATEWAY_NAME):
        return money_of_payment(payment)


def _source(order: Payload, account: str) -> Source:
    return Source(account, payment_id=payment_id_of_order(order))


def _answer(provider_reference: str, payment: Payload, source: Source) -> GatewayAnswer:
    facts = read_facts([payment], facts_of_payment, source)
    return GatewayAnswer(provider_reference=provider_reference, facts=facts)
