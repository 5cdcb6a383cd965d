"""What Square's objects mean: the one mapping that serves API answers, status fetches and webhooks.

A payment of ours is an order there, on which payers make attempts; each attempt is a payment of Square's. So facts are
named after the order, and authorizations and captures after Square's payment. Refunds and disputes name that payment
alone: the order that a refund names is a new one, of the return.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Unpack

from connectors.amounts import read_amount
from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    Payload,
    as_object,
    as_objects,
    first_text,
    moment_from_text,
    optional_identifier,
    optional_text,
    optional_url,
    part_of,
    reason_text,
    require_identifier,
)
from domain.facts import Fact, FactKind

GATEWAY = "square"

PAYMENT_ID = "payment_id"
"""Where an order's metadata has our payment id."""

WIRE_EXPONENTS: Mapping[str, int] = {}
"""Square counts in the smallest unit of each currency, as ISO 4217 does."""

_KINDS: Mapping[tuple[str, str], FactKind] = {
    ("order", "CANCELED"): FactKind.CANCELLED,
    ("payment", "PENDING"): FactKind.PROCESSING,
    ("payment", "APPROVED"): FactKind.AUTHORIZED,
    ("payment", "COMPLETED"): FactKind.CAPTURED,
    ("payment", "CANCELED"): FactKind.CANCELLED,
    ("payment", "FAILED"): FactKind.ATTEMPT_FAILED,
    ("bank_debit", "FAILED"): FactKind.FAILED,
    ("refund", "PENDING"): FactKind.REFUND_PENDING,
    ("refund", "COMPLETED"): FactKind.REFUNDED,
    ("refund", "REJECTED"): FactKind.REFUND_FAILED,
    ("refund", "FAILED"): FactKind.REFUND_FAILED,
    ("dispute", "INQUIRY_EVIDENCE_REQUIRED"): FactKind.DISPUTE_OPENED,
    ("dispute", "INQUIRY_PROCESSING"): FactKind.DISPUTE_OPENED,
    ("dispute", "INQUIRY_CLOSED"): FactKind.DISPUTE_WON,
    ("dispute", "EVIDENCE_REQUIRED"): FactKind.DISPUTE_OPENED,
    ("dispute", "PROCESSING"): FactKind.DISPUTE_OPENED,
    ("dispute", "WON"): FactKind.DISPUTE_WON,
    ("dispute", "LOST"): FactKind.DISPUTE_LOST,
    ("dispute", "ACCEPTED"): FactKind.DISPUTE_LOST,
}
"""After an attempt that failed, the order can still be paid. A bank debit fails days later, when nobody is there."""

_MOMENTS: Mapping[FactKind, str] = {
    FactKind.AUTHORIZED: "authorized_at",
    FactKind.CAPTURED: "captured_at",
    FactKind.CANCELLED: "voided_at",
}
"""Where the timeline of a card payment says when it happened."""


def map_status(entity: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, status))


@dataclass(frozen=True, slots=True)
class Source:
    """Where an object was read: in an event with an id and a time, or in an API answer, which has neither.

    `payment_id` is ours, where the order was read, whose metadata nobody else writes.
    """

    account: str
    event_id: str | None = None
    occurred_at: datetime | None = None
    payment_id: str | None = None

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
            self.occurred_at or read_time(happened),
            event_id=self.event_id,
            payment_id=self.payment_id or payment_id,
            **details,
        )


def facts_of_order(order: Payload, source: Source) -> list[Fact]:
    """Return what an order says of itself: only that it was given up. That it was paid is its payments' to say."""
    kind = map_status("order", str(order.get("state")))
    reference = optional_identifier(order.get("order_id")) or require_identifier(order, "id")
    if kind is None:
        return []
    happened = order.get("closed_at") or order.get("updated_at") or order.get("created_at")
    return [source.fact(kind, (reference,), happened, payment_id=payment_id_of_order(order))]


