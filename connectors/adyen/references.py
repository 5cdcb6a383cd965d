"""What our payments are called at Adyen: our own id, and behind it how the payment is captured.

Adyen signs only eight fields of a callback. The merchant reference is the one among them that is ours to choose. None
of the others says whether an authorization was captured at once or waits for its capture, so the reference does:

- `payment-1.sale`: captured together with its authorization, so that AUTHORISATION tells of the money. Whatever CAPTURE
  events follow are about that same capture and are named after the authorization too: it counts once.
- `payment-1.auth`: captured by our requests, each of which is a capture with a name of its own.
- `mandate-1.mandate`: no money, a payment method that is kept for later.

A payment with any other reference was not made here. Its authorizations are not taken for captures, and its captures
are named after their authorization, so that nothing of it counts twice either.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from connectors.payloads import optional_identifier

MAX_REFERENCE_LENGTH = 80
DIGEST_PREFIX = "sha256-"

_LEFT_ALONE = re.compile(r"[^:\\]+")
"""The colon separates the fields that Adyen signs, and older signatures escape both characters."""


class Purpose(StrEnum):
    """What an authorization is for."""

    SALE = "sale"
    AUTH = "auth"
    MANDATE = "mandate"


@dataclass(frozen=True, slots=True)
class OwnReference:
    """A merchant reference of ours, taken apart. `subject_id` is None where the reference has only its digest."""

    subject_id: str | None
    purpose: Purpose


def reference_of(subject_id: str, purpose: Purpose) -> str:
    """Return the merchant reference of a payment or mandate, with the id's digest where Adyen takes no such id."""
    reference = f"{subject_id}.{purpose}"
    if len(reference) <= MAX_REFERENCE_LENGTH and _LEFT_ALONE.fullmatch(subject_id):
        return reference
    return f"{DIGEST_PREFIX}{hashlib.sha256(subject_id.encode()).hexdigest()}.{purpose}"


def read_reference(value: object) -> OwnReference | None:
    """Take a merchant reference apart; None for one that was not made here."""
    subject_id, _, purpose = (optional_identifier(value) or "").rpartition(".")
    if not subject_id or purpose not in set(Purpose):
        return None
    return OwnReference(None if subject_id.startswith(DIGEST_PREFIX) else subject_id, Purpose(purpose))


def purpose_of(reference: object) -> Purpose | None:
    """Return what a merchant reference says about capturing; None for one that was not made here."""
    own = read_reference(reference)
    return None if own is None else own.purpose
