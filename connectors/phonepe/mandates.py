"""PhonePe's UPI Autopay: mandates that payers confirm in their UPI app, and charges of them.

A mandate is named after our own, and its state is read back when it is charged: until then nothing depends on it. A
charge is announced to the payer first and debited a day later, both by PhonePe: what came of it is told later.
"""

import re

from connectors.base import GatewayAnswer, MandateAnswer, MandateChargeRequest, MandateRequest
from connectors.outcomes import unreadable
from connectors.payloads import Payload
from connectors.phonepe.api import PhonePeApi
from connectors.phonepe.errors import GATEWAY_NAME
from connectors.phonepe.names import charge_name, is_name, mandate_name, setup_name
from connectors.phonepe.orders import answer_of_order, status_path, wire_rupees
from domain.errors import GatewayRejected

SETUP_PATH = "/subscriptions/v2/setup"
NOTIFY_PATH = "/subscriptions/v2/notify"
CONFIRMATION_AMOUNT = 200
"""What the payer's bank takes to confirm a mandate, and gives back: two rupees."""

_STATUSES = {"COMPLETED": "active", "FAILED": "failed"}
_UPI_LINK = re.compile(r"upi://[\x21-\x7e]{1,4000}")


async def setup_mandate(api: PhonePeApi, request: MandateRequest) -> MandateAnswer:
    """Begin a mandate for charges of any amount up to a limit, whenever asked for.

    With a UPI address as `payment_method_token` the payer is asked in the app behind it; without one, the answer has an
    `intent_url` that opens the payer's UPI app. Raises GatewayRejected without `max_amount_minor`, which banks want.
    """
    if request.max_amount_minor is None:
        message = f"{GATEWAY_NAME} keeps no mandates without a largest amount"
        raise GatewayRejected(message, field="max_amount_minor")
    name, order = mandate_name(request.mandate_id), setup_name(request.mandate_id)
    body = {
        "merchantOrderId": order,
        "amount": CONFIRMATION_AMOUNT,
        "metaInfo": {"udf1": request.mandate_id, "udf2": request.customer_id},
        "paymentFlow": {
            "type": "SUBSCRIPTION_SETUP",
            "merchantSubscriptionId": name,
            "authWorkflowType": "PENNY_DROP",
            "amountType": "VARIABLE",
            "maxAmount": wire_rupees(request.max_amount_minor, request.currency),
            "frequency": "ON_DEMAND",
            "paymentMode": _payment_mode(request.payment_method_token),
        },
    }
    try:
        made = await api.write(SETUP_PATH, body)
    except GatewayRejected as refusal:
        made = await api.find_made_before(refusal, _order_path(order))
        return MandateAnswer(provider_reference=name, status=_status_of(made))
    return MandateAnswer(
        provider_reference=name,
        status=_status_of(made),
        client_parameters=_parameters(made) if request.payment_method_token is None else {},
    )


async def charge_mandate(api: PhonePeApi, request: MandateChargeRequest) -> GatewayAnswer:
    """Announce a charge, which PhonePe debits by itself when the payer has had a day to object.

    Raises GatewayRejected when the mandate is not active.
    """
    amount = wire_rupees(request.amount_minor, request.currency)
    await _check_active(api, request.mandate_reference)
    name = charge_name(request.payment_id)
    body = {
        "merchantOrderId": name,
        "amount": amount,
        "metaInfo": {"udf1": request.payment_id},
        "paymentFlow": {
            "type": "SUBSCRIPTION_REDEMPTION",
            "merchantSubscriptionId": request.mandate_reference,
            "redemptionRetryStrategy": "STANDARD",
            "autoDebit": True,
        },
    }
    try:
        made = await api.write(NOTIFY_PATH, body)
    except GatewayRejected as refusal:
        made = await api.find_made_before(refusal, status_path(name))
        if made.get("amount") != amount:
            raise
    order = {"amount": amount, "metaInfo": body["metaInfo"], **made}
    return answer_of_order(name, order, request.account)


async def _check_active(api: PhonePeApi, mandate_reference: str) -> None:
    if not is_name(mandate_reference):
        message = f"{mandate_reference} cannot be the name of a mandate at {GATEWAY_NAME}"
        raise GatewayRejected(message, field="mandate_reference")
    mandate = await api.look_up(f"/subscriptions/v2/{mandate_reference}/status")
    if mandate.get("state") != "ACTIVE":
        raise GatewayRejected(f"the mandate {mandate_reference} is not active", field="mandate_reference")


def _payment_mode(upi_address: str | None) -> dict[str, object]:
    if upi_address is None:
        return {"type": "UPI_INTENT"}
    return {"type": "UPI_COLLECT", "details": {"type": "VPA", "vpa": upi_address}}


def _order_path(order: str) -> str:
    return f"/subscriptions/v2/order/{order}/status"


def _status_of(order: Payload) -> str:
    if not isinstance(order.get("state"), str):
        raise unreadable(GATEWAY_NAME)
    return _STATUSES.get(str(order["state"]), "pending")


def _parameters(made: Payload) -> dict[str, str]:
    # Whatever is told here becomes a link in the payer's browser, so nothing but a UPI link will do.
    link = made.get("intentUrl")
    if not isinstance(link, str) or not _UPI_LINK.fullmatch(link):
        raise unreadable(GATEWAY_NAME)
    return {"intent_url": link}