def facts_of_payment(payment: Payload, source: Source) -> list[Fact]:
    """Return what one of Square's payments says."""
    status = str(payment.get("status"))
    is_late_failure = payment.get("source_type") == "BANK_ACCOUNT" and status == "FAILED"
    kind = map_status("bank_debit" if is_late_failure else "payment", status)
    payment_id = require_identifier(payment, "id")
    if kind is None:
        return []
    order_id = optional_identifier(payment.get("order_id"))
    has_money = kind in {FactKind.AUTHORIZED, FactKind.CAPTURED}
    return [
        source.fact(
            kind,
            (payment_id,) if order_id is None else (order_id, payment_id),
            _when(payment, kind),
            movement=payment_id,
            money=money_of_payment(payment) if has_money else None,
            payment_id=_echo_of(payment),
            reason=_failure_of(payment, kind),
            receipt_url=optional_url(payment.get("receipt_url")),
        )
    ]


def facts_of_refund(refund: Payload, source: Source, order_id: str | None = None) -> list[Fact]:
    """Return what a refund says of itself. `order_id` is the order that was paid, where it is known.

    A refund of money that Square did not take belongs to no payment, and says nothing of one.
    """
    kind = map_status("refund", str(refund.get("status")))
    refund_id = require_identifier(refund, "id")
    payment_id = optional_identifier(refund.get("payment_id"))
    if kind is None or payment_id is None:
        return []
    return [
        source.fact(
            kind,
            (payment_id,) if order_id is None else (order_id, payment_id),
            refund.get("updated_at") or refund.get("created_at"),
            movement=refund_id,
            money=read_money(refund.get("amount_money")),
        )
    ]


def facts_of_dispute(dispute: Payload, source: Source) -> list[Fact]:
    """Return what a dispute says of itself."""
    kind = map_status("dispute", str(dispute.get("state")))
    dispute_id = optional_identifier(dispute.get("id")) or require_identifier(dispute, "dispute_id")
    if kind is None:
        return []
    payment = as_object(dispute.get("disputed_payment"), "the disputed payment")
    due_at = dispute.get("due_at")
    return [
        source.fact(
            kind,
            (require_identifier(payment, "payment_id"),),
            dispute.get("updated_at") or dispute.get("created_at"),
            movement=dispute_id,
            money=read_money(dispute.get("amount_money")),
            reason=optional_text(dispute.get("reason")),
            evidence_due_at=None if due_at is None else read_time(due_at),
        )
    ]


def money_of_payment(payment: Payload) -> tuple[int, str]:
    """Return what a payment takes from the payer, tips included. Raises MalformedPayload."""
    return read_money(payment.get("total_money") or payment.get("amount_money"))


def read_money(money: object) -> tuple[int, str]:
    """Return one of Square's amounts in ISO minor units, and its currency. Raises MalformedPayload."""
    told = as_object(money, "an amount of money")
    return read_amount(told.get("amount"), str(told.get("currency")), WIRE_EXPONENTS)


def read_time(value: object) -> datetime:
    """Return a time given as RFC 3339 has it; one without a zone is in UTC. Raises MalformedPayload."""
    return moment_from_text(value, zone=UTC)


def payment_id_of_order(order: Payload) -> str | None:
    """Return our payment id, as an order's metadata has it."""
    return optional_identifier(part_of(order, "metadata").get(PAYMENT_ID))


def _echo_of(payment: Payload) -> str | None:
    # What is paid by a link brings our id in its note; so does what has an id too long for a reference.
    return optional_identifier(payment.get("reference_id")) or optional_identifier(payment.get("note"))


def _when(payment: Payload, kind: FactKind) -> object:
    timeline = part_of(part_of(payment, "card_details"), "card_payment_timeline")
    told = timeline.get(_MOMENTS.get(kind, ""))
    return told or payment.get("updated_at") or payment.get("created_at")


def _failure_of(payment: Payload, kind: FactKind) -> str | None:
    if kind not in {FactKind.ATTEMPT_FAILED, FactKind.FAILED}:
        return None
    details = part_of(payment, "bank_account_details" if kind is FactKind.FAILED else "card_details")
    told: Payload = next(iter(as_objects(details.get("errors"))), {})
    code = first_text(told.get("code")) or "payment_failed"
    detail = optional_text(told.get("detail"))
    return reason_text(code, detail)
