"""BitPay's callbacks, which it calls instant payment notifications: checked as far as they can be, then read as hints.

A signature covers the body alone, without a time; its key is the token that made the invoice. There is no id of the
event, so a callback is named after its subject and what it says of it. There are two forms: the extended one with an
event beside the data, and the older one, which is the invoice alone.
"""

import base64
from collections.abc import Sequence

from connectors.base import Callback
from connectors.bitpay.status import (
    Source,
    explain_invoice,
    explain_refund,
    facts_of_invoice,
    facts_of_refund,
    payment_id_in,
    read_time,
)
from connectors.callback_proofs import hmac_sha256, is_one_of, require_header, usable_secrets
from connectors.payloads import Payload, as_object, parse_object, require_identifier
from domain.errors import VerificationFailed
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
    usable = usable_secrets(tokens, "token", "BitPay")
    if accepts_unsigned and all(name != SIGNATURE_HEADER for name, _ in callback.headers):
        return
    signatures = (_signature(token, callback.body) for token in usable)
    if not is_one_of(require_header(callback, SIGNATURE_HEADER), signatures):
        raise VerificationFailed("the signature of BitPay does not match the body", code="signature_invalid")


def read_callback(callback: Callback) -> tuple[Fact, ...]:
    """Return what a callback hints at, at least one fact. Raises MalformedPayload when it cannot be read."""
    payload = parse_object(callback.body)
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


def _signature(token: str, body: bytes) -> str:
    return base64.b64encode(hmac_sha256(token, body)).decode()
