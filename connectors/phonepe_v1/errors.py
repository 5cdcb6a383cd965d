"""Failures of PhonePe's legacy API in the house's terms. What counts is the answer's code, whatever its HTTP status."""

from http import HTTPStatus

from connectors.http_client import GatewayResponse
from connectors.outcomes import CREDENTIALS_REFUSED, from_status, quote, unreadable
from connectors.payloads import Payload, first_text
from domain.errors import GatewayDeclined, GatewayError, GatewayRejected, OutcomeUnknown

GATEWAY_NAME = "PhonePe (legacy)"
NOT_FOUND = "TRANSACTION_NOT_FOUND"

_MAYBE_UNDER_WAY = frozenset({"INTERNAL_SERVER_ERROR", "TIMED_OUT"})
_DECLINED = frozenset({"PAYMENT_ERROR", "PAYMENT_DECLINED"})
_REFUSED = frozenset({"BAD_REQUEST", "INVALID_TRANSACTION_ID", NOT_FOUND})
_OF_THE_CHECKSUM = "AUTHORIZATION_FAILED"


def read_answer(response: GatewayResponse) -> Payload:
    """Return a success that has a code; raise the house's error for anything else."""
    answer = response.json_object_or_empty()
    code = answer.get("code")
    if not response.is_success:
        raise _of_status(response, answer, code)
    if not isinstance(code, str):
        raise unreadable(GATEWAY_NAME)
    return answer


def of_code(answer: Payload) -> GatewayError:
    """Return what it means that a request was answered with another code than the ones that say yes."""
    code = str(answer.get("code"))
    if code == _OF_THE_CHECKSUM:
        return GatewayRejected(f"{GATEWAY_NAME} refused our checksum", code=CREDENTIALS_REFUSED)
    message = f"{GATEWAY_NAME} answered {code}{quote(_message(answer))}"
    if code in _DECLINED:
        return GatewayDeclined(message)
    return GatewayRejected(message) if code in _REFUSED else OutcomeUnknown(message)


def _of_status(response: GatewayResponse, answer: Payload, code: object) -> GatewayError:
    is_refusal = HTTPStatus.BAD_REQUEST <= response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_refusal and code in _MAYBE_UNDER_WAY:
        return OutcomeUnknown(f"{GATEWAY_NAME} answered HTTP {response.status_code} with {code}")
    return from_status(GATEWAY_NAME, response.status_code, _message(answer))


def _message(answer: Payload) -> str | None:
    return first_text(answer.get("message"), answer.get("code"))
