"""Square's failures in the house's terms.

They are classified before the SDK sees them: it would repeat some of them, and put whole answers into its errors.
"""

from http import HTTPStatus

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, reading
from connectors.payloads import Payload, as_objects, optional_text
from domain.errors import (
    GatewayDeclined,
    GatewayError,
    GatewayRejected,
    GatewayUnavailable,
    OutcomeUnknown,
)

GATEWAY_NAME = "Square"

NOT_FOUND = "not_found"
"""The code of the error for a name that Square does not know."""


def read_answer(response: GatewayResponse) -> Payload:
    """Return a success as a JSON object; raise the house's error for anything else."""
    if not response.is_success:
        raise classify(response)
    with reading(GATEWAY_NAME):
        return response.json_object()


def classify(response: GatewayResponse) -> GatewayError:
    """Return the house's error for an answer that is no success; see `connectors.outcomes` for what each means."""
    told = _first_error(response)
    code = optional_text(told.get("code"))
    if code == "IDEMPOTENCY_KEY_REUSED":
        # The key was used before with other content: an earlier request arrived, and what became of it is not said.
        return OutcomeUnknown(f"{GATEWAY_NAME} knows the idempotency key from another request")
    if code == "VERSION_MISMATCH":
        return GatewayUnavailable(f"{GATEWAY_NAME} changed what was to be changed in the meantime")
    said = ": ".join(filter(None, (code, optional_text(told.get("detail")))))
    error = from_status(GATEWAY_NAME, response.status_code, said)
    if response.status_code == HTTPStatus.NOT_FOUND:
        return GatewayRejected(error.message, code=NOT_FOUND)
    if response.status_code == HTTPStatus.BAD_REQUEST and told.get("category") == "PAYMENT_METHOD_ERROR":
        return GatewayDeclined(error.message)
    return error


def _first_error(response: GatewayResponse) -> Payload:
    errors = as_objects(response.json_object_or_empty().get("errors"))
    return errors[0] if errors else {}
