"""Stripe's callbacks: proven by the SDK's signature check, then read as facts.

The signed time is compared with the time of receipt, not with the clock: a callback may be verified long after it came.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import stripe

from connectors.base import Callback
from connectors.callback_proofs import check_age, require_header, usable_secrets
from connectors.payloads import (
    Payload,
    as_object,
    as_objects,
    moment,
    numbered,
    optional_identifier,
    parse_object,
    part_of,
    require_identifier,
)
from connectors.stripe.status import (
    Source,
    facts_of_charge,
    facts_of_dispute,
    facts_of_intent,
    facts_of_refund,
    facts_of_session,
)
from domain.errors import VerificationFailed
from domain.facts import Fact, FactKind

SIGNATURE_HEADER = "stripe-signature"
TOLERANCE = timedelta(minutes=5)

_TIMESTAMP = re.compile(r"[0-9]{1,11}")


def _facts_of_refunds(charge: Payload, source: Source) -> list[Fact]:
    embedded = as_objects(part_of(charge, "refunds").get("data"))
    return [fact for refund in embedded for fact in facts_of_refund(refund, source)]


_READERS: Mapping[str, Callable[[Payload, Source], list[Fact]]] = {
    "payment_intent.created": facts_of_intent,
    "payment_intent.processing": facts_of_intent,
    "payment_intent.requires_action": facts_of_intent,
    "payment_intent.amount_capturable_updated": facts_of_intent,
    "payment_intent.succeeded": facts_of_intent,
    "payment_intent.payment_failed": facts_of_intent,
    "payment_intent.canceled": facts_of_intent,
    "payment_intent.partially_funded": lambda item, source: facts_of_intent(item, source, "partially_funded"),
    "charge.captured": facts_of_charge,
    "charge.expired": lambda item, source: facts_of_charge(item, source, "expired"),
    "charge.refunded": _facts_of_refunds,
    "charge.refund.updated": facts_of_refund,
    "refund.created": facts_of_refund,
    "refund.updated": facts_of_refund,
    "refund.failed": facts_of_refund,
    "charge.dispute.created": facts_of_dispute,
    "charge.dispute.updated": facts_of_dispute,
    "charge.dispute.closed": facts_of_dispute,
    "charge.dispute.funds_withdrawn": facts_of_dispute,
    "charge.dispute.funds_reinstated": facts_of_dispute,
    "checkout.session.completed": facts_of_session,
    "checkout.session.async_payment_succeeded": facts_of_session,
    "checkout.session.async_payment_failed": lambda item, source: facts_of_session(item, source, "failed"),
    "checkout.session.expired": lambda item, source: facts_of_session(item, source, "expired"),
}
"""How the object of each event is read. Where the object's status does not say what happened, the event's name does."""

_ABOUT_MANDATES = ("setup_intent.", "mandate.")

_SAYS_NOTHING = {
    "payment_intent.created": "the payment intent waits for the payer",
    "charge.refunded": "the refund events carry the refunds",
}


def verify_signature(callback: Callback, secrets: Sequence[str]) -> str:
    """Return the body's text once one of the secrets proves it.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing`, `signature_invalid`,
    `signature_stale` or `signature_from_future`.
    """
    usable = usable_secrets(secrets, "webhook secret", "Stripe")
    header = require_header(callback, SIGNATURE_HEADER)
    signed_at = _signed_at(header)
    try:
        text = callback.body.decode()
    except UnicodeDecodeError:
        raise VerificationFailed("the body is not what Stripe signed", code="signature_invalid") from None
    if not any(_is_signed_with(secret, text, header) for secret in usable):
        raise VerificationFailed("no signature of Stripe's matches the body", code="signature_invalid")
    check_age(signed_at, callback.received_at, oldest=TOLERANCE, newest=TOLERANCE)
    return text


def read_event(text: str, callback: Callback, *, is_live: bool | None) -> tuple[Fact, ...]:
    """Return the facts of a proven event, at least one. `is_live` is the account's mode, None when not known.

    Raises MalformedPayload when the event cannot be read.
    """
    event = parse_object(text)
    event_id, event_type = require_identifier(event, "id"), require_identifier(event, "type")
    if event.get("object") == "v2.core.event":
        subject = part_of(event, "related_object").get("id")
        received = Source(callback.account, event_id, callback.received_at)
        return (_ignored(event_id, subject, received, f"thin event {event_type} carries no object"),)
    source = Source(callback.account, event_id, moment(event.get("created")))
    item = as_object(as_object(event.get("data"), "the event's data").get("object"), "the event's object")
    not_ours = _not_ours(event, is_live=is_live)
    reader = _READERS.get(event_type)
    if not_ours is None and reader is not None and (facts := reader(item, source)):
        return numbered(facts)
    return (_ignored(event_id, item.get("id"), source, not_ours or _explanation(event_type, item)),)


def _signed_at(header: str) -> datetime:
    times = [value for name, _, value in (part.partition("=") for part in header.split(",")) if name == "t"]
    if len(times) != 1 or not _TIMESTAMP.fullmatch(times[0]) or not header.isascii():
        raise VerificationFailed(f"the header {SIGNATURE_HEADER} cannot be read", code="signature_invalid")
    return moment(int(times[0]))


def _is_signed_with(secret: str, text: str, header: str) -> bool:
    try:
        # Without a tolerance the SDK leaves the time alone, which it could only compare with the clock.
        return bool(stripe.WebhookSignature.verify_header(text, header, secret, tolerance=None))
    except stripe.SignatureVerificationError:
        return False


def _not_ours(event: Payload, *, is_live: bool | None) -> str | None:
    """Say why an event is not about this account's own money, or None when it is."""
    if event.get("account"):
        return "the event is about a connected account"
    if is_live is not None and isinstance(event.get("livemode"), bool) and event["livemode"] is not is_live:
        return f"the event is of the {'test' if is_live else 'live'} mode and the account's keys are not"
    return None


def _explanation(event_type: str, item: Payload) -> str:
    if event_type.startswith(_ABOUT_MANDATES):
        return f"{event_type} is about a mandate, whose state is read back when it is charged"
    if event_type not in _READERS:
        return f"unmapped event type {event_type}"
    known = _SAYS_NOTHING.get(event_type)
    return known or f"{event_type} with status {str(item.get('status'))[:40]!r} says nothing about the payment"


def _ignored(event_id: str, subject: object, source: Source, reason: str) -> Fact:
    return source.fact(FactKind.IGNORED, (optional_identifier(subject) or event_id,), None, reason=reason)
