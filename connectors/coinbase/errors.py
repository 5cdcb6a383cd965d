"""Coinbase's failures in the house's terms."""

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, reading
from connectors.payloads import Payload, first_text, part_of

GATEWAY_NAME = "Coinbase"


def read_answer(response: GatewayResponse) -> Payload:
    """Return the object that Coinbase answered with; raise the house's error unless the answer is a success."""
    if not response.is_success:
        raise from_status(GATEWAY_NAME, response.status_code, _message(response.json_object_or_empty()))
    with reading(GATEWAY_NAME):
        return response.json_object()


def _message(body: Payload) -> str | None:
    """The message for people: Business has it at the top, Commerce in an error object."""
    return first_text(body.get("errorMessage"), part_of(body, "error").get("message"))
