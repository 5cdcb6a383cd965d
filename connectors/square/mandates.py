"""Mandates: cards on file, charged without the payer present.

A mandate is named after its card. One that was begun without a card is named after its customer, and is charged to the
card that the customer has kept since.
"""

from connectors.base import GatewayAnswer, MandateAnswer, MandateChargeRequest, MandateRequest, OrderRequest
from connectors.outcomes import nothing_moved_yet
from connectors.square import authorizations, cards, orders
from connectors.square.api import SquareApi, id_of, read_facts, square_key
from connectors.square.status import Source, facts_of_payment
from domain.errors import GatewayRejected


async def setup_mandate(api: SquareApi, request: MandateRequest) -> MandateAnswer:
    """Keep the payer's card. Without a token the mandate is pending until a card is stored for the customer.

    Square knows no bound of what a mandate may be charged: holding to `max_amount_minor` is up to whoever charges.
    """
    with nothing_moved_yet():
        customer = await cards.customer_of(api, request.customer_id)
    if request.payment_method_token is None:
        return MandateAnswer(
            provider_reference=customer,
            status="pending",
            customer_reference=customer,
            client_parameters=client_parameters(api),
        )
    card = await cards.keep_card(api, customer, request.payment_method_token, request.idempotency_key)
    return MandateAnswer(
        provider_reference=id_of(card),
        status="failed" if card.get("enabled") is False else "active",
        customer_reference=customer,
        payment_method_reference=id_of(card),
    )


async def charge_mandate(api: SquareApi, request: MandateChargeRequest) -> GatewayAnswer:
    """Charge a mandate on an order of its own.

    Raises GatewayRejected when there is no card to charge, GatewayDeclined when its issuer refuses.
    """
    order_request = OrderRequest(
        payment_id=request.payment_id,
        account=request.account,
        idempotency_key=square_key(request.idempotency_key, "order"),
        amount_minor=request.amount_minor,
        currency=request.currency,
        description=request.description,
    )
    with nothing_moved_yet():
        card = request.payment_method_reference or await _card_of(api, request.mandate_reference)
        customer = request.customer_reference or await cards.owner_of(api, card)
        order = await orders.create_order(api, order_request)
    content = {
        **authorizations.payment_content(api, card, request.amount_minor, request.currency, request.payment_id),
        "idempotency_key": square_key(request.idempotency_key),
        "order_id": id_of(order),
        "autocomplete": True,
        "customer_id": customer,
        "customer_details": {"customer_initiated": False},
    }
    payment = await authorizations.create_payment(api, content)
    facts = read_facts([payment], facts_of_payment, Source(request.account, payment_id=request.payment_id))
    return orders.answer_of_order(order, facts)


def client_parameters(api: SquareApi) -> dict[str, str]:
    """Return what the payer's client needs to make a token."""
    return {"application_id": api.credentials.application_id, "location_id": api.credentials.location_id}


async def _card_of(api: SquareApi, mandate_reference: str) -> str:
    if cards.is_card(mandate_reference):
        return mandate_reference
    card = await cards.latest_card_of(api, mandate_reference)
    if card is None:
        raise GatewayRejected(f"the mandate {mandate_reference} has no card yet", field="mandate_reference")
    return card
