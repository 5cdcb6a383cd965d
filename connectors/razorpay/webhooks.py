"""Razorpay's callbacks: proven by the SDK's signature check, then read as facts.

Razorpay signs the body alone, without a time, so a callback never grows stale; repeats are recognized by the event id,
which comes in a header that the signature does not cover. A repeat under another id moves nothing either: facts about
the same capture or refund count once.
"""

from collections.abc import Callable, Mapping, Sequence

from razorpay.errors import SignatureVerificationError
from razorpay.utility.utility import Utility

from connectors.base import Callback, only_header
from connectors.callback_proofs import require_header, usable_secrets
from connectors.payloads import (
    Payload,
    as_object,
    moment_or,
    numbered,
    optional_identifier,
    parse_object,
    require_identifier,
)
from connectors.razorpay.status import (
    Source,
    facts_of_dispute,
    facts_of_link,
    facts_of_payment,
    facts_of_refund,
)
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind

SIGNATURE_HEADER = "x-razorpay-signature"
EVENT_ID_HEADER = "x-razorpay-event-id"

Entities = Mapping[str, Payload]
"""The entities of an event by their names: payment, order, refund, dispute, payment_link."""


def _of_payment(entities: Entities, source: Source) -> list[Fact]:
    return facts_of_payment(_entity(entities, "payment"), source)


def _of_refund(status: str | None) -> Callable[[Entities, Source], list[Fact]]:
    def read(entities: Entities, source: Source) -> list[Fact]:
        return facts_of_refund(_entity(entities, "refund"), entities.get("payment", {}), source, status)

    return read


def _of_dispute(entities: Entities, source: Source) -> list[Fact]:
    return facts_of_dispute(_entity(entities, "dispute"), entities.get("payment", {}), source)


def _of_link(entities: Entities, source: Source) -> list[Fact]:
    return facts_of_link(_entity(entities, "payment_link"), source)


_READERS: Mapping[str, Callable[[Entities, Source], list[Fact]]] = {
    "payment.authorized": _of_payment,
    "payment.captured": _of_payment,
    "payment.failed": _of_payment,
    "order.paid": _of_payment,
    "refund.created": _of_refund("pending"),
    "refund.processed": _of_refund("processed"),
    "refund.failed": _of_refund("failed"),
    "refund.speed_changed": _of_refund(None),
    "payment.dispute.created": _of_dispute,
    "payment.dispute.under_review": _of_dispute,
    "payment.dispute.action_required": _of_dispute,
    "payment.dispute.won": _of_dispute,
    "payment.dispute.lost": _of_dispute,
    "payment.dispute.closed": _of_dispute,
    "payment_link.paid": _of_payment,
    "payment_link.partially_paid": _of_link,
    "payment_link.cancelled": _of_link,
    "payment_link.expired": _of_link,
}
"""How each event is read. What a refund's event is called says its state where an older payload does not."""

_UTILITY = Utility()


def verify_signature(callback: Callback, secrets: Sequence[str]) -> str:
    """Return the body's text once one of the secrets proves it.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`.
    """
    usable = usable_secrets(secrets, "webhook secret", "Razorpay")
    signature = require_header(callback, SIGNATURE_HEADER)
    try:
        text = callback.body.decode()
    except UnicodeDecodeError:
        raise VerificationFailed("the body is not what Razorpay signed", code="signature_invalid") from None
    if not signature.isascii() or not any(_is_signed_with(secret, text, signature) for secret in usable):
        raise VerificationFailed("the signature of Razorpay does not match the body", code="signature_invalid")
    return text


def read_event(text: str, callback: Callback) -> tuple[Fact, ...]:
    """Return the facts of a proven event, at least one. Raises MalformedPayload when it cannot be read."""
    event_id = optional_identifier(only_header(callback.headers, EVENT_ID_HEADER))
    if event_id is None:
        raise MalformedPayload(f"the header {EVENT_ID_HEADER} must come exactly once", field=EVENT_ID_HEADER)
    event = parse_object(text)
    event_type = require_identifier(event, "event")
    entities = {
        name: as_object(as_object(holder, name).get("entity"), f"the entity of {name}")
        for name, holder in as_object(event.get("payload"), "the event's payload").items()
    }
    occurred_at = moment_or(event.get("created_at"), callback.received_at)
    source = Source(callback.account, event_id, occurred_at, entities.get("order"))
    reader = _READERS.get(event_type)
    if reader is not None and (facts := reader(entities, source)):
        return numbered(facts)
    subjects = (optional_identifier(entity.get("id")) for entity in entities.values())
    reference = next(filter(None, subjects), None) or event_id
    reason = f"unmapped event type {event_type}" if reader is None else f"{event_type} says nothing about the payment"
    return (source.fact(FactKind.IGNORED, (reference,), {}, reason=reason),)


def _is_signed_with(secret: str, text: str, signature: str) -> bool:
    try:
        return bool(_UTILITY.verify_webhook_signature(text, signature, secret))
    except SignatureVerificationError:
        return False


def _entity(entities: Entities, name: str) -> Payload:
    if name not in entities:
        raise MalformedPayload(f"the event carries no {name}", field=name)
    return entities[name]
