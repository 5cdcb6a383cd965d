"""PayPal's vault: setup tokens that a payer approves, the payment tokens that come of them, and how these pay."""

from collections.abc import Mapping

from connectors.base import PaymentMethodRequest, StoredPaymentMethod
from connectors.outcomes import nothing_moved_yet, unreadable
from connectors.payloads import Payload, as_objects, optional_identifier, optional_text, part_of
from connectors.paypal.api import PayPalApi, id_of, path_to, request_id
from connectors.paypal.errors import GATEWAY_NAME
from domain.errors import GatewayRejected

SETUP_TOKENS, PAYMENT_TOKENS = "/v3/vault/setup-tokens", "/v3/vault/payment-tokens"

_TAKES_PAGES = frozenset({"card", "paypal"})
_STORED_CARD = {"payment_initiator": "MERCHANT", "payment_type": "UNSCHEDULED", "usage": "SUBSEQUENT"}
_STORED_WALLET = {"payment_initiator": "MERCHANT", "usage_pattern": "UNSCHEDULED_POSTPAID", "usage": "SUBSEQUENT"}
_WITHOUT_PAYER: Mapping[str, Mapping[str, object]] = {
    "card": {"stored_credential": _STORED_CARD},
    "apple_pay": {"stored_credential": _STORED_CARD},
    "paypal": {"stored_credential": _STORED_WALLET},
    "venmo": {},
}
"""The kinds of payment methods that the vault keeps, and what a charge says when the payer is not present."""


async def store_payment_method(api: PayPalApi, request: PaymentMethodRequest) -> StoredPaymentMethod:
    """Keep the payment method behind a setup token that the payer has approved, or that PayPal's client made."""
    token = await make_payment_token(api, request.token, request_id(request.idempotency_key))
    kind, details = _kept_in(token)
    customer = customer_in(token)
    if kind is None or customer is None:
        raise unreadable(GATEWAY_NAME)
    brand = optional_text(details.get("brand"))
    return StoredPaymentMethod(
        provider_reference=id_of(token),
        customer_reference=customer,
        kind=kind,
        brand=None if brand is None else brand.lower(),
        last_four=optional_text(details.get("last_digits")),
        expires=_expiry(details.get("expiry")),
    )


async def source_to_pay_with(api: PayPalApi, token_id: str, pages: Mapping[str, str]) -> Payload:
    """Return a `payment_source` that pays by a payment token while the payer is present."""
    kind = await _kind_of(api, token_id)
    context = {"experience_context": dict(pages)} if pages and kind in _TAKES_PAGES else {}
    return {kind: {"vault_id": token_id, **context}}


async def source_to_charge(api: PayPalApi, token_id: str) -> Payload:
    """Return a `payment_source` that pays by a payment token without the payer."""
    kind = await _kind_of(api, token_id)
    return {kind: {"vault_id": token_id, **_WITHOUT_PAYER[kind]}}


async def payment_token_of(api: PayPalApi, mandate_reference: str, customer_reference: str | None) -> str:
    """Return the payment token of a mandate, made of its setup token if there is none yet.

    Raises GatewayRejected when the payer has not approved the mandate.
    """
    customer = customer_reference
    setup: Payload | None = None
    if customer is None:
        setup = await api.look_up(path_to(SETUP_TOKENS, mandate_reference))
        customer = customer_in(setup)
    if customer is not None:
        listed = await api.look_up(PAYMENT_TOKENS, {"customer_id": customer})
        kept = as_objects(listed.get("payment_tokens"))
        if kept:
            return id_of(kept[0])
    setup = setup or await api.look_up(path_to(SETUP_TOKENS, mandate_reference))
    if setup.get("status") not in {"APPROVED", "VAULTED"}:
        raise GatewayRejected(f"the mandate {mandate_reference} is not approved", field="mandate_reference")
    # It moves no money, and the charge itself has not begun.
    with nothing_moved_yet():
        return id_of(await make_payment_token(api, mandate_reference, request_id("vault", mandate_reference)))


async def make_payment_token(api: PayPalApi, setup_token: str, key: str) -> Payload:
    """Turn an approved setup token into a payment token, which stays."""
    body = {"payment_source": {"token": {"id": setup_token, "type": "SETUP_TOKEN"}}}
    return await api.write(PAYMENT_TOKENS, body, key)


async def _kind_of(api: PayPalApi, token_id: str) -> str:
    kind, _ = _kept_in(await api.look_up(path_to(PAYMENT_TOKENS, token_id)))
    if kind is None:
        text = f"{GATEWAY_NAME} keeps nothing under this token that can be charged"
        raise GatewayRejected(text, field="payment_method_token")
    return kind


def _kept_in(token: Payload) -> tuple[str | None, Payload]:
    """The kind of payment method that a payment token stands for, and what is told of it."""
    kept = part_of(token, "payment_source")
    kind = next((name for name in _WITHOUT_PAYER if isinstance(kept.get(name), dict)), None)
    return (None, {}) if kind is None else (kind, kept[kind])


def customer_in(token: Payload) -> str | None:
    """Return PayPal's name of the customer that a token belongs to."""
    return optional_identifier(part_of(token, "customer").get("id"))


def _expiry(told: object) -> str | None:
    """`2030-03`, as PayPal writes it, becomes `03/2030`."""
    year, _, month = told.partition("-") if isinstance(told, str) else ("", "", "")
    return f"{month}/{year}" if year.isdecimal() and month.isdecimal() else None
