"""What PayPal's objects mean: the one mapping that serves API answers, status fetches and webhooks.

A payment of ours is an order there, with one purchase unit; what moved on it are authorizations, captures and refunds.
Facts are named after the order, movements after themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Unpack

from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    MAX_REASON_LENGTH,
    Payload,
    as_objects,
    optional_identifier,
    optional_moment,
    optional_text,
    part_of,
    require_identifier,
)
from connectors.paypal.amounts import read_money
from domain.facts import Fact, FactKind, Trust

GATEWAY = "paypal"

_KINDS: Mapping[tuple[str, str], FactKind] = {
    ("order", "PAYER_ACTION_REQUIRED"): FactKind.REQUIRES_ACTION,
    ("order", "APPROVED"): FactKind.PROCESSING,
    ("order", "VOIDED"): FactKind.CANCELLED,
    ("order", "approval_reversed"): FactKind.CANCELLED,
    ("order", "attempt_declined"): FactKind.ATTEMPT_FAILED,
    ("authorization", "CREATED"): FactKind.AUTHORIZED,
    ("authorization", "CAPTURED"): FactKind.AUTHORIZED,
    ("authorization", "PARTIALLY_CAPTURED"): FactKind.AUTHORIZED,
    ("authorization", "PENDING"): FactKind.PROCESSING,
    ("authorization", "VOIDED"): FactKind.CANCELLED,
    ("authorization", "DENIED"): FactKind.FAILED,
    ("capture", "COMPLETED"): FactKind.CAPTURED,
    ("capture", "PARTIALLY_REFUNDED"): FactKind.CAPTURED,
    ("capture", "REFUNDED"): FactKind.CAPTURED,
    ("capture", "PENDING"): FactKind.PROCESSING,
    ("capture", "DECLINED"): FactKind.FAILED,
    ("capture", "FAILED"): FactKind.FAILED,
    ("capture", "reversed"): FactKind.REVERSED,
    ("capture of an authorization", "COMPLETED"): FactKind.CAPTURED,
    ("capture of an authorization", "PARTIALLY_REFUNDED"): FactKind.CAPTURED,
    ("capture of an authorization", "REFUNDED"): FactKind.CAPTURED,
    ("capture of an authorization", "PENDING"): FactKind.PROCESSING,
    ("capture of an authorization", "DECLINED"): FactKind.ATTEMPT_FAILED,
    ("capture of an authorization", "FAILED"): FactKind.ATTEMPT_FAILED,
    ("refund", "PENDING"): FactKind.REFUND_PENDING,
    ("refund", "COMPLETED"): FactKind.REFUNDED,
    ("refund", "CANCELLED"): FactKind.REFUND_FAILED,
    ("refund", "FAILED"): FactKind.REFUND_FAILED,
    ("dispute", "OPEN"): FactKind.DISPUTE_OPENED,
    ("dispute", "WAITING_FOR_BUYER_RESPONSE"): FactKind.DISPUTE_OPENED,
    ("dispute", "WAITING_FOR_SELLER_RESPONSE"): FactKind.DISPUTE_OPENED,
    ("dispute", "UNDER_REVIEW"): FactKind.DISPUTE_OPENED,
    ("dispute", "RESOLVED_SELLER_FAVOUR"): FactKind.DISPUTE_WON,
    ("dispute", "CANCELED_BY_BUYER"): FactKind.DISPUTE_WON,
    ("dispute", "DENIED"): FactKind.DISPUTE_WON,
    ("dispute", "RESOLVED_BUYER_FAVOUR"): FactKind.DISPUTE_LOST,
    ("dispute", "ACCEPTED"): FactKind.DISPUTE_LOST,
}
"""A capture of an order that is declined ends the order; one of an authorization leaves it to be captured again.

That an order is complete means nothing by itself: its payments say what came of it. A dispute that was resolved with a
payout is not mapped: who lost money by it is not said.
"""


def map_status(entity: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, status))


@dataclass(frozen=True, slots=True)
class Source:
    """Where objects were read: in an event with an id and a time, or in an API answer, which has neither.

    `order_id` and `payment_id` are what is known of the order around them, and count before what they say themselves.
    `read_at` counts for an object without a time of its own.
    """

    account: str
    event_id: str | None = None
    occurred_at: datetime | None = None
    trust: Trust = Trust.SIGNED
    order_id: str | None = None
    payment_id: str | None = None
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def fact(
        self,
        kind: FactKind,
        references: tuple[str, ...],
        happened: object,
        *,
        payment_id: str | None = None,
        **details: Unpack[FactDetails],
    ) -> Fact:
        """Build a fact. `happened` is the object's own time, used when no event gives a better one."""
        return build_fact(
            GATEWAY,
            self.account,
            kind,
            references,
            self.occurred_at or optional_moment(happened) or self.read_at,
            event_id=self.event_id,
            payment_id=self.payment_id or payment_id,
            trust=self.trust,
            **details,
        )


def facts_of_order(order: Payload, source: Source, declined: str | None = None) -> list[Fact]:
    """Return what an order and its payments say. `declined` says why it could not be completed just now."""
    order_id, units = require_identifier(order, "id"), as_objects(order.get("purchase_units"))
    about = replace(source, payment_id=_payment_id_of(next(iter(units), {})))
    facts: list[Fact] = []
    if (kind := map_status("order", str(order.get("status")))) is not None:
        facts.append(about.fact(kind, (order_id,), order.get("update_time") or order.get("create_time")))
    if declined is not None and (kind := map_status("order", "attempt_declined")) is not None:
        facts.append(about.fact(kind, (order_id,), None, reason=declined))
    for unit in units:
        about = replace(source, order_id=order_id, payment_id=_payment_id_of(unit))
        for authorization in payments_in(unit, "authorizations"):
            facts += facts_of_authorization(authorization, about)
        for capture in payments_in(unit, "captures"):
            facts += facts_of_capture(capture, about, is_of_order=order.get("intent") == "CAPTURE")
        for refund in payments_in(unit, "refunds"):
            facts += facts_of_refund(refund, about)
    return facts


