"""Swish's failures in the house's terms. Swish answers with a list of errors, each with a code."""

import json

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status
from connectors.payloads import Payload, as_objects
from domain.errors import GatewayError, MalformedPayload

GATEWAY_NAME = "Swish"

INSTRUCTION_KNOWN = "RP09"
"""The instruction's UUID was used before."""

NOT_OPEN = "RP07"
"""The payment request cannot be cancelled, because it is no longer open."""


def check_answer(response: GatewayResponse) -> None:
    """Raise the house's error unless the answer is a success."""
    if not response.is_success:
        raise classify(response)


def classify(response: GatewayResponse) -> GatewayError:
    """Return the house's error for an answer that is no success; see `connectors.outcomes` for what each means."""
    said = [f"{error.get('errorCode')}: {error.get('errorMessage')}" for error in _errors_in(response)]
    return from_status(GATEWAY_NAME, response.status_code, "; ".join(said) or None)


def has_error(response: GatewayResponse, code: str) -> bool:
    """Say whether an answer refuses the request for the reason of a code."""
    return not response.is_success and any(error.get("errorCode") == code for error in _errors_in(response))


def _errors_in(response: GatewayResponse) -> list[Payload]:
    try:
        return as_objects(json.loads(response.text()))
    except (ValueError, RecursionError, MalformedPayload):
        return []
