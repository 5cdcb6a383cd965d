"""What moves on a PayPal order after it was completed: captures of its authorization, voids and refunds."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from connectors.base import GatewayAnswer, MovementRequest
from connectors.outcomes import reading
from connectors.payloads import Payload, as_objects
from connectors.paypal.amounts import read_money, write_money
from connectors.paypal.api import PayPalApi, id_of, path_to, request_id
from connectors.paypal.errors import GATEWAY_NAME, payload_of
from connectors.paypal.orders import ORDERS
from connectors.paypal.status import (
    Source,
    facts_of_authorization,
    facts_of_capture,
    facts_of_refund,
    failure_in,
    parent_of,
    payments_in,
)
from domain.errors import GatewayDeclined, GatewayRejected, MalformedPayload
from domain.facts import Fact

AUTHORIZATIONS, CAPTURES = "/v2/payments/authorizations", "/v2/payments/captures"
MAX_CUSTOM_ID_LENGTH = 127
MAX_NOTE_LENGTH = 255

_OPEN = frozenset({"CREATED", "PARTIALLY_CAPTURED", "PENDING"})
_STANDING = frozenset({"COMPLETED", "PARTIALLY_REFUNDED"})
_GONE_BACK = frozenset({"COMPLETED", "PENDING"})


async def capture(api: PayPalApi, request: MovementRequest) -> GatewayAnswer:
    """Capture a part of the order's authorization or all of it; what is left can be captured later.

    Raises GatewayDeclined when the payer's side does not pay, GatewayRejected when there is nothing to capture.
    """
    money = write_money(request.amount_minor, request.currency)
    authorization = await _authorization(api, request)
    try:
        is_final = read_money(authorization.get("amount")) == (request.amount_minor, request.currency)
    except MalformedPayload as error:
        raise GatewayRejected(f"the authorization of {request.provider_reference} cannot be read") from error
    captured = await api.write(
        path_to(AUTHORIZATIONS, id_of(authorization), "/capture"),
        {"amount": money, "final_capture": is_final},
        request_id(request.idempotency_key),
    )
    if captured.get("status") in {"DECLINED", "FAILED"}:
        raise GatewayDeclined(f"{GATEWAY_NAME} declined the capture: {failure_in(captured)}")
    return _answer(request, captured, lambda item, source: facts_of_capture(item, source, is_of_order=False))


async def void(api: PayPalApi, request: MovementRequest) -> GatewayAnswer:
    """Let the order's authorization go. An order that the payer has not approved yet needs none: it goes by itself.

    Raises GatewayRejected where nothing is authorized.
    """
    reference = request.authorization_reference or id_of(await _authorization(api, request))
    path = path_to(AUTHORIZATIONS, reference, "/void")
    response = await api.write_without_answer(path, {}, request_id(request.idempotency_key))
    if response.status_code == HTTPStatus.NO_CONTENT:
        voided: Payload = {"id": reference, "status": "VOIDED", "update_time": datetime.now(UTC).isoformat()}
    else:
        voided = payload_of(response)
    return _answer(request, voided, facts_of_authorization)


async def refund(api: PayPalApi, request: MovementRequest) -> GatewayAnswer:
    """Refund a part of a capture or all of it. Of several captures it is the first with enough left of it."""
    body: dict[str, object] = {"amount": write_money(request.amount_minor, request.currency)}
    if len(request.payment_id) <= MAX_CUSTOM_ID_LENGTH:
        body["custom_id"] = request.payment_id
    if request.reason:
        body["note_to_payer"] = request.reason[:MAX_NOTE_LENGTH]
    reference = request.capture_reference or await _capture_to_refund(api, request)
    refunded = await api.write(path_to(CAPTURES, reference, "/refund"), body, request_id(request.idempotency_key))
    return _answer(request, refunded, facts_of_refund)


def _answer(request: MovementRequest, item: Payload, read: Callable[[Payload, Source], list[Fact]]) -> GatewayAnswer:
    source = Source(request.account, order_id=request.provider_reference, payment_id=request.payment_id)
    with reading(GATEWAY_NAME):
        facts = tuple(read(item, source))
    return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)


async def _units(api: PayPalApi, request: MovementRequest) -> list[Payload]:
    order = await api.look_up(path_to(ORDERS, request.provider_reference))
    return as_objects(order.get("purchase_units"))


async def _authorization(api: PayPalApi, request: MovementRequest) -> Payload:
    """The authorization that the request names, or the one that is open."""
    known = [item for unit in await _units(api, request) for item in payments_in(unit, "authorizations")]
    named = request.authorization_reference
    wanted = (item for item in known if (item.get("status") in _OPEN if named is None else item.get("id") == named))
    found = next(wanted, None)
    if found is None:
        raise GatewayRejected(f"the order {request.provider_reference} has no authorization to capture or to let go")
    return found


async def _capture_to_refund(api: PayPalApi, request: MovementRequest) -> str:
    units = await _units(api, request)
    try:
        for unit in units:
            for item in payments_in(unit, "captures"):
                if item.get("status") in _STANDING and _left_of(item, unit) >= request.amount_minor:
                    return id_of(item)
    except MalformedPayload as error:
        raise GatewayRejected(f"the captures of {request.provider_reference} cannot be read") from error
    text = f"no capture of the order {request.provider_reference} has {request.amount_minor} left to refund"
    raise GatewayRejected(text, field="amount_minor")


def _left_of(captured: Payload, unit: Payload) -> int:
    refunds = (item for item in payments_in(unit, "refunds") if parent_of(item) == captured.get("id"))
    gone = (read_money(item.get("amount"))[0] for item in refunds if item.get("status") in _GONE_BACK)
    return read_money(captured.get("amount"))[0] - sum(gone)
