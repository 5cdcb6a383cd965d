"""Placing orders and reading them: with what the payer authorized, by a customer token, or from a hosted page.

Placing an order is the moment in which money is promised. Klarna takes no idempotency key where an authorization is
turned into an order; each authorization can be used once.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.base import AuthorizationRequest, GatewayAnswer, StatusRequest
from connectors.klarna.api import KlarnaApi, name_in, path_of, payload_of, read_facts
from connectors.klarna.errors import GATEWAY_NAME
from connectors.klarna.names import Sessions, sessions_in
from connectors.klarna.purchases import PAGES, SESSIONS
from connectors.klarna.status import (
    Source,
    facts_of_order,
    facts_of_page,
    map_status,
    payment_id_in,
    read_money,
)
from connectors.outcomes import reading
from connectors.payloads import Payload, optional_identifier, optional_url
from domain.errors import GatewayError, GatewayRejected, OutcomeUnknown
from domain.facts import Fact, FactKind

AUTHORIZATIONS, ORDERS = "/payments/v1/authorizations", "/ordermanagement/v1/orders"

_COPIED = (
    "purchase_country",
    "purchase_currency",
    "locale",
    "order_amount",
    "order_tax_amount",
    "order_lines",
    "merchant_reference1",
    "merchant_data",
    "merchant_urls",
)
"""What an order must say exactly as its session did."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that Klarna has just taken."""

    order_id: str
    fraud_status: str
    redirect_url: str | None


async def authorize(api: KlarnaApi, request: AuthorizationRequest) -> GatewayAnswer:
    """Place the order that the payer has authorized in Klarna's widget; the token is the widget's.

    The order says what its session says. Raises OutcomeUnknown when the session has been used for an order before,
    whose id Klarna does not tell.
    """
    sessions = sessions_in(request.provider_reference)
    if sessions is None:
        raise GatewayRejected(f"{request.provider_reference} is an order already", field="provider_reference")
    session = await api.look_up(path_of(SESSIONS, sessions.session_id))
    if session.get("status") == "complete":
        raise OutcomeUnknown(f"{GATEWAY_NAME} has an order for the session {sessions.session_id} already")
    body = {key: session[key] for key in _COPIED if session.get(key) is not None}
    body["auto_capture"] = not request.manual_capture
    path = f"{path_of(AUTHORIZATIONS, request.payment_method_token)}/order"
    placed = placed_in(payload_of(await api.write(path, body)))
    return await answer_of_placed(api, placed, session, request.account, (request.provider_reference, placed.order_id))


def placed_in(answer: Payload) -> Placed:
    """Return what Klarna says of an order that it has taken. Raises OutcomeUnknown when that cannot be read."""
    return Placed(
        order_id=name_in(answer, "order_id"),
        fraud_status=str(answer.get("fraud_status")),
        redirect_url=optional_url(answer.get("redirect_url")),
    )


async def answer_of_placed(
    api: KlarnaApi, placed: Placed, terms: Payload, account: str, names: Sequence[str]
) -> GatewayAnswer:
    """Return an order that was just placed as an answer, with its capture where it was captured at once.

    `terms` are what it was placed with: amount, currency and our own data.
    """
    source = _source_of(account, names, terms)
    try:
        facts = read_facts(await api.read(path_of(ORDERS, placed.order_id)), facts_of_order, source)
    except GatewayError:
        # The order was taken: that it cannot be read back at once must not make it look as if nobody knew.
        facts = _facts_of_placed(placed, terms, source)
    parameters = {} if placed.redirect_url is None else {"redirect_url": placed.redirect_url}
    return GatewayAnswer(provider_reference=names[0], facts=facts, client_parameters=parameters)


async def fetch_status(api: KlarnaApi, request: StatusRequest) -> GatewayAnswer:
    """Return what Klarna knows of an order, or of the hosted page while there is no order.

    Klarna forgets pages after two days, and orders never: so an order whose id is known is read by it.
    """
    reference = request.provider_reference
    sessions, order_id = sessions_in(reference), request.authorization_reference
    if sessions is None:
        order_id = reference
    elif order_id is None:
        page = await api.read(path_of(PAGES, sessions.page_id))
        order_id = order_in(page)
        if order_id is None:
            facts = read_facts(page, facts_of_page, Source(account=request.account, names=(reference,)))
            return GatewayAnswer(provider_reference=reference, facts=facts)
    order = await api.read(path_of(ORDERS, order_id))
    if sessions is None:
        await _acknowledge(api, order_id, order)
    return _answer_of_order(order, request.account, tuple(dict.fromkeys((reference, order_id))))


def order_in(page: Payload) -> str | None:
    """Return the order that came of a hosted page, if one did. Raises OutcomeUnknown for what is no page."""
    name_in(page, "status")
    return optional_identifier(page.get("order_id"))


async def order_on_page(api: KlarnaApi, sessions: Sessions) -> str | None:
    """Look up the order that came of a hosted page, if one did."""
    return order_in(await api.look_up(path_of(PAGES, sessions.page_id)))


def _answer_of_order(order: Payload, account: str, names: Sequence[str]) -> GatewayAnswer:
    facts = read_facts(order, facts_of_order, _source_of(account, names, order))
    with reading(GATEWAY_NAME):
        amount_minor, currency = read_money(order.get("original_order_amount", order.get("order_amount")), order)
    return GatewayAnswer(provider_reference=names[0], facts=facts, amount_minor=amount_minor, currency=currency)


def _source_of(account: str, names: Sequence[str], terms: Payload) -> Source:
    return Source(account=account, names=tuple(names), payment_id=payment_id_in(terms.get("merchant_data")))


def _facts_of_placed(placed: Placed, terms: Payload, source: Source) -> tuple[Fact, ...]:
    kind = map_status("fraud", placed.fraud_status)
    if kind is FactKind.FAILED:
        return (source.fact(kind, placed.order_id, reason="Klarna sees a risk of fraud"),)
    if kind is not None:
        return (source.fact(kind, placed.order_id, movement=placed.order_id),)
    with reading(GATEWAY_NAME):
        return (source.authorized(placed.order_id, read_money(terms.get("order_amount"), terms)),)


async def _acknowledge(api: KlarnaApi, order_id: str, order: Payload) -> None:
    """Tell Klarna Checkout that its order has been seen: until then it pushes the same order again and again."""
    if map_status("order", str(order.get("status"))) is not FactKind.AUTHORIZED:
        return
    # The order is read either way, and a push that comes again does no harm.
    with contextlib.suppress(GatewayError):
        await api.change(f"{path_of(ORDERS, order_id)}/acknowledge", key=f"acknowledge {order_id}")
