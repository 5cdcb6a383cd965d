"""Coinbase's failures in the house's terms."""

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, unreadable
from connectors.payloads import Payload, first_text
from domain.errors import MalformedPayload

GATEWAY_NAME = "Coinbase"


def read_answer(response: GatewayResponse) -> Payload:
    """Return the object that Coinbase answered with; raise the house's error unless the answer is a success."""
    try:
        body = response.json_object()
    except MalformedPayload as error:
        if response.is_success:
            raise unreadable(GATEWAY_NAME) from error
        body = {}
    if not response.is_success:
        raise from_status(GATEWAY_NAME, response.status_code, _message(body))
    return body


def _message(body: Payload) -> str | None:
    """The message for people: Business has it at the top, Commerce in an error object."""
    error = body.get("error")
    return first_text(body.get("errorMessage"), error.get("message") if isinstance(error, dict) else None)