def facts_of_authorization(authorization: Payload, source: Source) -> list[Fact]:
    """Return what an authorization says. That it was captured is said by its captures."""
    kind = map_status("authorization", str(authorization.get("status")))
    own_id = require_identifier(authorization, "id")
    if kind is None:
        return []
    money = read_money(authorization.get("amount")) if kind is FactKind.AUTHORIZED else None
    happened = authorization.get("create_time" if kind is FactKind.AUTHORIZED else "update_time")
    return [_of_payment(kind, authorization, source, own_id, happened, money)]


def facts_of_capture(capture: Payload, source: Source, *, is_of_order: bool) -> list[Fact]:
    """Return what a capture says. A refunded one was captured; that money went back is what its refunds say."""
    status = str(capture.get("status"))
    kind = map_status("capture" if is_of_order else "capture of an authorization", status)
    own_id = require_identifier(capture, "id")
    if kind is None:
        return []
    money = read_money(capture.get("amount")) if kind is FactKind.CAPTURED else None
    # What waited before it was completed was captured when it changed last; a refund changes it later again.
    happened = capture.get("update_time" if status == "COMPLETED" else "create_time")
    return [_of_payment(kind, capture, source, own_id, happened, money)]


def facts_of_refund(refund: Payload, source: Source) -> list[Fact]:
    """Return what a refund says."""
    kind = map_status("refund", str(refund.get("status")))
    own_id = require_identifier(refund, "id")
    if kind is None:
        return []
    money = read_money(refund.get("amount"))
    happened = refund.get("create_time" if kind is FactKind.REFUND_PENDING else "update_time")
    fact = _of_payment(kind, refund, source, own_id, happened, money)
    # A refund's own name is its movement's; the payment goes by the names of what was refunded.
    names = tuple(name for name in fact.references if name != own_id) or (own_id,)
    return [replace(fact, provider_reference=names[0], related_references=names[1:])]


def facts_of_dispute(dispute: Payload, source: Source, capture_id: str | None = None) -> list[Fact]:
    """Return what a dispute says of `capture_id`, or of the first transaction it names.

    A lost one is worth what the payer gets back, where that is told.
    """
    dispute_id = require_identifier(dispute, "dispute_id")
    outcome = part_of(dispute, "dispute_outcome")
    status = str(dispute.get("status"))
    kind = map_status("dispute", str(outcome.get("outcome_code")) if status == "RESOLVED" else status)
    if kind is None:
        return []
    refunded = outcome.get("amount_refunded") if kind is FactKind.DISPUTE_LOST else None
    disputed: Payload = next(iter(as_objects(dispute.get("disputed_transactions"))), {})
    told_capture = capture_id or optional_identifier(disputed.get("seller_transaction_id"))
    references = tuple(filter(None, (source.order_id, told_capture))) or (dispute_id,)
    fact = source.fact(
        kind,
        references,
        dispute.get("create_time" if kind is FactKind.DISPUTE_OPENED else "update_time"),
        movement=dispute_id,
        money=read_money(refunded or dispute.get("dispute_amount")),
        payment_id=optional_identifier(disputed.get("custom")),
        reason=optional_text(dispute.get("reason")),
        evidence_due_at=optional_moment(dispute.get("seller_response_due_date")),
    )
    return [fact]


def payments_in(unit: Payload, kind: str) -> list[Payload]:
    """Return a purchase unit's `authorizations`, `captures` or `refunds`."""
    return as_objects(part_of(unit, "payments").get(kind))


def parent_of(item: Payload) -> str | None:
    """Return the name of what a payment was made on: the capture of a refund, the authorization of a capture."""
    ups = (link.get("href") for link in as_objects(item.get("links")) if link.get("rel") == "up")
    return next(filter(None, (optional_identifier(str(href).rpartition("/")[2]) for href in ups)), None)


def names_of(item: Payload, source: Source) -> tuple[str, ...]:
    """Return the names of the payment that an authorization, capture or refund belongs to, the order's first."""
    order_id = optional_identifier(part_of(part_of(item, "supplementary_data"), "related_ids").get("order_id"))
    names = (source.order_id or order_id, parent_of(item), require_identifier(item, "id"))
    return tuple(dict.fromkeys(filter(None, names)))


def failure_in(item: Payload) -> str:
    """Say why an authorization, capture or refund is as it is, in PayPal's terms."""
    reason = optional_text(part_of(item, "status_details").get("reason"))
    code = optional_text(part_of(item, "processor_response").get("response_code"))
    said = (str(item.get("status")), reason, None if code is None else f"response code {code}")
    return ": ".join(filter(None, said))[:MAX_REASON_LENGTH]


def _payment_id_of(item: Payload) -> str | None:
    return optional_identifier(item.get("custom_id"))


def _of_payment(
    kind: FactKind,
    item: Payload,
    source: Source,
    own_id: str,
    happened: object,
    money: tuple[int, str] | None,
) -> Fact:
    has_reason = kind in {FactKind.FAILED, FactKind.ATTEMPT_FAILED, FactKind.REFUND_FAILED}
    return source.fact(
        kind,
        names_of(item, source),
        happened or item.get("create_time"),
        movement=own_id,
        money=money,
        payment_id=_payment_id_of(item),
        reason=failure_in(item) if has_reason else None,
    )
