"""Razorpay's failures in the house's terms.

The SDK reduces every failure to three classes and drops the HTTP status, which alone says whether a request can have
had an effect. So failures are classified before the SDK sees them.
"""

import json
from http import HTTPStatus

import httpx

from connectors.outcomes import from_status, from_transport, unreadable
from domain.errors import GatewayError

GATEWAY_NAME = "Razorpay"


def check_answer(response: httpx.Response) -> None:
    """Raise the house's error unless the answer is a success with a JSON object in it."""
    body = _object_in(response)
    if not response.is_success:
        raise from_status(GATEWAY_NAME, response.status_code, _description(body))
    if body is None or response.status_code == HTTPStatus.NO_CONTENT:
        raise unreadable(GATEWAY_NAME)


def classify_transport(error: httpx.HTTPError) -> GatewayError:
    """Return the house's error for a call that brought no answer."""
    return from_transport(GATEWAY_NAME, error)


def _object_in(response: httpx.Response) -> dict[str, object] | None:
    try:
        body = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    return body if isinstance(body, dict) else None


def _description(body: dict[str, object] | None) -> str | None:
    error = body.get("error") if body is not None else None
    description = error.get("description") if isinstance(error, dict) else None
    return description if isinstance(description, str) else None
