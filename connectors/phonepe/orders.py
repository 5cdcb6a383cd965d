"""PhonePe's orders: made for its hosted page or for its mobile SDK, and read back.

An order is made once under its name. PhonePe refuses to make it again, and tells the address of its page only once.
"""

from connectors.amounts import wire_amount
from connectors.base import GatewayAnswer, OrderRequest
from connectors.outcomes import reading, unreadable
from connectors.payloads import Payload, optional_text, require_identifier, require_url
from connectors.phonepe.api import PhonePeApi
from connectors.phonepe.errors import GATEWAY_NAME
from connectors.phonepe.names import is_charge, is_name, order_name
from connectors.phonepe.status import CURRENCY, WIRE_EXPONENTS, Source, facts_of_order, read_money
from domain.errors import GatewayRejected
from domain.facts import Fact

PAGE_PATH = "/checkout/v2/pay"
SDK_PATH = "/checkout/v2/sdk/order"

_STATUS_QUERY = {"details": "true", "errorContext": "true"}


async def create_order(api: PhonePeApi, request: OrderRequest) -> GatewayAnswer:
    """Make an order. The answer has the `redirect_url` of its page, or the `order_id` and `token` for the mobile SDK.

    It has neither when PhonePe made the order before. Raises GatewayRejected for what PhonePe cannot do: another
    currency, a capture later, a page without an address to go back to.
    """
    amount = wire_rupees(request.amount_minor, request.currency)
    if request.manual_capture:
        raise GatewayRejected(f"{GATEWAY_NAME} captures every payment at once", field="manual_capture")
    is_for_sdk = request.return_url is None and api.credentials.mobile_sdk
    flow: dict[str, object] = {"type": "PG_CHECKOUT"}
    if not is_for_sdk:
        flow["merchantUrls"] = {"redirectUrl": _return_url(api, request)}
    name = order_name(request.payment_id)
    body = {
        "merchantOrderId": name,
        "amount": amount,
        "metaInfo": {"udf1": request.payment_id},
        "paymentFlow": flow,
    }
    try:
        made = await api.write(SDK_PATH if is_for_sdk else PAGE_PATH, body)
    except GatewayRejected as refusal:
        found = await api.find_made_before(refusal, status_path(name), _STATUS_QUERY)
        answer = answer_of_order(name, found, request.account)
        if answer.amount_minor != request.amount_minor:
            message = f"{GATEWAY_NAME} has an order {name} already, of another amount"
            raise GatewayRejected(message, field="payment_id") from refusal
        return answer
    return GatewayAnswer(
        provider_reference=name,
        client_parameters=_for_the_sdk(made) if is_for_sdk else _for_the_browser(made),
        amount_minor=request.amount_minor,
        currency=CURRENCY,
    )


async def read_order(api: PhonePeApi, name: str, account: str) -> GatewayAnswer:
    """Return what PhonePe knows of an order or of a charge. Raises GatewayRejected when it does not know it."""
    if not is_name(name):
        raise GatewayRejected(f"{name} cannot be the name of an order at {GATEWAY_NAME}", field="provider_reference")
    return answer_of_order(name, await api.read(status_path(name), _STATUS_QUERY), account)


def status_path(name: str) -> str:
    """Return where an order's status is read: charges of mandates are read elsewhere."""
    kind = "subscriptions" if is_charge(name) else "checkout"
    return f"/{kind}/v2/order/{name}/status"


def answer_of_order(name: str, order: Payload, account: str) -> GatewayAnswer:
    """Return what an order's status says as an answer. Raises OutcomeUnknown when it cannot be read."""
    if order.get("merchantOrderId", name) != name:
        raise unreadable(GATEWAY_NAME)
    with reading(GATEWAY_NAME):
        facts: list[Fact] = facts_of_order({**order, "merchantOrderId": name}, Source(account))
        amount_minor, currency = read_money(order)
    return GatewayAnswer(provider_reference=name, facts=tuple(facts), amount_minor=amount_minor, currency=currency)


def wire_rupees(amount_minor: int, currency: str) -> int:
    """Return an amount in paisa. Raises GatewayRejected for another currency, which PhonePe could not even be told."""
    if currency != CURRENCY:
        raise GatewayRejected(f"{GATEWAY_NAME} takes {CURRENCY} only", field="currency")
    return wire_amount(GATEWAY_NAME, amount_minor, currency, WIRE_EXPONENTS)


def _return_url(api: PhonePeApi, request: OrderRequest) -> str:
    url = request.return_url or api.credentials.return_url
    if url is None:
        raise GatewayRejected(f"{GATEWAY_NAME} wants a page for payers to go back to", field="return_url")
    return url


def _for_the_browser(made: Payload) -> dict[str, str]:
    with reading(GATEWAY_NAME):
        return {"redirect_url": require_url(made, "redirectUrl")}


def _for_the_sdk(made: Payload) -> dict[str, str]:
    token = made.get("token")
    with reading(GATEWAY_NAME):
        order_id = require_identifier(made, "orderId")
    if optional_text(token) is None:
        raise unreadable(GATEWAY_NAME)
    return {"order_id": order_id, "token": str(token)}
