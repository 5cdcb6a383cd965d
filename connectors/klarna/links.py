"""Links to pay by: hosted pages that a payer is sent to. Each is for one payment and open for about two days.

Klarna can also send a page by SMS or e-mail; that is for whoever knows the payer.
"""

from connectors.base import PaymentLinkAnswer, PaymentLinkRequest
from connectors.klarna.api import KlarnaApi, path_of
from connectors.klarna.errors import GATEWAY_NAME
from connectors.klarna.names import sessions_in
from connectors.klarna.purchases import PAGES, Purchase, open_page
from connectors.klarna.status import map_status
from domain.errors import GatewayRejected
from domain.facts import FactKind


async def create_payment_link(api: KlarnaApi, request: PaymentLinkRequest) -> PaymentLinkAnswer:
    """Make a link. Raises GatewayRejected for a reusable one and for one that is to expire at a time of our choice."""
    if request.reusable:
        raise GatewayRejected(f"{GATEWAY_NAME} has no reusable links", field="reusable")
    if request.expires_at is not None:
        raise GatewayRejected(f"{GATEWAY_NAME} closes its links itself, after two days", field="expires_at")
    purchase = Purchase(
        payment_id=request.payment_id,
        amount_minor=request.amount_minor,
        currency=request.currency,
        description=request.description,
        metadata={"payment_link_id": request.payment_link_id},
    )
    page = await open_page(api, purchase)
    return PaymentLinkAnswer(provider_reference=page.name, url=page.url)


async def cancel_payment_link(api: KlarnaApi, provider_reference: str) -> None:
    """Close a link. Closing it again does nothing; raises GatewayRejected for one that was paid."""
    sessions = sessions_in(provider_reference)
    if sessions is None:
        raise GatewayRejected(f"{provider_reference} is no payment link", field="provider_reference")
    path = path_of(PAGES, sessions.page_id)
    try:
        await api.change(path, method="DELETE")
    except GatewayRejected:
        page = await api.read(path)
        if map_status("page", str(page.get("status"))) is not FactKind.CANCELLED:
            raise
