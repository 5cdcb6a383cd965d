"""Tokens in the addresses of callbacks, which prove that whoever posts was told the address.

Klarna signs nothing, so each payment's address carries a token that is made from the account's secret and the payment's
names. An address that leaks proves nothing about any other payment. Klarna Network posts about all payments to one
address, whose token is made for the account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from connectors.callback_proofs import hmac_sha256, is_one_of, usable_secrets
from connectors.payloads import optional_identifier
from domain.errors import VerificationFailed

PAYMENT, SESSION, TOKEN, ORDER = "payment", "session", "token", "order_id"
ACCOUNT = "account"
ORDER_PLACEHOLDER = "{order.id}"
"""What Klarna Payments puts an order's id in the place of."""


@dataclass(frozen=True, slots=True)
class Address:
    """What the address of a proven callback says. The order's id comes from Klarna and the token does not cover it."""

    payment_id: str | None
    session_id: str | None
    order_id: str | None


def url_token(secret: str, *names: str) -> str:
    """Return the token for a payment (its id, and its session's where that is known) or, without names, the account."""
    # Names have no spaces, and a payment's first word is never the account's.
    text = " ".join((PAYMENT, *names)) if names else ACCOUNT
    return hmac_sha256(secret, text.encode()).hex()


def address_of_session(callback_url: str, secret: str, payment_id: str) -> str:
    """Return the address for callbacks of a payment session that is yet to be made; they name their order in it."""
    query = urlencode({PAYMENT: payment_id, TOKEN: url_token(secret, payment_id)})
    return f"{callback_url}?{query}&{ORDER}={ORDER_PLACEHOLDER}"


def address_of_page(callback_url: str, secret: str, payment_id: str, session_id: str) -> str:
    """Return the address for callbacks of a hosted page."""
    token = url_token(secret, payment_id, session_id)
    return f"{callback_url}?{urlencode({PAYMENT: payment_id, SESSION: session_id, TOKEN: token})}"


def verify_address(target: str, secrets: Sequence[str]) -> Address:
    """Return what the address says once one of the secrets proves it.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`.
    """
    usable = usable_secrets(secrets, "URL secret", "Klarna")
    parameters = parse_qs(target.partition("?")[2], keep_blank_values=True)
    tokens = parameters.get(TOKEN, [])
    if len(tokens) != 1 or not tokens[0]:
        raise VerificationFailed(f"the parameter {TOKEN} must come exactly once", code="signature_missing")
    payment_id, session_id = (_only(parameters.get(key, [])) for key in (PAYMENT, SESSION))
    names = [name for name in (payment_id, session_id) if name is not None]
    is_ours = is_one_of(tokens[0], (url_token(secret, *names) for secret in usable))
    if not is_ours or (payment_id is None and session_id is not None):
        raise VerificationFailed("the token in the address is not one of ours", code="signature_invalid")
    return Address(payment_id, session_id, _only(parameters.get(ORDER, [])))


def _only(values: Sequence[str]) -> str | None:
    return optional_identifier(values[0]) if len(values) == 1 else None
