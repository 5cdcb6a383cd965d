"""PayTabs' failures in the house's terms.

PayTabs says what is wrong by a `code` and a `message`, sometimes beside an HTTP status of its own and sometimes not.
"""

import json
from decimal import Decimal
from http import HTTPStatus

from connectors.http_client import GatewayResponse
from connectors.outcomes import credentials_refused, from_status, quote, unreadable
from connectors.payloads import optional_text
from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, MalformedPayload

GATEWAY_NAME = "PayTabs"

DUPLICATE_REQUEST = "duplicate_request"
"""The error's code when PayTabs turned a request away because it had the same one less than two minutes before."""

_AUTHENTICATION_FAILED = 1
_DUPLICATE = 4


def read_answer(response: GatewayResponse) -> object:
    """Return the answer's JSON, whatever it is. Raises the house's error for anything that is not a success."""
    try:
        body = _parse(response.text())
    except (ValueError, RecursionError, MalformedPayload):
        if response.is_success:
            raise unreadable(GATEWAY_NAME) from None
        body = None
    code, message = _problem_in(body)
    if response.is_success or response.status_code == HTTPStatus.BAD_REQUEST:
        error = _from_code(code, message)
        if error is not None:
            raise error
    if not response.is_success:
        raise from_status(GATEWAY_NAME, response.status_code, message)
    if code:
        raise GatewayRejected(f"{GATEWAY_NAME} answered with code {code}{quote(message)}")
    return body


def _parse(text: str) -> object:
    # Answers may be lists, which are no JSON objects; like everywhere, fractions never become floats.
    parsed: object = json.loads(text, parse_float=Decimal)
    return parsed


def _problem_in(body: object) -> tuple[int, str | None]:
    if not isinstance(body, dict):
        return 0, None
    code = str(body.get("code", ""))
    is_number = code.isascii() and code.isdecimal()
    return int(code[:9]) if is_number else 0, optional_text(body.get("message"))


def _from_code(code: int, message: str | None) -> GatewayError | None:
    if code == _AUTHENTICATION_FAILED:
        return credentials_refused(GATEWAY_NAME, f"code {code}")
    if code == _DUPLICATE:
        text = f"{GATEWAY_NAME} had the same request less than two minutes ago{quote(message)}"
        return GatewayUnavailable(text, code=DUPLICATE_REQUEST)
    return None
