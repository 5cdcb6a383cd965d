"""PayPal's mandates: a setup token that the payer approves, and orders paid by the payment token that comes of it.

A mandate is named after its setup token, which PayPal keeps for three days; the payment token stays. Every mandate has
a customer of its own at PayPal, so its token is found again by the customer. It is made when the mandate is charged for
the first time, or before that by saving the setup token as a payment method.
"""

import hashlib
from dataclasses import replace

from connectors.base import GatewayAnswer, MandateAnswer, MandateChargeRequest, MandateRequest, OrderRequest
from connectors.outcomes import unreadable
from connectors.paypal.api import PayPalApi, id_of, link_of, request_id
from connectors.paypal.errors import GATEWAY_NAME
from connectors.paypal.orders import ORDERS, answer_of, purchase_unit, refuse_declined
from connectors.paypal.status import Source
from connectors.paypal.vault import (
    SETUP_TOKENS,
    customer_in,
    make_payment_token,
    payment_token_of,
    source_to_charge,
)
from domain.errors import GatewayRejected

MAX_CUSTOMER_LENGTH = 64
MAX_INVOICE_LENGTH = 127


async def setup_mandate(api: PayPalApi, request: MandateRequest) -> MandateAnswer:
    """Begin a mandate: the payer approves it at the answer's `redirect_url`.

    With a token, which is a setup token that the payer has approved already, the mandate is active at once. PayPal
    knows no highest amount: holding to it is up to whoever charges. Raises GatewayRejected without a page to come back
    to.
    """
    key = request_id(request.idempotency_key)
    if request.payment_method_token is not None:
        token = await make_payment_token(api, request.payment_method_token, key)
        return MandateAnswer(
            provider_reference=id_of(token),
            status="active",
            customer_reference=customer_in(token),
            payment_method_reference=id_of(token),
        )
    page = request.return_url or api.credentials.return_url
    if page is None:
        raise GatewayRejected(f"{GATEWAY_NAME} wants the page that the payer comes back to", field="return_url")
    wallet = {
        "usage_type": "MERCHANT",
        "usage_pattern": "UNSCHEDULED_POSTPAID",
        "permit_multiple_payment_tokens": True,
        "experience_context": {"return_url": page, "cancel_url": page},
    }
    body: dict[str, object] = {"payment_source": {"paypal": wallet}}
    if len(request.customer_id) <= MAX_CUSTOMER_LENGTH:
        body["customer"] = {"merchant_customer_id": request.customer_id}
    token = await api.write(SETUP_TOKENS, body, key)
    url = link_of(token, "approve")
    if url is None:
        raise unreadable(GATEWAY_NAME)
    return MandateAnswer(
        provider_reference=id_of(token),
        status="pending",
        customer_reference=customer_in(token),
        client_parameters={"redirect_url": url},
    )


async def charge_mandate(api: PayPalApi, request: MandateChargeRequest) -> GatewayAnswer:
    """Charge a mandate in an order of its own, which PayPal captures as it creates it.

    The invoice id is our payment's, and PayPal takes one payment of each unless the account allows more, so that a
    payment is not charged twice when PayPal has forgotten the request id, after six hours. Raises GatewayRejected when
    the payer has not approved the mandate, GatewayDeclined when the payer's side says no.
    """
    order = OrderRequest(
        payment_id=request.payment_id,
        account=request.account,
        idempotency_key=request.idempotency_key,
        amount_minor=request.amount_minor,
        currency=request.currency,
        description=request.description,
    )
    unit = {**purchase_unit(api, order), "invoice_id": invoice_of(request.payment_id)}
    token_id = request.payment_method_reference or await payment_token_of(
        api, request.mandate_reference, request.customer_reference
    )
    source = await source_to_charge(api, token_id)
    body = {"intent": "CAPTURE", "purchase_units": [unit], "payment_source": source}
    charged = await api.write(ORDERS, body, request_id(request.idempotency_key))
    refuse_declined(charged)
    return replace(answer_of(charged, Source(request.account)), client_parameters={})


def invoice_of(payment_id: str) -> str:
    """Return an invoice id for a payment of ours: its id, or the id's digest when it is too long."""
    if len(payment_id) <= MAX_INVOICE_LENGTH:
        return payment_id
    return hashlib.sha256(payment_id.encode()).hexdigest()
