"""Callbacks of PhonePe's legacy API: a response in base64, signed as it stands with the salt key.

The checksum covers the response and has no time, so a callback never grows stale. One is posted when a transaction has
come to its end, and perhaps never: PhonePe wants the status to be asked for.
"""

import base64
import binascii
from collections.abc import Sequence

from connectors.base import Callback
from connectors.callback_proofs import refuse_long, require_header
from connectors.payloads import Payload, as_object, numbered, parse_object, require_identifier, unmapped_status
from connectors.phonepe_v1.checksums import HEADER, Salt, is_signed
from connectors.phonepe_v1.status import Source, entity_of, facts_of_transaction, is_known
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind


def verify_checksum(callback: Callback, salts: Sequence[Salt]) -> str:
    """Return the response once the checksum of one of the salt keys proves it.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`.
    """
    if not salts or salts[0].is_empty:
        raise VerificationFailed("no salt key is set for PhonePe", code="secret_missing")
    told = require_header(callback, HEADER.lower())
    refuse_long(callback, "PhonePe")
    response = _response_in(callback)
    usable = [salt for salt in salts if not salt.is_empty]
    if response is None or not is_signed(response, told, usable):
        raise VerificationFailed(f"the {HEADER} of PhonePe does not match the response", code="signature_invalid")
    return response


def read_response(response: str, callback: Callback, merchant_id: str) -> tuple[Fact, ...]:
    """Return the facts of a proven response, at least one.

    Raises MalformedPayload when it cannot be read, VerificationFailed when it is about another merchant.
    """
    answer = _decoded(response)
    transaction = as_object(answer.get("data"), "the transaction")
    if transaction.get("merchantId") != merchant_id:
        raise VerificationFailed("the callback is about another merchant", code="reference_mismatch")
    name, code = require_identifier(transaction, "merchantTransactionId"), require_identifier(answer, "code")
    source = Source(callback.account, f"{name}:{code}", callback.received_at)
    facts = facts_of_transaction(answer, source)
    if facts:
        return numbered(facts)
    reason = f"{code} says nothing about money" if is_known(entity_of(name), code) else unmapped_status(code)
    return (source.fact(FactKind.IGNORED, (name,), name, reason=reason),)


def _response_in(callback: Callback) -> str | None:
    try:
        response = parse_object(callback.body).get("response")
    except MalformedPayload:
        return None
    # It is Base64, so whatever is not ASCII cannot be genuine; halves of characters could not even be hashed.
    return response if isinstance(response, str) and response.isascii() else None


def _decoded(response: str) -> Payload:
    try:
        return parse_object(base64.b64decode(response, validate=True))
    except (binascii.Error, ValueError) as error:
        raise MalformedPayload("the response is not JSON in base64", field="response") from error
