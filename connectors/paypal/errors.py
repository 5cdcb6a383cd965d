"""PayPal's failures in the house's terms."""

from collections.abc import Sequence

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, is_about_credentials, quote, reading
from connectors.payloads import Payload, as_objects, first_text
from domain.errors import GatewayDeclined, GatewayError, OutcomeUnknown

GATEWAY_NAME = "PayPal"

_PAYER_REFUSED = frozenset(
    {
        "CARD_BRAND_NOT_SUPPORTED",
        "CARD_CLOSED",
        "CARD_EXPIRED",
        "COMPLIANCE_VIOLATION",
        "INSTRUMENT_DECLINED",
        "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED",
        "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
        "PAYER_ACCOUNT_RESTRICTED",
        "PAYER_CANNOT_PAY",
        "PAYMENT_DENIED",
        "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
        "TRANSACTION_BLOCKED_BY_PAYEE",
        "TRANSACTION_LIMIT_EXCEEDED",
        "TRANSACTION_REFUSED",
    }
)
"""Issues that are about this payer and what they pay with; any other is about the request."""

_CAME_BEFORE = frozenset(
    {
        "DUPLICATE_INVOICE_ID",
        "DUPLICATE_REQUEST_ID",
        "PAYPAL_REQUEST_ID_PREVIOUSLY_USED",
        "PREVIOUS_REQUEST_IN_PROGRESS",
        "RESOURCE_CONFLICT",
    }
)
"""Issues that tell of an earlier request which arrived, and do not say what became of it."""


def check_answer(response: GatewayResponse) -> GatewayResponse:
    """Return the answer when it is a success; raise the house's error otherwise."""
    if response.is_success:
        return response
    raise _classify(response)


def payload_of(response: GatewayResponse) -> Payload:
    """Return the object in a success. Raises OutcomeUnknown when there is none."""
    with reading(GATEWAY_NAME):
        return response.json_object()


def _classify(response: GatewayResponse) -> GatewayError:
    body = response.json_object_or_empty()
    details = as_objects(body.get("details"))
    issues = [str(item.get("issue")) for item in details]
    said = _said(body, details)
    plain = from_status(GATEWAY_NAME, response.status_code, said)
    if isinstance(plain, OutcomeUnknown) or is_about_credentials(plain):
        return plain
    if not _CAME_BEFORE.isdisjoint([*issues, body.get("name")]):
        return OutcomeUnknown(f"{GATEWAY_NAME} knows an earlier request of this kind{quote(said)}")
    if not _PAYER_REFUSED.isdisjoint(issues):
        return GatewayDeclined(f"{GATEWAY_NAME} declined the payment{quote(said)}")
    return plain


def _said(body: Payload, details: Sequence[Payload]) -> str | None:
    """The message for people, with the issue's name in front where there is one."""
    for item in details:
        told = first_text(item.get("description"), body.get("message"))
        return ": ".join(filter(None, (first_text(item.get("issue")), told)))
    return first_text(body.get("message"), body.get("error_description"), body.get("error"))
