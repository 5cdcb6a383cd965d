"""Square's orders: each holds one payment of ours as a single line, whose price is what the payer owes."""

import re
from collections.abc import Mapping

from connectors.base import GatewayAnswer, OrderRequest
from connectors.outcomes import reading
from connectors.payloads import Payload, as_objects, optional_identifier
from connectors.square.api import MAX_REFERENCE_LENGTH, Money, SquareApi, id_of, in_path, square_key, square_money
from connectors.square.errors import GATEWAY_NAME
from connectors.square.status import PAYMENT_ID, read_money
from domain.errors import GatewayRejected
from domain.facts import Fact

LINE = "payment"
"""What the order's only line is called in it, to be changed by that name."""

MAX_LINE_NAME_LENGTH = 512
MAX_METADATA_VALUE_LENGTH = 255
MAX_METADATA_ENTRIES = 10

_METADATA_KEY = re.compile(r"[a-zA-Z0-9_-]{1,60}")


async def create_order(api: SquareApi, request: OrderRequest) -> Payload:
    """Create an order, and check that the payer owes nothing but the payment."""
    money = square_money(request.amount_minor, request.currency)
    content = order_content(api, request.payment_id, money, request.description, request.metadata)
    key = square_key(request.idempotency_key)
    order = await api.one(lambda square: square.orders.create(order=content, idempotency_key=key), "order")
    if total_of(order) != (request.amount_minor, request.currency):
        raise GatewayRejected(f"{GATEWAY_NAME} put something onto the order {id_of(order)}, which is not for that sum")
    return order


def order_content(
    api: SquareApi, payment_id: str, money: Money, description: str | None, metadata: Mapping[str, str]
) -> dict[str, object]:
    """Return an order as Square is to make it.

    Of the metadata, what Square has room for: it is for people to read there, and the rest of it stays with us.
    """
    fitting = {
        key: value
        for key, value in metadata.items()
        if key != PAYMENT_ID and _METADATA_KEY.fullmatch(key) and 0 < len(value) <= MAX_METADATA_VALUE_LENGTH
    }
    content: dict[str, object] = {
        "location_id": api.credentials.location_id,
        "line_items": [
            {
                "uid": LINE,
                "name": (description or f"Payment {payment_id}")[:MAX_LINE_NAME_LENGTH],
                "quantity": "1",
                "base_price_money": money,
            }
        ],
        "metadata": dict(list(fitting.items())[: MAX_METADATA_ENTRIES - 1]) | {PAYMENT_ID: payment_id},
    }
    if len(payment_id) <= MAX_REFERENCE_LENGTH:
        content["reference_id"] = payment_id
    return content


async def set_total(api: SquareApi, order: Payload, money: Money, key: str) -> Payload:
    """Change what the payer owes on an order of ours. Square wants to know which version of it is changed."""
    version = order.get("version")
    content = {
        "location_id": api.credentials.location_id,
        "version": version,
        "line_items": [{"uid": LINE, "quantity": "1", "base_price_money": money}],
    }
    name, sent_key = in_path(id_of(order)), square_key(key, "total", str(version))
    return await api.one(lambda square: square.orders.update(name, order=content, idempotency_key=sent_key), "order")


async def cancel_order(api: SquareApi, order: Payload, key: str) -> Payload:
    """Give an order up that nobody has paid."""
    version = order.get("version")
    content = {"location_id": api.credentials.location_id, "version": version, "state": "CANCELED"}
    name, sent_key = in_path(id_of(order)), square_key(key, "cancel", str(version))
    return await api.one(lambda square: square.orders.update(name, order=content, idempotency_key=sent_key), "order")


def is_ours(order: Payload) -> bool:
    """Say whether an order is one that was made here, of our line alone. Square would add that line to any other."""
    return [line.get("uid") for line in as_objects(order.get("line_items"))] == [LINE]


def payments_on(order: Payload) -> tuple[str, ...]:
    """Return the names of Square's payments on an order. A tender is named after its payment."""
    tenders = as_objects(order.get("tenders"))
    names = (optional_identifier(tender.get("payment_id") or tender.get("id")) for tender in tenders)
    return tuple(filter(None, names))


def total_of(order: Payload) -> tuple[int, str]:
    """Return what the payer owes, in ISO minor units. Raises OutcomeUnknown when it cannot be read."""
    with reading(GATEWAY_NAME):
        return read_money(order.get("total_money"))


def answer_of_order(order: Payload, facts: tuple[Fact, ...] = ()) -> GatewayAnswer:
    """Return what is known of a payment, named after its order."""
    amount_minor, currency = total_of(order)
    return GatewayAnswer(provider_reference=id_of(order), facts=facts, amount_minor=amount_minor, currency=currency)
