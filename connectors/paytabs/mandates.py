"""PayTabs' registered cards, and recurring charges of the tokens they leave.

A mandate is named after the cart of its registration, in which PayTabs holds a small amount on the card and lets it go
at once. Its state is read back when it is charged: until then nothing depends on it.
"""

from collections.abc import Sequence
from decimal import Decimal

from connectors.base import GatewayAnswer, MandateAnswer, MandateChargeRequest, MandateRequest
from connectors.outcomes import unreadable
from connectors.payloads import Payload, optional_identifier
from connectors.paytabs.api import PayTabsApi, paytabs_amount, read_facts, refuse_declined, was_duplicate
from connectors.paytabs.carts import MAX_DESCRIPTION_LENGTH, cart_id_of
from connectors.paytabs.errors import GATEWAY_NAME
from connectors.paytabs.pages import open_page
from connectors.paytabs.status import payment_in, status_of, type_of
from domain.errors import GatewayRejected, GatewayUnavailable

REGISTRATION_AMOUNT = Decimal("1.00")
"""What is held on the card for a moment, in whichever currency."""


async def setup_mandate(api: PayTabsApi, request: MandateRequest) -> MandateAnswer:
    """Make a page where the payer registers a card; the answer has its `redirect_url`.

    A card that was registered before is the answer without a page. Raises GatewayRejected for a token: PayTabs takes
    the card on its own page only. PayTabs keeps no `max_amount_minor`: holding to it is up to whoever charges.
    """
    if request.payment_method_token is not None:
        raise GatewayRejected(f"{GATEWAY_NAME} takes cards on its own page only", field="payment_method_token")
    cart_id = cart_id_of(request.mandate_id)
    registered = _registered(await api.cart_before_writing(cart_id))
    if registered is not None:
        tran_ref, token = registered
        return MandateAnswer(
            provider_reference=cart_id,
            status="active",
            customer_reference=tran_ref,
            payment_method_reference=token,
        )
    fields = {
        "tran_type": "register",
        "cart_id": cart_id,
        "cart_description": "Confirmation of later charges",
        "cart_currency": request.currency,
        "cart_amount": REGISTRATION_AMOUNT,
        "tokenise": "2",
    }
    url = await open_page(api, fields, request.return_url)
    return MandateAnswer(provider_reference=cart_id, status="pending", client_parameters={"redirect_url": url})


async def charge_mandate(api: PayTabsApi, request: MandateChargeRequest) -> GatewayAnswer:
    """Charge a mandate in a cart of the payment's own, which is not charged twice.

    Raises GatewayRejected when the payer has not confirmed the mandate, GatewayDeclined when the issuer refuses.
    """
    cart_id = cart_id_of(request.payment_id)
    charged = _charge_in(await api.cart_before_writing(cart_id))
    if charged is not None:
        return _answer_of(charged, cart_id, request)
    tran_ref, token = request.customer_reference, request.payment_method_reference
    if tran_ref is None or token is None:
        tran_ref, token = await _read_mandate(api, request.mandate_reference)
    description = request.description or f"Payment {request.payment_id}"
    fields: dict[str, object] = {
        "tran_type": "sale",
        "tran_class": "recurring",
        "cart_id": cart_id,
        "cart_description": description[:MAX_DESCRIPTION_LENGTH],
        "cart_currency": request.currency,
        "cart_amount": paytabs_amount(request.amount_minor, request.currency),
        "token": token,
        "tran_ref": tran_ref,
    }
    if api.credentials.callback_url is not None:
        fields["callback"] = api.credentials.callback_url
    try:
        transaction = await api.request(fields)
    except GatewayUnavailable as error:
        same = _charge_in(await api.cart_before_writing(cart_id)) if was_duplicate(error) else None
        if same is None:
            raise
        transaction = same
    return _answer_of(transaction, cart_id, request)


def _answer_of(transaction: Payload, cart_id: str, request: MandateChargeRequest) -> GatewayAnswer:
    refuse_declined(transaction)
    facts = read_facts([transaction], request.account)
    if not facts:
        raise unreadable(GATEWAY_NAME)
    return GatewayAnswer(
        provider_reference=cart_id, facts=facts, amount_minor=request.amount_minor, currency=request.currency
    )


def _charge_in(known: Sequence[Payload]) -> Payload | None:
    """Return the charge that an earlier request made, whatever came of it."""
    return payment_in(known) or next((item for item in known if type_of(item) == "sale"), None)


async def _read_mandate(api: PayTabsApi, mandate_reference: str) -> tuple[str, str]:
    registered = _registered(await api.cart_before_writing(mandate_reference))
    if registered is None:
        raise GatewayRejected(f"the mandate {mandate_reference} is not confirmed", field="mandate_reference")
    return registered


def _registered(known: Sequence[Payload]) -> tuple[str, str] | None:
    """Return the registration's name and the token it left, as soon as the payer has confirmed."""
    for item in known:
        tran_ref, token = optional_identifier(item.get("tran_ref")), optional_identifier(item.get("token"))
        if (type_of(item), status_of(item)) == ("register", "A") and tran_ref is not None and token is not None:
            return tran_ref, token
    return None
