"""Coinbase's proven callbacks, read as facts.

Commerce wraps a charge in an event with an id of its own. Business posts the checkout itself, as it was when the event
happened, with the event's type beside its fields and no id of the event; so what was posted is its own name.
"""

import hashlib

from connectors.base import Callback
from connectors.coinbase.status import (
    Source,
    explain_charge,
    explain_checkout,
    facts_of_charge,
    facts_of_checkout,
    references_of_charge,
)
from connectors.payloads import (
    Payload,
    as_object,
    moment_from_text,
    numbered,
    optional_identifier,
    optional_moment,
    parse_object,
    require_identifier,
)
from domain.facts import Fact, FactKind

CHARGE_EVENTS = frozenset(
    {"charge:created", "charge:pending", "charge:confirmed", "charge:failed", "charge:delayed", "charge:resolved"}
)
CHECKOUT_EVENTS = frozenset(
    {
        "checkout.payment.success",
        "checkout.payment.failed",
        "checkout.payment.expired",
        "checkout.refund.success",
        "checkout.refund.failed",
        "payment_link.payment.success",
        "payment_link.payment.failed",
        "payment_link.payment.expired",
    }
)
"""Known events. What happened, the charge or checkout in them says; the event alone moves nothing."""

DIGEST_LENGTH = 24


def read_commerce_event(callback: Callback) -> tuple[Fact, ...]:
    """Return the facts of a proven event of Commerce, at least one. Raises MalformedPayload."""
    event = as_object(parse_object(callback.body).get("event"), "the event")
    event_id, event_type = require_identifier(event, "id"), require_identifier(event, "type")
    charge = as_object(event.get("data"), "the event's charge")
    source = Source(callback.account, event_id, moment_from_text(event.get("created_at")))
    if event_type not in CHARGE_EVENTS:
        reference = optional_identifier(charge.get("id")) or event_id
        return (_ignored(source, (reference,), charge, f"unmapped event type {event_type}"),)
    if facts := facts_of_charge(charge, source):
        return numbered(facts)
    return (_ignored(source, references_of_charge(charge), charge, explain_charge(charge)),)


def read_business_event(callback: Callback, *, counts_usdc_as_usd: bool) -> tuple[Fact, ...]:
    """Return the facts of a proven event of Business, at least one. Raises MalformedPayload."""
    checkout = parse_object(callback.body)
    event_type, checkout_id = require_identifier(checkout, "eventType"), require_identifier(checkout, "id")
    digest = hashlib.sha256(callback.body).hexdigest()[:DIGEST_LENGTH]
    occurred_at = optional_moment(checkout.get("updatedAt")) or callback.received_at
    source = Source(callback.account, f"{event_type}:{digest}", occurred_at, counts_usdc_as_usd)
    if event_type not in CHECKOUT_EVENTS:
        return (_ignored(source, (checkout_id,), checkout, f"unmapped event type {event_type}"),)
    if facts := facts_of_checkout(checkout, source):
        return numbered(facts)
    return (_ignored(source, (checkout_id,), checkout, explain_checkout(checkout)),)


def _ignored(source: Source, references: tuple[str, ...], owner: Payload, reason: str) -> Fact:
    return source.fact(FactKind.IGNORED, references, owner, None, reason=reason)
