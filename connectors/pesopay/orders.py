"""What AsiaPay knows our payments by: the order reference, of at most 35 characters.

A datafeed says that a payment was accepted, but not whether it was captured or only authorized. It does repeat the
order reference, and proves it. So the reference ends with the pay type that the order was made with.
"""

import hashlib
import re
from enum import StrEnum
from uuid import UUID

_FITS = re.compile(r"[A-Za-z0-9_-]{1,33}")
_OF_UUID = re.compile(r"[0-9a-f]{32}")
_OF_DIGEST = re.compile(r"x[0-9a-f]{32}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REFERENCE = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,33})-(?P<pay_type>[NH])")


class PayType(StrEnum):
    """AsiaPay's letters: a normal payment is captured at once, a hold is captured later."""

    NORMAL = "N"
    HOLD = "H"


def order_reference(payment_id: str, pay_type: PayType) -> str:
    """Return the order reference of a payment: always the same, and always its own.

    A UUID goes without its hyphens, and an id that does not fit becomes a digest.
    """
    if _UUID.fullmatch(payment_id):
        name = payment_id.replace("-", "")
    elif _FITS.fullmatch(payment_id) and not _OF_UUID.fullmatch(payment_id) and not _OF_DIGEST.fullmatch(payment_id):
        name = payment_id
    else:
        name = "x" + hashlib.sha256(payment_id.encode()).hexdigest()[:32]
    return f"{name}-{pay_type}"


def pay_type_of(reference: str) -> PayType | None:
    """Return the pay type that an order was made with; None for an order that was not made here."""
    match = _REFERENCE.fullmatch(reference)
    return None if match is None else PayType(match["pay_type"])


def payment_id_in(reference: str) -> str | None:
    """Return the payment's id that an order reference tells; None for a digest and for what was not made here."""
    match = _REFERENCE.fullmatch(reference)
    if match is None or _OF_DIGEST.fullmatch(match["name"]):
        return None
    return str(UUID(match["name"])) if _OF_UUID.fullmatch(match["name"]) else match["name"]
