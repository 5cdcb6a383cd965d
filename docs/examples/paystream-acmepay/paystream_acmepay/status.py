"""What orders and refunds mean: the one mapping that serves API answers, status fetches and callbacks.

A payment of ours is an order there. It is paid once and as a whole, so its capture has the order's own name; refunds
have names of their own. They are the same in callbacks and in answers, so that what is told twice counts once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.amounts import read_amount
from connectors.payloads import (
    Payload,
    api_fact_id,
    as_objects,
    moment,
    optional_identifier,
    optional_text,
    require_identifier,
)
from domain.facts import NEEDS_MOVEMENT, Fact, FactKind

GATEWAY = "acmepay"

WIRE_EXPONENTS: Mapping[str, int] = {}
"""Amounts are counted as ISO 4217 does. A currency that a gateway counts otherwise has its exponent here."""

_KINDS: Mapping[tuple[str, str], FactKind] = {
    ("order", "processing"): FactKind.PROCESSING,
    ("order", "paid"): FactKind.CAPTURED,
    ("order", "declined"): FactKind.FAILED,
    ("order", "expired"): FactKind.CANCELLED,
    ("refund", "pending"): FactKind.REFUND_PENDING,
    ("refund", "succeeded"): FactKind.REFUNDED,
    ("refund", "failed"): FactKind.REFUND_FAILED,
}


def map_status(subject: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((subject, status))


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was read: in a callback with an id and a time, or in an API answer, which has neither."""

    account: str
    event_id: str | None = None
    occurred_at: datetime | None = None


def facts_of_order(order: Payload, source: Source) -> list[Fact]:
    """Return what an order says of itself, and of its refunds. Raises MalformedPayload."""
    order_id = require_identifier(order, "id")
    kind = map_status("order", str(order.get("status")))
    facts = [] if kind is None else [_fact(kind, order_id, order, source)]
    return facts + [fact for refund in as_objects(order.get("refunds")) for fact in facts_of_refund(refund, source)]


def facts_of_refund(refund: Payload, source: Source) -> list[Fact]:
    """Return what a refund says of itself. Raises MalformedPayload."""
    order_id = require_identifier(refund, "order_id")
    kind = map_status("refund", str(refund.get("status")))
    return [] if kind is None else [_fact(kind, order_id, refund, source)]


def money_of(subject: Payload) -> tuple[int, str]:
    """Return the amount of an order or refund in ISO minor units, and its currency. Raises MalformedPayload."""
    return read_amount(subject.get("amount"), str(subject.get("currency")), WIRE_EXPONENTS)


def _fact(kind: FactKind, order_id: str, subject: Payload, source: Source) -> Fact:
    name, reason = require_identifier(subject, "id"), optional_text(subject.get("failure"))
    moves = kind in NEEDS_MOVEMENT
    amount_minor, currency = money_of(subject) if moves else (None, None)
    return Fact(
        gateway=GATEWAY,
        account=source.account,
        gateway_event_id=source.event_id or api_fact_id(name, kind, amount_minor, reason),
        kind=kind,
        provider_reference=order_id,
        occurred_at=source.occurred_at or moment(subject.get("updated_at")),
        amount_minor=amount_minor,
        currency=currency,
        movement_reference=name if moves else None,
        payment_id=optional_identifier(subject.get("reference")),
        reason=reason,
    )
