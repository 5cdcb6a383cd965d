"""PhonePe's failures in the house's terms."""

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, unreadable
from connectors.payloads import Payload, first_text
from domain.errors import GatewayRejected, MalformedPayload

GATEWAY_NAME = "PhonePe"
CREDENTIALS_REFUSED = "credentials_refused"


def read_answer(response: GatewayResponse) -> Payload:
    """Return the JSON object of a success; raise the house's error for anything else."""
    try:
        answer: Payload | None = response.json_object()
    except MalformedPayload:
        answer = None
    if not response.is_success:
        raise from_status(GATEWAY_NAME, response.status_code, _message(answer))
    if not answer:
        raise unreadable(GATEWAY_NAME)
    return answer


def is_about_credentials(error: GatewayRejected) -> bool:
    """Say whether a refusal is one of our credentials, which says nothing about what was asked for."""
    return error.code == CREDENTIALS_REFUSED


def _message(answer: Payload | None) -> str | None:
    return None if answer is None else first_text(answer.get("message"), answer.get("code"))
