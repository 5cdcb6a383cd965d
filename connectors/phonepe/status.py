"""What PhonePe's orders and refunds mean: the one mapping that serves API answers, status fetches and webhooks.

A payment of ours is an order there, on which the payer makes attempts; at most one of them completes the order. PhonePe
wants nothing but the order's own state to be relied on, so the capture is named after the order and not the attempt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Unpack

from connectors.amounts import read_amount
from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    Payload,
    as_objects,
    first_text,
    moment_from_milliseconds,
    optional_identifier,
    part_of,
    reason_text,
    require_identifier,
)
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind, Trust

GATEWAY = "phonepe"
CURRENCY = "INR"

WIRE_EXPONENTS: Mapping[str, int] = {}
"""PhonePe counts rupees in paisa, as ISO 4217 does."""

_KINDS: Mapping[tuple[str, str], FactKind | None] = {
    ("order", "PENDING"): None,
    ("order", "NOTIFICATION_IN_PROGRESS"): FactKind.PROCESSING,
    ("order", "NOTIFIED"): FactKind.PROCESSING,
    ("order", "COMPLETED"): FactKind.CAPTURED,
    ("order", "FAILED"): FactKind.FAILED,
    ("attempt", "PENDING"): FactKind.PROCESSING,
    ("attempt", "COMPLETED"): None,
    ("attempt", "FAILED"): FactKind.ATTEMPT_FAILED,
    ("refund", "PENDING"): FactKind.REFUND_PENDING,
    ("refund", "CONFIRMED"): FactKind.REFUND_PENDING,
    ("refund", "COMPLETED"): FactKind.REFUNDED,
    ("refund", "FAILED"): FactKind.REFUND_FAILED,
}
"""A completed attempt says nothing that its order does not say. A charge is announced to the payer a day before."""


def map_status(entity: str, state: str) -> FactKind | None:
    """Return what a state means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, state))


def is_known(entity: str, state: str) -> bool:
    """Say whether a state is one that PhonePe documents."""
    return (entity, state) in _KINDS


@dataclass(frozen=True, slots=True)
class Source:
    """Where orders and refunds were read: in a callback, which has a name and a time of its own, or in an API answer.

    A callback's proof does not cover what it says, so what is read in one is a hint.
    """

    account: str
    event_id: str | None = None
    occurred_at: datetime | None = None

    def fact(
        self,
        kind: FactKind,
        references: tuple[str, ...],
        subject: str,
        happened_at: datetime | None,
        *,
        payment_id: str | None = None,
        **details: Unpack[FactDetails],
    ) -> Fact:
        """Build a fact. `subject` is what it is about, for the name of a fact that an API answer told.

        `happened_at` is PhonePe's own time; where it tells none, it is now that the thing is known.
        """
        return build_fact(
            GATEWAY,
            self.account,
            kind,
            references,
            self.occurred_at or happened_at or datetime.now(UTC),
            event_id=self.event_id,
            subject=subject,
            payment_id=payment_id,
            trust=Trust.SIGNED if self.event_id is None else Trust.HINT,
            **details,
        )


def facts_of_order(order: Payload, source: Source) -> list[Fact]:
    """Return what an order says: its attempts that failed or are under way, then its own state."""
    order_id = require_identifier(order, "orderId")
    references, payment_id = references_of(order), _payment_id_of(order)
    facts = [
        source.fact(
            kind,
            references,
            require_identifier(attempt, "transactionId"),
            _told_at(attempt),
            movement=require_identifier(attempt, "transactionId"),
            payment_id=payment_id,
            reason=_failure_of(attempt) if kind is FactKind.ATTEMPT_FAILED else None,
        )
        for attempt in attempts_of(order)
        if (kind := map_status("attempt", str(attempt.get("state")))) is not None
    ]
    kind = map_status("order", str(order.get("state")))
    if kind is not None:
        is_paid = kind is FactKind.CAPTURED
        facts.append(
            source.fact(
                kind,
                references,
                order_id,
                last_moment(order),
                movement=order_id if is_paid else None,
                money=read_money(order) if is_paid else None,
                payment_id=payment_id,
                reason=_failure_of(order) if kind is FactKind.FAILED else None,
            )
        )
    return facts


def facts_of_refund(refund: Payload, source: Source) -> list[Fact]:
    """Return what a refund says of itself. It has the name that we gave it, by which alone it can be read back."""
    kind = map_status("refund", str(refund.get("state")))
    name = require_identifier(refund, "merchantRefundId")
    references = (require_identifier(refund, "originalMerchantOrderId"),)
    if kind is None:
        return []
    money = read_money(refund)
    reason = _failure_of(refund) if kind is FactKind.REFUND_FAILED else None
    happened_at = last_moment(refund)
    return [source.fact(kind, references, name, happened_at, movement=name, money=money, reason=reason)]


def references_of(order: Payload) -> tuple[str, ...]:
    """Return the names of an order: the merchant's, PhonePe's, and that of the attempt that completed it."""
    completed = (attempt for attempt in attempts_of(order) if attempt.get("state") == "COMPLETED")
    names = [optional_identifier(order.get("merchantOrderId")), optional_identifier(order.get("orderId"))]
    names += [optional_identifier(attempt.get("transactionId")) for attempt in completed]
    found = tuple(dict.fromkeys(name for name in names if name is not None))
    if not found:
        raise MalformedPayload("an order has a name", field="merchantOrderId")
    return found


def attempts_of(item: Payload) -> list[Payload]:
    """Return the attempts that an order or a refund lists."""
    return as_objects(item.get("paymentDetails"))


def read_money(item: Payload) -> tuple[int, str]:
    """Return the amount of an order or refund in paisa, and its currency. Raises MalformedPayload."""
    return read_amount(item.get("amount"), CURRENCY, WIRE_EXPONENTS)


def last_moment(item: Payload) -> datetime | None:
    """Return the latest time that an order or refund tells; None when it tells none."""
    told = [_told_at(part) for part in (item, *attempts_of(item))]
    return max((time for time in told if time is not None), default=None)


def _told_at(part: Payload) -> datetime | None:
    milliseconds = part.get("timestamp")
    return None if milliseconds is None else moment_from_milliseconds(milliseconds)


def _payment_id_of(order: Payload) -> str | None:
    return optional_identifier(part_of(order, "metaInfo").get("udf1"))


def _failure_of(item: Payload) -> str:
    described = part_of(item, "errorContext")
    code = first_text(item.get("errorCode"), described.get("errorCode")) or "FAILED"
    detail = first_text(described.get("description"), item.get("detailedErrorCode"), described.get("detailedErrorCode"))
    return reason_text(code, detail)
