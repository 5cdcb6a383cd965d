"""BitPay's failures in the house's terms."""

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, quote, reading
from connectors.payloads import Payload, as_objects, first_text, part_of
from domain.errors import GatewayRejected

GATEWAY_NAME = "BitPay"


def read_answer(response: GatewayResponse) -> Payload:
    """Return the object that BitPay answered with; raise the house's error unless the answer is a success.

    BitPay has also told of an error in an answer that HTTP calls a success.
    """
    if not response.is_success:
        raise from_status(GATEWAY_NAME, response.status_code, _message(response.json_object_or_empty()))
    with reading(GATEWAY_NAME):
        body = response.json_object()
    if body.get("status") == "error" or "error" in body or "errors" in body:
        raise GatewayRejected(f"{GATEWAY_NAME} refused the request{quote(_message(body))}")
    return body


def _message(body: Payload) -> str | None:
    """The message for people, which has had several places."""
    listed = [item.get("error") for item in as_objects(body.get("errors"))]
    return first_text(body.get("message"), body.get("error"), part_of(body, "error").get("message"), *listed)
