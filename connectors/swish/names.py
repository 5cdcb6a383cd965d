"""How payments and refunds are named at Swish.

Swish lets the merchant choose the UUID of an instruction, so it is made from the command's idempotency key: the same
command always means the same instruction, and one whose answer was lost can be asked for. Nothing has to be stored.
"""

import hashlib
import re
import uuid

from connectors.callback_proofs import hmac_sha256
from connectors.payloads import optional_identifier

CALLBACK_IDENTIFIER_LENGTH = 36
MAX_REFERENCE_LENGTH = 35

_REFERENCE = re.compile(r"[0-9A-Za-z-]{1,35}")


def instruction_of(idempotency_key: str) -> str:
    """Return the UUID of the instruction for a command: 32 hexadecimal digits in capitals."""
    return uuid.uuid5(uuid.NAMESPACE_OID, idempotency_key).hex.upper()


def callback_identifier(secret: str, instruction: str) -> str:
    """Return the identifier that callbacks about an instruction repeat, which nobody can guess without the secret."""
    return hmac_sha256(secret, instruction.encode()).hex()[:CALLBACK_IDENTIFIER_LENGTH]


def reference_of(payment_id: str) -> str:
    """Return the reference of a payment of ours at Swish: its id, or the id's digest where that cannot be one."""
    if _REFERENCE.fullmatch(payment_id):
        return payment_id
    return hashlib.sha256(payment_id.encode()).hexdigest()[:MAX_REFERENCE_LENGTH]


def payment_id_in(reference: object, expected: str | None = None) -> str | None:
    """Return our payment's id from its reference. `expected` is the payment asked for: a digest alone does not tell."""
    if expected is not None and reference == reference_of(expected):
        return expected
    payment_id = optional_identifier(reference)
    return None if payment_id is None or len(payment_id) == MAX_REFERENCE_LENGTH else payment_id
