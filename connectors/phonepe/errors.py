"""PhonePe's failures in the house's terms."""

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, unreadable
from connectors.payloads import Payload, first_text

GATEWAY_NAME = "PhonePe"


def read_answer(response: GatewayResponse) -> Payload:
    """Return the JSON object of a success; raise the house's error for anything else."""
    answer = response.json_object_or_empty()
    if not response.is_success:
        said = first_text(answer.get("message"), answer.get("code"))
        raise from_status(GATEWAY_NAME, response.status_code, said)
    if not answer:
        raise unreadable(GATEWAY_NAME)
    return answer
