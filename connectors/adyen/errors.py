"""Adyen's failures in the house's terms.

The SDK turns failures into classes of its own and quotes whole answers in them, so failures are classified before it
sees them.
"""

from http import HTTPStatus

import httpx

from connectors.outcomes import from_status, from_transport, quote
from connectors.payloads import Payload, first_text, parse_object
from domain.errors import GatewayDeclined, GatewayError, MalformedPayload, OutcomeUnknown

GATEWAY_NAME = "Adyen"

KEY_IN_USE = "704"
"""Adyen's code for an idempotency key whose request is still under way, or was another one."""

_MAY_BE_ABOUT_KEYS = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})


def classify_answer(status_code: int, text: str) -> GatewayError:
    """Return the house's error for an answer that is no success."""
    body = _object_in(text)
    if status_code in _MAY_BE_ABOUT_KEYS and str(body.get("errorCode")) == KEY_IN_USE:
        # An earlier request with this key arrived, and what became of it is not said.
        return OutcomeUnknown(f"{GATEWAY_NAME} knows the idempotency key from another request")
    return from_status(GATEWAY_NAME, status_code, first_text(body.get("message")))


def classify_transport(error: httpx.HTTPError) -> GatewayError:
    """Return the house's error for a call that brought no answer."""
    return from_transport(GATEWAY_NAME, error)


def declined(answer: Payload) -> GatewayDeclined:
    """Return the error of a payment that was refused, which Adyen tells in a success."""
    return GatewayDeclined(f"{GATEWAY_NAME} refused the payment{quote(refusal_of(answer))}")


def refusal_of(answer: Payload) -> str | None:
    """Return why a payment was refused, in Adyen's words."""
    return first_text(answer.get("refusalReason"), answer.get("resultCode"))


def _object_in(text: str) -> Payload:
    try:
        return parse_object(text)
    except MalformedPayload:
        return {}
