"""What PayTabs knows our payments by: the cart's id, and the cart's description for what follows.

Everything about one payment carries its cart's id, so that one query finds all of it. A capture or refund is told from
the others by the mark of its command, with which its description begins: PayTabs has no idempotency keys.
"""

import hashlib
import re

from connectors.payloads import Payload

MAX_DESCRIPTION_LENGTH = 128

_CART_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DIGEST = re.compile(r"x-[0-9a-f]{62}")
_MARK = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DIGEST_LENGTH = 62


def cart_id_of(own_id: str) -> str:
    """Return the cart's id for a payment or mandate of ours: its own id, or the id's digest when it does not fit."""
    if _CART_ID.fullmatch(own_id) and not _DIGEST.fullmatch(own_id):
        return own_id
    return f"x-{hashlib.sha256(own_id.encode()).hexdigest()[:_DIGEST_LENGTH]}"


def payment_id_in(cart_id: object) -> str | None:
    """Return the payment's id that a cart's id is; None for a digest and for what was not made here."""
    if not isinstance(cart_id, str) or not _CART_ID.fullmatch(cart_id) or _DIGEST.fullmatch(cart_id):
        return None
    return cart_id


def describe(idempotency_key: str, reason: str | None) -> str:
    """Return the description of a follow-up transaction: its command's mark, and the reason behind it."""
    words = [mark_of(idempotency_key), *(reason or "").split()]
    return " ".join(words)[:MAX_DESCRIPTION_LENGTH]


def is_marked(transaction: Payload, idempotency_key: str) -> bool:
    """Say whether a transaction was made by this very command."""
    return str(transaction.get("cart_description")).partition(" ")[0] == mark_of(idempotency_key)


def mark_of(idempotency_key: str) -> str:
    """Return what a command is told by: its key, or the key's digest when it does not fit."""
    if _MARK.fullmatch(idempotency_key):
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode()).hexdigest()
