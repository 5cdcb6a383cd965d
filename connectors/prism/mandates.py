"""Mandates at processors behind Prism: a token kept for charges without the customer."""

from datetime import datetime

from connectors.base import MandateAnswer, MandateRequest
from connectors.outcomes import reading, unreadable
from connectors.payloads import first_text, optional_identifier, part_of
from connectors.prism.calls import Calls
from connectors.prism.errors import GATEWAY_NAME
from connectors.prism.messages import Messages
from connectors.prism.redirection import client_parameters
from connectors.prism.sdk import Flow
from connectors.prism.status import map_status, status_of
from domain.errors import GatewayRejected
from domain.facts import FactKind

_STATUSES = {
    FactKind.CAPTURED: "active",
    FactKind.AUTHORIZED: "active",
    FactKind.FAILED: "failed",
    FactKind.CANCELLED: "revoked",
}


async def set_up_mandate(calls: Calls, messages: Messages, request: MandateRequest, now: datetime) -> MandateAnswer:
    """Keep the payment method that a token stands for; the payer may still have to confirm it.

    Raises GatewayRejected without a token.
    """
    token = request.payment_method_token
    if token is None:
        text = f"{GATEWAY_NAME} needs a token of the payment method that is to be kept"
        raise GatewayRejected(text, field="payment_method_token")
    answer = await calls.send(Flow.SET_UP_MANDATE, messages.set_up_mandate(request, token, now))
    with reading(GATEWAY_NAME):
        kind = map_status("payment", status_of(answer))
    method = first_text(part_of(answer, "mandateReferenceDetails").get("connectorMandateId"))
    customer = first_text(part_of(answer, "state").get("connectorCustomerId"))
    reference = optional_identifier(answer.get("connectorRecurringPaymentId")) or optional_identifier(method)
    if reference is None:
        raise unreadable(GATEWAY_NAME)
    return MandateAnswer(
        provider_reference=reference,
        status="pending" if kind is None else _STATUSES.get(kind, "pending"),
        customer_reference=optional_identifier(customer),
        payment_method_reference=optional_identifier(method),
        client_parameters=client_parameters(answer),
    )
