"""Customers at Square and the cards they keep there.

A customer of ours is found again by the reference that Square keeps, which is our id.
"""

import hashlib

from connectors.base import PaymentMethodRequest, StoredPaymentMethod
from connectors.outcomes import nothing_moved_yet
from connectors.payloads import Payload, optional_identifier, optional_text
from connectors.square.api import SquareApi, id_of, in_path, square_key
from domain.errors import GatewayRejected

CARD_PREFIX = "ccof:"
MAX_CUSTOMER_REFERENCE_LENGTH = 100


def is_card(token: str) -> bool:
    """Say whether a token is a card on file, rather than one that a payer's client made for a single use."""
    return token.startswith(CARD_PREFIX)


async def store_payment_method(api: SquareApi, request: PaymentMethodRequest) -> StoredPaymentMethod:
    """Keep the card that a payer's client has made a token of."""
    with nothing_moved_yet():
        customer = await customer_of(api, request.customer_id)
    card = await keep_card(api, customer, request.token, request.idempotency_key)
    brand = optional_text(card.get("card_brand"))
    return StoredPaymentMethod(
        provider_reference=id_of(card),
        customer_reference=customer,
        kind="card",
        brand=None if brand is None else brand.lower(),
        last_four=optional_text(card.get("last_4")),
        expires=_expiry(card),
    )


async def keep_card(api: SquareApi, customer: str, token: str, key: str) -> Payload:
    """Keep a card for a customer of Square's. Raises GatewayDeclined when the card's issuer does not confirm it."""
    card = {"customer_id": customer}
    return await api.one(
        lambda square: square.cards.create(idempotency_key=square_key(key), source_id=token, card=card), "card"
    )


async def customer_of(api: SquareApi, customer_id: str) -> str:
    """Return the name at Square of a customer of ours, who becomes one there if need be.

    Square finds new customers only after a while. Until then the idempotency key, made of the customer's id, stands in.
    """
    reference = _fitting(customer_id)
    query = {"filter": {"reference_id": {"exact": reference}}}
    found = await api.some(lambda square: square.customers.search(query=query), "customers")
    # Square does not tell small letters from capital ones in this search.
    known = next((customer for customer in found if customer.get("reference_id") == reference), None)
    if known is None:
        key = square_key("customer", reference)
        # Square wants some name or address; of our customers, the id is all that is known here.
        known = await api.one(
            lambda square: square.customers.create(idempotency_key=key, given_name=reference, reference_id=reference),
            "customer",
        )
    return id_of(known)


async def owner_of(api: SquareApi, card_id: str) -> str:
    """Return the customer who keeps a card. Raises GatewayRejected when nobody does."""
    card = await api.one(lambda square: square.cards.get(in_path(card_id)), "card")
    customer = optional_identifier(card.get("customer_id"))
    if customer is None:
        raise GatewayRejected(f"the card {card_id} belongs to no customer", field="payment_method_token")
    return customer


async def latest_card_of(api: SquareApi, customer: str) -> str | None:
    """Return the card that a customer has kept last and that can still be charged."""
    found = await api.some(lambda square: square.cards.list(customer_id=customer, sort_order="DESC"), "cards")
    return next((id_of(card) for card in found if card.get("enabled") is not False), None)


def _fitting(customer_id: str) -> str:
    if len(customer_id) <= MAX_CUSTOMER_REFERENCE_LENGTH:
        return customer_id
    return hashlib.sha256(customer_id.encode()).hexdigest()


def _expiry(card: Payload) -> str | None:
    month, year = card.get("exp_month"), card.get("exp_year")
    return f"{month:02}/{year}" if type(month) is int and type(year) is int else None
