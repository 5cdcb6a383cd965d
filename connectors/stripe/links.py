"""Stripe's pages to pay on: a checkout session for a link that expires, a payment link for any other.

A checkout session can be paid once and stays open for 30 minutes to 24 hours. A payment link stays open until it is
cancelled, or until it was paid once if it is not reusable.
"""

from dataclasses import dataclass
from datetime import datetime

import stripe

from connectors.base import PaymentLinkAnswer, PaymentLinkRequest
from connectors.outcomes import reading
from connectors.payloads import Payload, require_url
from connectors.stripe.api import PAGE_SIZE, StripeApi, id_of, read_facts, stripe_amount
from connectors.stripe.errors import GATEWAY_NAME
from connectors.stripe.status import Source, facts_of_session, name_of
from domain.errors import GatewayRejected
from domain.facts import Fact

SESSION_PREFIX, LINK_PREFIX = "cs_", "plink_"
MAX_NAME_LENGTH = 250


@dataclass(frozen=True, slots=True)
class BehindLink:
    """What was found behind a link: the payment intents made by it, and what it says itself."""

    intent_ids: tuple[str, ...]
    facts: tuple[Fact, ...]


def is_link(provider_reference: str) -> bool:
    """Say whether a name is that of a link rather than of a payment."""
    return provider_reference.startswith((SESSION_PREFIX, LINK_PREFIX))


async def create_payment_link(api: StripeApi, request: PaymentLinkRequest) -> PaymentLinkAnswer:
    """Make a link. The payment made by a one-time link carries our `payment_id` as metadata.

    Raises GatewayRejected for a reusable link that expires, which Stripe does not have, and for one that expires while
    the account has no `payment_link_return_url`, which checkout sessions need.
    """
    if request.expires_at is None:
        made = await _create_link(api, request)
    elif request.reusable:
        raise GatewayRejected(f"{GATEWAY_NAME} has no reusable links that expire", field="expires_at")
    else:
        made = await _create_session(api, request, request.expires_at)
    with reading(GATEWAY_NAME):
        url = require_url(made, "url")
    return PaymentLinkAnswer(provider_reference=id_of(made), url=url)


async def cancel_payment_link(api: StripeApi, provider_reference: str) -> None:
    """Close a link. Closing it again does nothing; raises GatewayRejected for a session that was paid."""
    if provider_reference.startswith(LINK_PREFIX):
        await api.one(api.v1.payment_links.update_async(provider_reference, {"active": False}))
        return
    try:
        await api.one(api.v1.checkout.sessions.expire_async(provider_reference))
    except GatewayRejected:
        session = await api.one(api.v1.checkout.sessions.retrieve_async(provider_reference))
        if session.get("status") != "expired":
            raise


async def read_link(api: StripeApi, provider_reference: str, account: str) -> BehindLink:
    """Look for the payments behind a link."""
    source = Source(account)
    sessions = api.v1.checkout.sessions
    if provider_reference.startswith(SESSION_PREFIX):
        session = await api.one(sessions.retrieve_async(provider_reference))
        intent_id, status = name_of(session.get("payment_intent")), str(session.get("status"))
        if intent_id is not None:
            return BehindLink((intent_id,), ())
        facts = read_facts([session], lambda item, origin: facts_of_session(item, origin, status), source)
        return BehindLink((), facts)
    found = await api.all(sessions.list_async({"payment_link": provider_reference, "limit": PAGE_SIZE}))
    return BehindLink(tuple(filter(None, (name_of(session.get("payment_intent")) for session in found))), ())


async def _create_link(api: StripeApi, request: PaymentLinkRequest) -> Payload:
    params: stripe.params.PaymentLinkCreateParams = {
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": request.currency.lower(),
                    "unit_amount": stripe_amount(request.amount_minor, request.currency),
                    "product_data": {"name": request.description[:MAX_NAME_LENGTH]},
                },
            }
        ],
        "metadata": _metadata(request),
        "payment_intent_data": {"metadata": _metadata(request)},
    }
    if not request.reusable:
        params["restrictions"] = {"completed_sessions": {"limit": 1}}
    return await api.one(api.v1.payment_links.create_async(params, {"idempotency_key": request.idempotency_key}))


async def _create_session(api: StripeApi, request: PaymentLinkRequest, expires_at: datetime) -> Payload:
    return_url = api.credentials.payment_link_return_url
    if return_url is None:
        text = f"links that expire need the page that {GATEWAY_NAME} leads the payer back to: payment_link_return_url"
        raise GatewayRejected(text, field="expires_at")
    params: stripe.params.checkout.SessionCreateParams = {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": request.currency.lower(),
                    "unit_amount": stripe_amount(request.amount_minor, request.currency),
                    "product_data": {"name": request.description[:MAX_NAME_LENGTH]},
                },
            }
        ],
        "expires_at": int(expires_at.timestamp()),
        "success_url": return_url,
        "metadata": _metadata(request),
        "payment_intent_data": {"metadata": _metadata(request)},
    }
    return await api.one(api.v1.checkout.sessions.create_async(params, {"idempotency_key": request.idempotency_key}))


def _metadata(request: PaymentLinkRequest) -> dict[str, str]:
    """What payments made by the link echo. Several payers of a reusable link must not fold into one payment."""
    if request.reusable:
        return {"payment_link_id": request.payment_link_id}
    return {"payment_id": request.payment_id, "payment_link_id": request.payment_link_id}
