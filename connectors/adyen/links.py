"""Adyen's payment links: each is for one payment, and can be paid once."""

from datetime import UTC

from connectors.adyen.api import AdyenApi, capture_terms, key_of, money, name_in, path_part
from connectors.adyen.errors import GATEWAY_NAME
from connectors.adyen.references import Purpose, read_reference, reference_of
from connectors.base import PaymentLinkAnswer, PaymentLinkRequest
from connectors.outcomes import reading
from connectors.payloads import require_url
from domain.errors import GatewayRejected

MAX_DESCRIPTION_LENGTH = 280
EXPIRED = "expired"


async def create_payment_link(api: AdyenApi, request: PaymentLinkRequest) -> PaymentLinkAnswer:
    """Make a link; it lives for a day where `expires_at` says nothing, and for 70 days at most.

    Raises GatewayRejected for a reusable link: its payments would all have one reference, and none could be told from
    the others. Also for a payment id that the reference cannot hold: nothing else would tell whose payment was made.
    """
    if request.reusable:
        raise GatewayRejected(f"{GATEWAY_NAME} does not tell a reusable link's payments apart", field="reusable")
    reference = reference_of(request.payment_id, Purpose.SALE)
    own = read_reference(reference)
    if own is None or own.subject_id != request.payment_id:
        raise GatewayRejected(f"{GATEWAY_NAME} makes no link for a payment of this id", field="payment_id")
    body: dict[str, object] = {
        "merchantAccount": api.credentials.merchant_account,
        "amount": money(request.amount_minor, request.currency),
        "reference": reference,
        "description": request.description[:MAX_DESCRIPTION_LENGTH],
        "reusable": False,
        **capture_terms(Purpose.SALE),
    }
    if request.expires_at is not None:
        body["expiresAt"] = request.expires_at.astimezone(UTC).isoformat(timespec="seconds")
    if api.credentials.return_url is not None:
        body["returnUrl"] = api.credentials.return_url
    key = key_of(request.idempotency_key)
    link = await api.send(lambda: api.checkout.payment_links_api.payment_links(body, idempotency_key=key))
    with reading(GATEWAY_NAME):
        url = require_url(link, "url")
    return PaymentLinkAnswer(provider_reference=name_in(link, "id"), url=url)


async def cancel_payment_link(api: AdyenApi, provider_reference: str) -> None:
    """Close a link. Closing it again does nothing; raises GatewayRejected for one that was paid."""
    link_id, service = path_part(provider_reference, "payment link"), api.checkout.payment_links_api
    try:
        await api.send(lambda: service.update_payment_link({"status": EXPIRED}, link_id))
    except GatewayRejected:
        link = await api.send(lambda: service.get_payment_link(link_id))
        if link.get("status") != EXPIRED:
            raise
