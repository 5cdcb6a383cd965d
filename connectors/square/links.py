"""Square's payment links: each is for one order, and can be paid once.

The order carries our payment id; Square puts it into the note of the payment that pays the order.
"""

from connectors.base import PaymentLinkAnswer, PaymentLinkRequest
from connectors.outcomes import reading
from connectors.payloads import require_url
from connectors.square.api import SquareApi, id_of, in_path, square_key, square_money
from connectors.square.errors import GATEWAY_NAME, NOT_FOUND
from connectors.square.orders import order_content
from domain.errors import GatewayRejected

MAX_DESCRIPTION_LENGTH = 4_096


async def create_payment_link(api: SquareApi, request: PaymentLinkRequest) -> PaymentLinkAnswer:
    """Make a link. Raises GatewayRejected for a reusable link and for one that expires, which Square does not have."""
    for name, asked in (("reusable", request.reusable), ("expires_at", request.expires_at)):
        if asked:
            raise GatewayRejected(f"{GATEWAY_NAME} has no such links: they are for one payment, for ever", field=name)
    money = square_money(request.amount_minor, request.currency)
    metadata = {"payment_link_id": request.payment_link_id}
    options: dict[str, object] = {"allow_tipping": False}
    if api.credentials.payment_link_return_url is not None:
        options["redirect_url"] = api.credentials.payment_link_return_url
    content = {
        "idempotency_key": square_key(request.idempotency_key),
        "description": request.description[:MAX_DESCRIPTION_LENGTH],
        "order": order_content(api, request.payment_id, money, request.description, metadata),
        "checkout_options": options,
        "payment_note": request.payment_id,
    }
    link = await api.one(lambda square: square.checkout.payment_links.create(**content), "payment_link")
    with reading(GATEWAY_NAME):
        url = require_url(link, "url")
    return PaymentLinkAnswer(provider_reference=id_of(link), url=url)


async def cancel_payment_link(api: SquareApi, provider_reference: str) -> None:
    """Delete a link, and with it its order. A link that is gone already needs nothing."""
    try:
        await api.ask(lambda square: square.checkout.payment_links.delete(in_path(provider_reference)))
    except GatewayRejected as error:
        if error.code != NOT_FOUND:
            raise
