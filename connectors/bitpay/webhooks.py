"""BitPay's callbacks, which it calls instant payment notifications: checked as far as they can be, then read as hints.

A signature covers the body alone, without a time; its key is the token that made the invoice. There is no id of the
event, so a callback is named after its subject and what it says of it. There are two forms: the extended one with an
event beside the data, and the older one, which is the invoice alone.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from connectors.base import Callback, only_header
from connectors.bitpay.status import (
    Source,
    explain_invoice,
    explain_refund,
    facts_of_invoice,
    facts_of_refund,
    payment_id_in,
    read_time,
)
from connectors.payloads import Payload, as_object, parse_object, require_identifier
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind

SIGNATURE_HEADER = "x-signature"

INVOICE_EVENTS = frozenset(
    {
        "invoice_paidInFull",
        "invoice_confirmed",
        "invoice_completed",
        "invoice_expired",
        "invoice_failedToConfirm",
        "invoice_declined",
        "invoice_refundComplete",
        "invoice_manuallyNotified",
    }
)
"""Known events about invoices; what happened, the invoice in them says. Their codes are not read: sources disagree."""

REFUND_PREFIX = "refund_"


def verify_signature(callback: Callback, tokens: Sequence[str], *, accepts_unsigned: bool) -> None:
    """Check the signature with the tokens that may have made the invoice; the first is the current one.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`. Where unsigned
    callbacks are accepted, a signature that is there must still be right.
    """
    usable = [token for token in tokens if token.strip()]
    if not usable or not tokens[0].strip():
        raise VerificationFailed("no token is set for BitPay", code="secret_missing")
    if accepts_unsigned and all(name != SIGNATURE_HEADER for name, _ in callback.headers):
        return
    signature = only_header(callback.headers, SIGNATURE_HEADER)
    if signature is None:
        raise VerificationFailed(f"the header {SIGNATURE_HEADER} must come exactly once", code="signature_missing")
    matches = [hmac.compare_digest(_signature(token, callback.body), signature.encode()) for token in usable]
    if not any(matches):
        raise VerificationFailed("the signature of BitPay does not match the body", code="signature_invalid")


def read_callback(callback: Callback) -> tuple[Fact, ...]:
    """Return what a callback hints at, at least one fact. Raises MalformedPayload when it cannot be read."""
    try:
        payload = parse_object(callback.body.decode())
    except UnicodeDecodeError as error:
        raise MalformedPayload("the payload is not UTF-8") from error
    if "event" not in payload:
        return (_of_invoice(payload, callback, require_identifier(payload, "status")),)
    name = require_identifier(as_object(payload["event"], "the event"), "name")
    data = as_object(payload.get("data"), "the event's data")
    if name.startswith(REFUND_PREFIX):
        return (_of_refund(data, callback, name),)
    if name in INVOICE_EVENTS:
        return (_of_invoice(data, callback, name),)
    return (_ignored(_source(data, callback, name), data, "id", f"unmapped event type {name}"),)


def _of_invoice(invoice: Payload, callback: Callback, name: str) -> Fact:
    source = _source(invoice, callback, name)
    facts = facts_of_invoice(invoice, source)
    return facts[0] if facts else _ignored(source, invoice, "id", explain_invoice(invoice))


def _of_refund(refund: Payload, callback: Callback, name: str) -> Fact:
    source = _source(refund, callback, name)
    facts = facts_of_refund(refund, {}, source)
    return facts[0] if facts else _ignored(source, refund, "invoice", explain_refund(refund))


def _source(subject: Payload, callback: Callback, name: str) -> Source:
    told = [require_identifier(subject, "id"), name]
    exception = subject.get("exceptionStatus")
    if isinstance(exception, str) and exception.isalnum():
        told.append(exception)
    now = subject.get("currentTime")
    return Source(callback.account, ":".join(told), callback.received_at if now is None else read_time(now))


def _ignored(source: Source, subject: Payload, name: str, reason: str) -> Fact:
    """The fact of a callback that says nothing; `name` is where the subject names the invoice."""
    invoice_id, payment_id = require_identifier(subject, name), payment_id_in(subject)
    return source.fact(FactKind.IGNORED, invoice_id, None, payment_id=payment_id, reason=reason)


def _signature(token: str, body: bytes) -> bytes:
    return base64.b64encode(hmac.new(token.encode(), body, hashlib.sha256).digest())
