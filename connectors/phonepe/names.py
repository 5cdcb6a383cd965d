"""How payments, charges, mandates and refunds are named at PhonePe, where the merchant makes every name.

Names are made from our own ids, so that the same thing asked for again has the same name and is done once. PhonePe
takes 63 letters, digits, underscores and hyphens; an id that is none is replaced by its digest.
"""

import hashlib
import re

CHARGE_PREFIX = "mandate-charge-"
SETUP_PREFIX = "mandate-setup-"
DIGEST_PREFIX = "sha256-"
DIGEST_LENGTH = 40

_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")


def order_name(payment_id: str) -> str:
    """Return the merchant order id of a payment: its own id where that fits."""
    if payment_id.startswith((CHARGE_PREFIX, SETUP_PREFIX)):
        # It would look like an order of another kind, whose status is read elsewhere.
        return DIGEST_PREFIX + _digest(payment_id)
    return _fitted("", payment_id)


def charge_name(payment_id: str) -> str:
    """Return the merchant order id of a charge of a mandate; its status is read elsewhere than an order's."""
    return _fitted(CHARGE_PREFIX, payment_id)


def is_charge(name: str) -> bool:
    """Say whether a merchant order id is that of a charge of a mandate."""
    return name.startswith(CHARGE_PREFIX)


def mandate_name(mandate_id: str) -> str:
    """Return the merchant subscription id of a mandate."""
    return _fitted("", mandate_id)


def setup_name(mandate_id: str) -> str:
    """Return the merchant order id of the order by which a mandate is confirmed."""
    return _fitted(SETUP_PREFIX, mandate_id)


def refund_name(idempotency_key: str) -> str:
    """Return the merchant refund id of the refund that a command asks for."""
    return _fitted("", idempotency_key)


def is_name(text: str) -> bool:
    """Say whether a text can be a name at PhonePe, and so a part of a path there."""
    return _NAME.fullmatch(text) is not None


def _fitted(prefix: str, own_id: str) -> str:
    name = prefix + own_id
    return name if is_name(name) else prefix + DIGEST_PREFIX + _digest(own_id)


def _digest(own_id: str) -> str:
    return hashlib.sha256(own_id.encode()).hexdigest()[:DIGEST_LENGTH]
