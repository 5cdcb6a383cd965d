"""Klarna's failures in the house's terms."""

from http import HTTPStatus

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, quote
from connectors.payloads import Payload, optional_identifier
from domain.errors import GatewayDeclined, GatewayError

GATEWAY_NAME = "Klarna"
NOT_ALLOWED = "NOT_ALLOWED"
"""How the codes end by which Klarna refuses an operation in an order's present state, such as CAPTURE_NOT_ALLOWED."""


def check_answer(response: GatewayResponse) -> None:
    """Raise the house's error unless the answer is a success."""
    if not response.is_success:
        raise classify(response)


def classify(response: GatewayResponse) -> GatewayError:
    """Return the house's error for an answer that is no success; see `connectors.outcomes` for what each means.

    Klarna uses one status for credentials that it refuses and for operations that it does not allow.
    """
    error = response.json_object_or_empty()
    code, said = optional_identifier(error.get("error_code")), _messages_of(error)
    if response.status_code == HTTPStatus.FORBIDDEN and code is not None and code.endswith(NOT_ALLOWED):
        return GatewayDeclined(f"{GATEWAY_NAME} does not allow it ({code}){quote(said)}")
    return from_status(GATEWAY_NAME, response.status_code, said)


def _messages_of(error: Payload) -> str | None:
    messages = error.get("error_messages")
    texts = [each for each in messages if isinstance(each, str)] if isinstance(messages, list) else []
    return "; ".join(texts) or None
