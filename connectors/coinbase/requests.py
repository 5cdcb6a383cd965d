"""What Coinbase's two products ask for in the same way: fixed prices, descriptions, labels, pages."""

from connectors.base import OrderRequest, PaymentLinkRequest
from connectors.coinbase.errors import GATEWAY_NAME
from connectors.coinbase.registration import CURRENCIES
from connectors.outcomes import reading
from connectors.payloads import Payload, require_url
from domain.errors import GatewayRejected

MAX_DESCRIPTION_LENGTH = 500
MAX_LABEL_LENGTH = 100
MAX_LABELS = 18
"""Coinbase keeps twenty labels; the payment's id and the command's mark are two of them."""


def refuse_unexpressible(request: OrderRequest | PaymentLinkRequest) -> None:
    """Raise GatewayRejected, before any call, for what neither product can do."""
    if request.currency not in CURRENCIES:
        raise GatewayRejected(f"{GATEWAY_NAME} does not price in {request.currency}", field="currency")
    if isinstance(request, OrderRequest) and request.manual_capture:
        raise GatewayRejected(f"{GATEWAY_NAME} takes a payment at once and as a whole", field="manual_capture")
    if isinstance(request, PaymentLinkRequest) and request.reusable:
        raise GatewayRejected(f"{GATEWAY_NAME} has no reusable links", field="reusable")


def metadata_of(request: OrderRequest | PaymentLinkRequest) -> dict[str, str]:
    """Return the labels that are echoed with the payment: the request's own, cut to fit, and our payment id.

    A payment id that is too long is left out rather than cut: half an id would be somebody else's.
    """
    own = request.metadata if isinstance(request, OrderRequest) else {"payment_link_id": request.payment_link_id}
    labels = {name: value[:MAX_LABEL_LENGTH] for name, value in list(own.items())[:MAX_LABELS]}
    labels.pop("payment_id", None)
    return labels if len(request.payment_id) > MAX_LABEL_LENGTH else {**labels, "payment_id": request.payment_id}


def page_of(answer: Payload, name: str) -> str:
    """Return the address of the page to pay on. Raises OutcomeUnknown when there is none."""
    with reading(GATEWAY_NAME):
        return require_url(answer, name)
