"""PayPal's callbacks, read as hints; `signatures` says how they are proven, and why they are no more than hints.

Only the event's own id and time, and the objects in it, are read. What becomes of a payment is what PayPal says when it
is read back.
"""

from collections.abc import Callable, Mapping

from connectors.base import Callback
from connectors.payloads import (
    Payload,
    as_object,
    numbered,
    optional_identifier,
    optional_moment,
    parse_object,
    part_of,
    require_identifier,
    unmapped_status,
)
from connectors.paypal.amounts import read_money
from connectors.paypal.status import (
    Source,
    facts_of_authorization,
    facts_of_capture,
    facts_of_dispute,
    facts_of_order,
    facts_of_refund,
    map_status,
    names_of,
)
from domain.facts import Fact, FactKind, Trust

Reader = Callable[[Payload, Source], list[Fact]]


def _of_order(order: Payload, source: Source) -> list[Fact]:
    """A complete order may come without its payments; then it is news all the same."""
    return facts_of_order(order, source) or facts_of_order({**order, "status": "APPROVED"}, source)


def _of_capture(capture: Payload, source: Source) -> list[Fact]:
    return facts_of_capture(capture, source, is_of_order=not _has_authorization(capture))


def _of_reversal(reversal: Payload, source: Source) -> list[Fact]:
    """PayPal took a capture back. The object may be the capture or what reverses it; its amount is what went."""
    kind, told, references = map_status("capture", "reversed"), reversal.get("amount"), names_of(reversal, source)
    money = None if told is None else read_money(told)
    payment_id, own_id = optional_identifier(reversal.get("custom_id")), references[-1]
    if kind is None:
        return []
    return [source.fact(kind, references, None, movement=own_id, money=money, payment_id=payment_id)]


def _of_reversed_approval(resource: Payload, source: Source) -> list[Fact]:
    order = {**resource, "id": resource.get("order_id"), "status": "approval_reversed"}
    return facts_of_order(order, source)


_READERS: Mapping[str, Reader] = {
    "CHECKOUT.ORDER.APPROVED": _of_order,
    "CHECKOUT.ORDER.COMPLETED": _of_order,
    "CHECKOUT.PAYMENT-APPROVAL.REVERSED": _of_reversed_approval,
    "PAYMENT.AUTHORIZATION.CREATED": facts_of_authorization,
    "PAYMENT.AUTHORIZATION.VOIDED": facts_of_authorization,
    "PAYMENT.CAPTURE.PENDING": _of_capture,
    "PAYMENT.CAPTURE.COMPLETED": _of_capture,
    "PAYMENT.CAPTURE.DECLINED": _of_capture,
    "PAYMENT.CAPTURE.DENIED": _of_capture,
    "PAYMENT.CAPTURE.REFUNDED": facts_of_refund,
    "PAYMENT.CAPTURE.REVERSED": _of_reversal,
    "PAYMENT.REFUND.PENDING": facts_of_refund,
    "PAYMENT.REFUND.FAILED": facts_of_refund,
    "CUSTOMER.DISPUTE.CREATED": facts_of_dispute,
    "CUSTOMER.DISPUTE.UPDATED": facts_of_dispute,
    "CUSTOMER.DISPUTE.RESOLVED": facts_of_dispute,
    "RISK.DISPUTE.CREATED": facts_of_dispute,
}
"""How the object of each event is read. The object of PAYMENT.CAPTURE.REFUNDED is the refund."""

_HAVE_OLDER_VERSIONS = ("CHECKOUT.", "PAYMENT.")
_RESOURCE_VERSION = "2.0"


def read_event(callback: Callback) -> tuple[Fact, ...]:
    """Return the facts of a proven event as hints, at least one. Raises MalformedPayload when it cannot be read."""
    event = parse_object(callback.body)
    event_id, event_type = require_identifier(event, "id"), require_identifier(event, "event_type")
    resource = as_object(event.get("resource"), "the event's resource")
    happened = optional_moment(event.get("create_time")) or callback.received_at
    source = Source(callback.account, event_id, happened, trust=Trust.HINT)
    version = event.get("resource_version")
    is_older = event_type.startswith(_HAVE_OLDER_VERSIONS) and version not in (None, _RESOURCE_VERSION)
    reader = _READERS.get(event_type)
    if reader is not None and not is_older and (facts := reader(resource, source)):
        return numbered(facts)
    if reader is None:
        reason = f"unmapped event type {event_type}"
    elif is_older:
        reason = f"{event_type} comes from an older API, whose payments are not made here"
    else:
        reason = unmapped_status(_status_in(resource))
    return (_ignored(event_id, resource, source, reason),)


def _has_authorization(capture: Payload) -> bool:
    related = part_of(part_of(capture, "supplementary_data"), "related_ids")
    return bool(related.get("authorization_id"))


def _status_in(resource: Payload) -> object:
    outcome = resource.get("dispute_outcome")
    return outcome.get("outcome_code") if isinstance(outcome, dict) else resource.get("status")


def _ignored(event_id: str, resource: Payload, source: Source, reason: str) -> Fact:
    named = (optional_identifier(resource.get(name)) for name in ("id", "dispute_id"))
    reference = next(filter(None, named), None) or event_id
    return source.fact(FactKind.IGNORED, (reference,), None, reason=reason)
