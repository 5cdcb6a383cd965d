"""Acmepay's failures in Paystream's terms."""

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, unreadable
from connectors.payloads import Payload, optional_text
from domain.errors import MalformedPayload

GATEWAY_NAME = "Acmepay"


def read_answer(response: GatewayResponse) -> Payload:
    """Return the object that was answered; raise Paystream's error unless the answer is a success.

    See `connectors.outcomes` for what each status means: whether the request can have had an effect.
    """
    try:
        body = response.json_object()
    except MalformedPayload as error:
        if response.is_success:
            raise unreadable(GATEWAY_NAME) from error
        body = {}
    if not response.is_success:
        raise from_status(GATEWAY_NAME, response.status_code, _message_of(body))
    return body


def _message_of(body: Payload) -> str | None:
    error = body.get("error")
    return optional_text(error.get("message")) if isinstance(error, dict) else None
