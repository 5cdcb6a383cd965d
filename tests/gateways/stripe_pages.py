"""The local Stripe's customers, mandates, payment links and checkout sessions."""

import secrets
import time
from datetime import timedelta

from tests.gateways.stripe_form import Params
from tests.gateways.stripe_state import (
    CHALLENGED,
    DECLINED,
    Item,
    Refusal,
    StripeState,
    challenge,
    currency,
    integer,
    refuse_others,
)

SHORTEST, LONGEST = timedelta(minutes=30), timedelta(hours=24)
"""How long a checkout session may stay open."""

_SETUP_FIELDS = frozenset(
    {"automatic_payment_methods", "confirm", "customer", "metadata", "payment_method", "return_url", "usage"}
)
_LINK_FIELDS = frozenset({"line_items", "metadata", "payment_intent_data", "restrictions"})
_SESSION_FIELDS = frozenset({"expires_at", "line_items", "metadata", "mode", "payment_intent_data", "success_url"})


def create_customer(state: StripeState, params: Params) -> Item:
    """Create a customer."""
    refuse_others(params, frozenset({"metadata"}))
    return state.add("cus", "customer", metadata=params.get("metadata", {}))


def attach_method(state: StripeState, token: str, params: Params) -> Item:
    """Attach a payment method to a customer."""
    refuse_others(params, frozenset({"customer"}))
    customer = state.find(str(params.get("customer")), "customer")
    method = state.method(token)
    if method["customer"] not in {None, customer["id"]}:
        raise Refusal(400, "The payment method you provided has already been attached to a customer.")
    if method["test_card"] == DECLINED:
        raise Refusal(402, "Your card was declined.", code="card_declined", kind="card_error")
    method["customer"] = customer["id"]
    return method


def create_setup(state: StripeState, params: Params) -> Item:
    """Create a setup intent and, when asked, confirm it."""
    refuse_others(params, _SETUP_FIELDS)
    customer = state.find(str(params.get("customer")), "customer")
    intent = state.add(
        "seti",
        "setup_intent",
        customer=customer["id"],
        last_setup_error=None,
        metadata=params.get("metadata", {}),
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
        usage=params.get("usage", "off_session"),
    )
    intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(6)}"
    if params.get("confirm") == "true":
        redirects = params.get("automatic_payment_methods", {}).get("allow_redirects")
        if "return_url" not in params and redirects != "never":
            raise Refusal(400, "You must provide a return_url", code="parameter_invalid")
        confirm_setup(state, intent["id"], params)
    return intent


def confirm_setup(state: StripeState, intent_id: str, params: Params) -> Item:
    """Confirm a setup intent, as the payer's client does."""
    intent = state.find(intent_id, "setup_intent")
    method = attach_method(state, str(params.get("payment_method")), {"customer": intent["customer"]})
    intent.update(payment_method=method["id"], status="succeeded")
    if method["test_card"] == CHALLENGED:
        url = f"https://hooks.stripe.example/{intent['id']}"
        intent.update(status="requires_action", next_action=challenge(url, params.get("return_url")))
    return intent


def create_link(state: StripeState, params: Params) -> Item:
    """Create a payment link."""
    refuse_others(params, _LINK_FIELDS)
    terms = _terms(params)
    restrictions = params.get("restrictions")
    link = state.add("plink", "payment_link", active=True, restrictions=restrictions, url=None, **terms)
    link["url"] = f"https://buy.stripe.example/test_{link['id']}"
    return link


def update_link(state: StripeState, link_id: str, params: Params) -> Item:
    """Open or close a payment link."""
    refuse_others(params, frozenset({"active"}))
    link = state.find(link_id, "payment_link")
    link["active"] = params.get("active") == "true"
    return link


def create_session(state: StripeState, params: Params) -> Item:
    """Create a checkout session for one payment."""
    refuse_others(params, _SESSION_FIELDS)
    lifetime = timedelta(seconds=integer(params, "expires_at") - time.time())
    if not SHORTEST <= lifetime <= LONGEST:
        raise Refusal(400, "expires_at must be between 30 minutes and 24 hours from now.", code="parameter_invalid")
    if params.get("mode") != "payment" or not params.get("success_url"):
        raise Refusal(400, "Missing required param: success_url.", code="parameter_invalid")
    return _open_session(state, _terms(params), None)


def expire_session(state: StripeState, session_id: str) -> Item:
    """Close a checkout session that is open."""
    session = state.find(session_id, "checkout.session")
    if session["status"] != "open":
        raise Refusal(400, "Only Checkout Sessions with a status in [open] can be expired.")
    session.update(status="expired", url=None)
    return session


def sessions_of(state: StripeState, link_id: str) -> list[Item]:
    """Return the checkout sessions that payers opened through a payment link, the latest first."""
    sessions = (item for item in state.items.values() if item["object"] == "checkout.session")
    return [session for session in sessions if session["payment_link"] == link_id][::-1]


def pay(state: StripeState, page_id: str, token: str) -> Item:
    """Pay by a payment link or a checkout session, as a payer does; returns the session."""
    page = state.items.get(page_id, {})
    if page.get("object") == "payment_link":
        if not page["active"]:
            raise Refusal(400, "This link is no longer active.")
        session = _open_session(
            state, {name: page[name] for name in ("amount", "currency", "metadata", "data")}, page_id
        )
        page["active"] = page["restrictions"] is None
    else:
        session = state.find(page_id, "checkout.session")
    if session["status"] != "open":
        raise Refusal(400, "This session is no longer open.")
    metadata = session["data"].get("metadata", {})
    terms = {"amount": str(session["amount_total"]), "currency": session["currency"], "metadata": metadata}
    intent = state.create_intent({**terms, "confirm": "true", "payment_method": token})
    session.update(status="complete", payment_status="paid", payment_intent=intent["id"], url=None)
    return session


def _terms(params: Params) -> Item:
    (line,) = params["line_items"]
    price = line["price_data"]
    if not price["product_data"]["name"] or line["quantity"] != "1":
        raise Refusal(400, "Missing required param: name.", code="parameter_invalid")
    return {
        "amount": integer(price, "unit_amount"),
        "currency": currency(price),
        "metadata": params.get("metadata", {}),
        "data": params.get("payment_intent_data", {}),
    }


def _open_session(state: StripeState, terms: Item, link_id: str | None) -> Item:
    session = state.add(
        "cs_test",
        "checkout.session",
        amount_total=terms["amount"],
        currency=terms["currency"],
        data=terms["data"],
        metadata=terms["metadata"],
        mode="payment",
        payment_intent=None,
        payment_link=link_id,
        payment_status="unpaid",
        status="open",
        url=None,
    )
    session["url"] = f"https://checkout.stripe.example/c/pay/{session['id']}#{secrets.token_hex(300)}"
    return session
