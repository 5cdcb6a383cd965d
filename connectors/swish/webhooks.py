"""Swish's callbacks: proven by the identifier that the request was made with, then read as hints.

Swish signs nothing and shows no certificate; it only repeats, in a header, what it was told with the request. That
proves which request a callback is about, not what has become of it: so the request is read back.
"""

from collections.abc import Sequence

from connectors.base import Callback
from connectors.callback_proofs import is_one_of, refuse_long, require_header, usable_secrets
from connectors.payloads import Payload, parse_object, require_identifier
from connectors.swish.names import callback_identifier
from domain.errors import VerificationFailed

IDENTIFIER_HEADER = "callbackidentifier"


def verify_identifier(callback: Callback, secrets: Sequence[str]) -> Payload:
    """Return the payment request or refund that a callback is about, once one of the secrets proves it.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`, and
    MalformedPayload for a body that does not say what it is about.
    """
    usable = usable_secrets(secrets, "callback secret", "Swish")
    told = require_header(callback, IDENTIFIER_HEADER)
    refuse_long(callback, "Swish")
    item = parse_object(callback.body)
    instruction = require_identifier(item, "id")
    if not is_one_of(told, (callback_identifier(secret, instruction) for secret in usable)):
        raise VerificationFailed("the callback's identifier is not the request's", code="signature_invalid")
    return item
