"""How payments and refunds are named at PhonePe's legacy API, where the merchant makes every name.

A name has at most 34 letters, digits, underscores and hyphens; nothing else that we say is ever repeated to us. A
callback about a refund names the refund alone, not the payment. So the names of a payment's refunds all begin with a
stem made from the payment's name, and the stem counts as another name of the payment.
"""

import base64
import hashlib
import re
import uuid

UUID_PREFIX, DIGEST_PREFIX, REFUND_PREFIX = "U", "P", "R"
DIGEST_LENGTH = 16
STEM_LENGTH = len(REFUND_PREFIX) + DIGEST_LENGTH

_NAME = re.compile(r"[A-Za-z0-9_-]{1,34}")
_MADE_HERE = re.compile(r"[UPR][A-Za-z0-9_-]{32}")
_UUID = re.compile(r"U[0-9a-f]{32}")
_IN_A_PATH = re.compile(r"[A-Za-z0-9_-]{1,64}")


def payment_name(payment_id: str) -> str:
    """Return the merchant transaction id of a payment: its own id where that fits, its digits if it is a UUID."""
    if _NAME.fullmatch(payment_id) and not _MADE_HERE.fullmatch(payment_id):
        return payment_id
    digits = payment_id.replace("-", "")
    if _UUID.fullmatch(UUID_PREFIX + digits) and str(uuid.UUID(digits)) == payment_id:
        return UUID_PREFIX + digits
    return DIGEST_PREFIX + _digest(payment_id, 2 * DIGEST_LENGTH)


def payment_id_of(name: str) -> str | None:
    """Return the payment id that a name was made from; None when the name does not say it."""
    if not _MADE_HERE.fullmatch(name):
        return name
    return str(uuid.UUID(name[len(UUID_PREFIX) :])) if _UUID.fullmatch(name) else None


def refund_stem(payment: str) -> str:
    """Return what the names of a payment's refunds begin with; `payment` is the payment's name."""
    return REFUND_PREFIX + _digest(payment, DIGEST_LENGTH)


def refund_name(payment: str, idempotency_key: str) -> str:
    """Return the merchant transaction id of the refund that a command asks for."""
    return refund_stem(payment) + _digest(idempotency_key, DIGEST_LENGTH)


def is_refund(name: str) -> bool:
    """Say whether a name is that of a refund rather than of a payment."""
    return name.startswith(REFUND_PREFIX) and _MADE_HERE.fullmatch(name) is not None


def stem_of(refund: str) -> str:
    """Return the stem of a refund's name."""
    return refund[:STEM_LENGTH]


def can_be_in_a_path(name: str) -> bool:
    """Say whether a name, which may be other software's, can be asked for."""
    return _IN_A_PATH.fullmatch(name) is not None


def _digest(text: str, length: int) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()[:length]
