"""Swish's callbacks: proven by the identifier that the request was made with, then read as hints.

Swish signs nothing and shows no certificate; it only repeats, in a header, what it was told with the request. That
proves which request a callback is about, not what has become of it: so the request is read back.
"""

import hmac
from collections.abc import Sequence

from connectors.base import Callback, only_header
from connectors.payloads import Payload, parse_object, require_identifier
from connectors.swish.names import callback_identifier
from domain.errors import MalformedPayload, VerificationFailed

IDENTIFIER_HEADER = "callbackidentifier"


def verify_identifier(callback: Callback, secrets: Sequence[str]) -> Payload:
    """Return the payment request or refund that a callback is about, once one of the secrets proves it.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`, and
    MalformedPayload for a body that does not say what it is about.
    """
    usable = [secret for secret in secrets if secret.strip()]
    if not usable or not secrets[0].strip():
        raise VerificationFailed("no callback secret is set for Swish", code="secret_missing")
    told = only_header(callback.headers, IDENTIFIER_HEADER)
    if told is None:
        raise VerificationFailed(f"the header {IDENTIFIER_HEADER} must come exactly once", code="signature_missing")
    try:
        item = parse_object(callback.body.decode())
    except UnicodeDecodeError as error:
        raise MalformedPayload("the callback is not UTF-8") from error
    instruction = require_identifier(item, "id")
    identifiers = (callback_identifier(secret, instruction) for secret in usable)
    if not any(hmac.compare_digest(identifier.encode(), told.encode()) for identifier in identifiers):
        raise VerificationFailed("the callback's identifier is not the request's", code="signature_invalid")
    return item
