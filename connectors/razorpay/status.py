"""What Razorpay's entities mean: the one mapping that serves API answers, status fetches and webhooks.

A payment of ours is an order there, on which payers make attempts; each attempt is a payment entity, and at most one of
them is captured. So facts are named after the order, and the capture after the payment entity.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from connectors.amounts import read_amount
from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    Payload,
    first_text,
    moment,
    optional_identifier,
    optional_text,
    reason_text,
    require_identifier,
)
from domain.facts import Fact, FactKind

GATEWAY = "razorpay"

WIRE_EXPONENTS: Mapping[str, int] = {}
"""Razorpay counts as ISO 4217 does, in every currency it publishes."""

_KINDS: Mapping[tuple[str, str], FactKind] = {
    ("order", "attempted"): FactKind.PROCESSING,
    ("payment", "authorized"): FactKind.AUTHORIZED,
    ("payment", "captured"): FactKind.CAPTURED,
    ("payment", "refunded"): FactKind.CAPTURED,
    ("payment", "returned_uncaptured"): FactKind.CANCELLED,
    ("payment", "failed"): FactKind.ATTEMPT_FAILED,
    ("refund", "pending"): FactKind.REFUND_PENDING,
    ("refund", "processed"): FactKind.REFUNDED,
    ("refund", "failed"): FactKind.REFUND_FAILED,
    ("dispute", "open"): FactKind.DISPUTE_OPENED,
    ("dispute", "under_review"): FactKind.DISPUTE_OPENED,
    ("dispute", "action_required"): FactKind.DISPUTE_OPENED,
    ("dispute", "won"): FactKind.DISPUTE_WON,
    ("dispute", "lost"): FactKind.DISPUTE_LOST,
    ("dispute", "closed_without_loss"): FactKind.DISPUTE_WON,
    ("dispute", "closed_with_loss"): FactKind.DISPUTE_LOST,
    ("payment_link", "partially_paid"): FactKind.PROCESSING,
    ("payment_link", "cancelled"): FactKind.CANCELLED,
    ("payment_link", "expired"): FactKind.CANCELLED,
}
"""A refunded payment was captured before; that money went back is what its refunds say."""


def map_status(entity: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, status))


@dataclass(frozen=True, slots=True)
class Source:
    """Where entities were read: in an event with an id and a time, or in an API answer, which has neither.

    `order` is the order or link they belong to, where it was read with them: its notes are ours alone, while those of
    a payment come from the payer's browser.
    """

    account: str
    event_id: str | None = None
    occurred_at: datetime | None = None
    order: Payload | None = None

    def fact(
        self,
        kind: FactKind,
        references: tuple[str, ...],
        owner: Payload,
        *,
        notes: tuple[object, ...] = (),
        **details: Unpack[FactDetails],
    ) -> Fact:
        """Build a fact about `owner`, whose own time counts when no event gives a better one.

        Our payment id is looked for in the notes of the order first, then in `notes`, in their order.
        """
        ordered = (self.order or {}).get("notes")
        return build_fact(
            GATEWAY,
            self.account,
            kind,
            references,
            self.occurred_at or moment(owner.get("created_at")),
            event_id=self.event_id,
            payment_id=next(filter(None, map(_payment_id_in, (ordered, *notes))), None),
            **details,
        )


def facts_of_order(order: Payload, source: Source) -> list[Fact]:
    """Return what an order says of itself. That it was paid is said by the payment that paid it."""
    kind = map_status("order", str(order.get("status")))
    references = (require_identifier(order, "id"),)
    return [] if kind is None else [source.fact(kind, references, order, notes=(order.get("notes"),))]


def facts_of_payment(payment: Payload, source: Source) -> list[Fact]:
    """Return what a payment entity says; a failed one is an attempt, after which its order can still be paid."""
    status = str(payment.get("status"))
    kind = map_status("payment", "returned_uncaptured" if is_returned_uncaptured(payment) else status)
    payment_id = require_identifier(payment, "id")
    references, notes = references_of(payment), (payment.get("notes"),)
    if kind is None:
        return []
    if kind in {FactKind.AUTHORIZED, FactKind.CAPTURED}:
        money = read_money(payment.get("amount"), payment)
        return [source.fact(kind, references, payment, movement=payment_id, money=money, notes=notes)]
    if kind is FactKind.CANCELLED:
        reason = f"{payment_id} was never captured and went back to the payer"
        return [source.fact(kind, references, payment, notes=notes, reason=reason)]
    return [source.fact(kind, references, payment, movement=payment_id, notes=notes, reason=_failure_of(payment))]


def facts_of_refund(refund: Payload, payment: Payload, source: Source, status: str | None = None) -> list[Fact]:
    """Return what a refund says of itself. `payment` is the payment it belongs to, empty where it was not read.

    `status` counts when the refund has none. A refund of a payment that was never captured only ends its authorization.
    """
    kind = map_status("refund", str(refund.get("status") or status))
    refund_id = require_identifier(refund, "id")
    if kind is None:
        return []
    if is_returned_uncaptured(payment):
        return facts_of_payment(payment, source)
    return [_movement(kind, refund, payment, source, (refund_id, refund.get("amount")), None)]


def facts_of_dispute(dispute: Payload, payment: Payload, source: Source) -> list[Fact]:
    """Return what a dispute says of itself. A closed one is lost as far as money was deducted, and won otherwise."""
    status = str(dispute.get("status"))
    deducted = dispute.get("amount_deducted")
    has_loss = type(deducted) is int and deducted > 0
    if status == "closed":
        status = "closed_with_loss" if has_loss else "closed_without_loss"
    kind = map_status("dispute", status)
    dispute_id = require_identifier(dispute, "id")
    if kind is None:
        return []
    amount = deducted if kind is FactKind.DISPUTE_LOST and has_loss else dispute.get("amount")
    reason = optional_text(dispute.get("reason_code"))
    return [_movement(kind, dispute, payment, source, (dispute_id, amount), reason)]


def facts_of_link(link: Payload, source: Source) -> list[Fact]:
    """Return what a payment link says of itself. That it was paid is said by the payment that paid it."""
    kind = map_status("payment_link", str(link.get("status")))
    link_id, order_id = require_identifier(link, "id"), optional_identifier(link.get("order_id"))
    references = (link_id,) if order_id is None else (order_id, link_id)
    return [] if kind is None else [source.fact(kind, references, link, notes=(link.get("notes"),))]


def references_of(payment: Payload) -> tuple[str, ...]:
    """Return the names of a payment: its order where it has one, and itself."""
    payment_id = require_identifier(payment, "id")
    order_id = optional_identifier(payment.get("order_id"))
    return (payment_id,) if order_id is None else (order_id, payment_id)


def is_returned_uncaptured(payment: Payload) -> bool:
    """Say whether a payment went back to the payer without ever having been captured."""
    return payment.get("status") == "refunded" and payment.get("captured") is False


def read_money(amount: object, owner: Payload) -> tuple[int, str]:
    """Return an amount in ISO minor units and its currency, which the amount's owner names. Raises MalformedPayload."""
    return read_amount(amount, str(owner.get("currency")), WIRE_EXPONENTS)


def _movement(
    kind: FactKind, item: Payload, payment: Payload, source: Source, moved: tuple[str, object], reason: str | None
) -> Fact:
    references = references_of(payment) if payment else (require_identifier(item, "payment_id"),)
    item_id, amount = moved
    notes = (payment.get("notes"), item.get("notes"))
    money = read_money(amount, item)
    return source.fact(kind, references, item, movement=item_id, money=money, notes=notes, reason=reason)


def _payment_id_in(notes: object) -> str | None:
    # Empty notes are a list there, not an object.
    return optional_identifier(notes.get("payment_id")) if isinstance(notes, dict) else None


def _failure_of(payment: Payload) -> str:
    code = first_text(payment.get("error_reason"), payment.get("error_code")) or "payment_failed"
    description = optional_text(payment.get("error_description"))
    return reason_text(code, description)
