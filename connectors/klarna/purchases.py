"""What Klarna is told of a purchase: amount and lines, and the sessions in which the payer pays."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.klarna.api import KlarnaApi, klarna_amount, name_in, path_of, payload_of
from connectors.klarna.errors import GATEWAY_NAME
from connectors.klarna.names import Sessions
from connectors.klarna.registration import PAYMENT_METHODS, KlarnaCredentials
from connectors.klarna.tokens import address_of_page, address_of_session
from connectors.outcomes import nothing_moved_yet, reading, unreadable
from connectors.payloads import require_url
from domain.errors import GatewayRejected

SESSIONS, PAGES = "/payments/v1/sessions", "/hpp/v1/sessions"
MAX_LINE_NAME_LENGTH = 255
MAX_REFERENCE_LENGTH = 255
MAX_DATA_LENGTH = 6_000
PAGE_PARAMETER = "session_id"
"""The parameter of the return URL in which Klarna names the page that the payer comes from."""

ANY_METHOD = "klarna"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A purchase that a payer is asked to pay. Amounts in minor units, tax included."""

    payment_id: str
    amount_minor: int
    currency: str
    description: str | None = None
    is_captured_at_once: bool = True
    return_url: str | None = None
    payment_method: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """A hosted page: the payment's name, where the payer goes, and what opens Klarna's widget instead."""

    name: str
    url: str
    client_token: str


def lines_of(name: str, amount_minor: int, currency: str, tax_rate: int) -> dict[str, object]:
    """Return the amount and one line for all of it. `tax_rate` is in hundredths of a per cent."""
    amount = klarna_amount(amount_minor, currency)
    tax = amount * tax_rate // (10_000 + tax_rate)
    line = {
        "name": name[:MAX_LINE_NAME_LENGTH],
        "quantity": 1,
        "unit_price": amount,
        "tax_rate": tax_rate,
        "total_amount": amount,
        "total_tax_amount": tax,
    }
    return {"order_amount": amount, "order_tax_amount": tax, "order_lines": [line]}


def terms_of(purchase: Purchase, credentials: KlarnaCredentials) -> dict[str, object]:
    """Return what sessions and orders say alike."""
    name = purchase.description or f"Payment {purchase.payment_id}"
    return {
        "purchase_country": credentials.purchase_country,
        "purchase_currency": purchase.currency,
        "locale": credentials.locale,
        "merchant_reference1": purchase.payment_id[:MAX_REFERENCE_LENGTH],
        "merchant_data": _data_of(purchase),
        **lines_of(name, purchase.amount_minor, purchase.currency, credentials.tax_rate),
    }


async def begin_session(api: KlarnaApi, body: object) -> tuple[str, str]:
    """Make a payment session; returns its id and the token that opens Klarna's widget for it."""
    session = payload_of(await api.write(SESSIONS, body))
    client_token = session.get("client_token")
    if not isinstance(client_token, str) or not client_token:
        raise unreadable(GATEWAY_NAME)
    return name_in(session, "session_id"), client_token


async def open_page(api: KlarnaApi, purchase: Purchase) -> Page:
    """Make a payment session and the hosted page for it. No money moves before the payer has been there."""
    options = _options(purchase)
    terms = {**terms_of(purchase, api.credentials), "intent": "buy"}
    with nothing_moved_yet():
        urls = _urls_of_session(purchase, api.credentials)
        session_id, client_token = await begin_session(api, {**terms, "merchant_urls": urls})
    body = {
        "payment_session_url": api.base_url + path_of(SESSIONS, session_id),
        "merchant_urls": _urls_of_page(purchase, session_id, api.credentials),
        "options": options,
    }
    page = payload_of(await api.write(PAGES, body))
    with reading(GATEWAY_NAME):
        url = require_url(page, "redirect_url")
    return Page(Sessions(name_in(page, "session_id"), session_id).name, url, client_token)


def _urls_of_session(purchase: Purchase, credentials: KlarnaCredentials) -> dict[str, str]:
    secret = credentials.url_secret.get_secret_value()
    callbacks = address_of_session(credentials.callback_url, secret, purchase.payment_id)
    back = purchase.return_url or credentials.return_url
    return {"push": callbacks, "notification": callbacks, **({} if back is None else {"confirmation": back})}


def _urls_of_page(purchase: Purchase, session_id: str, credentials: KlarnaCredentials) -> dict[str, str]:
    secret = credentials.url_secret.get_secret_value()
    callbacks = address_of_page(credentials.callback_url, secret, purchase.payment_id, session_id)
    back = purchase.return_url or credentials.return_url
    ways_back = () if back is None else ("success", "cancel", "back", "failure", "error")
    return {"status_update": callbacks, **dict.fromkeys(ways_back, _naming_page(back or ""))}


def _options(purchase: Purchase) -> dict[str, object]:
    options: dict[str, object] = {
        "place_order_mode": "CAPTURE_ORDER" if purchase.is_captured_at_once else "PLACE_ORDER"
    }
    if purchase.payment_method not in {None, ANY_METHOD, *PAYMENT_METHODS}:
        text = f"{GATEWAY_NAME} has no payment method {purchase.payment_method!r}"
        raise GatewayRejected(text, field="payment_method")
    if purchase.payment_method is not None and purchase.payment_method != ANY_METHOD:
        options["payment_method_category"] = purchase.payment_method.upper()
    return options


def _data_of(purchase: Purchase) -> str:
    own = {"payment_id": purchase.payment_id}
    whole = json.dumps({**purchase.metadata, **own})
    return whole if len(whole) <= MAX_DATA_LENGTH else json.dumps(own)


def _naming_page(return_url: str) -> str:
    page, hash_sign, place = return_url.partition("#")
    # Klarna puts the page's id in the place of this mark, which it does not find when it is escaped.
    mark = PAGE_PARAMETER + "={{session_id}}"
    return f"{page}{'&' if '?' in page else '?'}{mark}{hash_sign}{place}"
