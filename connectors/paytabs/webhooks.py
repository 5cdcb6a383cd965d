"""PayTabs' callbacks (IPN): proven by the signature over the body, then read as facts.

PayTabs signs the body alone, without a time, so a callback never grows stale; and a callback has no id. Repeats are
recognized by transaction, type and status, which are all it can tell.
"""

from collections.abc import Mapping, Sequence

from connectors.base import Callback
from connectors.callback_proofs import hmac_sha256, is_one_of, require_header, usable_secrets
from connectors.payloads import optional_text, parse_object, unmapped_status
from connectors.paytabs.status import Source, fact_of, facts_of_transaction, status_of, type_of
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind

SIGNATURE_HEADER = "signature"

_MEANINGLESS: Mapping[str, str] = {
    "register": "the callback is about a mandate, whose state is read back when it is charged",
}
"""Types of transactions that are known and say nothing about a payment, and why."""


def verify_signature(callback: Callback, server_keys: Sequence[str]) -> str:
    """Return the body's text once one of the server keys proves it.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`.
    """
    usable = usable_keys(server_keys)
    signature = require_header(callback, SIGNATURE_HEADER)
    if not is_signed(callback.body, signature, usable):
        raise VerificationFailed("the signature of PayTabs does not match the body", code="signature_invalid")
    try:
        return callback.body.decode()
    except UnicodeDecodeError as error:
        raise MalformedPayload("the callback is not UTF-8") from error


def read_callback(text: str, callback: Callback, profile_id: str) -> tuple[Fact, ...]:
    """Return the facts of a proven callback, at least one. Raises MalformedPayload when it cannot be read."""
    transaction = parse_object(text)
    if optional_text(transaction.get("tran_type")) is None:
        raise MalformedPayload("the callback tells no type of transaction", field="tran_type")
    source = Source(callback.account, callback.received_at)
    if str(transaction.get("profile_id", profile_id)) != profile_id:
        return (fact_of(FactKind.IGNORED, transaction, source, "the callback is about another profile"),)
    facts = facts_of_transaction(transaction, source)
    if facts:
        return tuple(facts)
    tran_type, status = type_of(transaction), status_of(transaction)
    reason = _MEANINGLESS.get(tran_type) or f"{unmapped_status(status)} of the type {tran_type[:40]}"
    return (fact_of(FactKind.IGNORED, transaction, source, reason),)


def usable_keys(server_keys: Sequence[str]) -> list[str]:
    """Return the keys that can prove anything. Raises VerificationFailed when the account's current one cannot."""
    return usable_secrets(server_keys, "server key", "PayTabs")


def is_signed(content: bytes, signature: str, server_keys: Sequence[str]) -> bool:
    """Say whether a signature was made with one of the server keys; compared in constant time."""
    return is_one_of(signature, (hmac_sha256(key, content).hex() for key in server_keys))
