"""What Klarna's pages, orders and events mean: the one mapping that serves API answers, status fetches and webhooks.

An order is authorized as a whole, captured in parts and refunded in parts. Captures and refunds have ids of their own,
and the order itself lists them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Unpack

from connectors.amounts import read_amount
from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    Payload,
    as_objects,
    optional_identifier,
    optional_moment,
    parse_object,
    require_identifier,
)
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind, Trust

GATEWAY = "klarna"

WIRE_EXPONENTS: Mapping[str, int] = {}
"""Klarna counts as ISO 4217 does."""

_KINDS: Mapping[tuple[str, str], FactKind | None] = {
    ("page", "WAITING"): None,
    ("page", "IN_PROGRESS"): None,
    ("page", "BACK"): None,
    ("page", "MANUAL_ID_CHECK"): None,
    ("page", "COMPLETED"): FactKind.PROCESSING,
    ("page", "FAILED"): FactKind.ATTEMPT_FAILED,
    ("page", "ERROR"): FactKind.ATTEMPT_FAILED,
    ("page", "CANCELLED"): FactKind.CANCELLED,
    ("page", "TIMEOUT"): FactKind.CANCELLED,
    ("page", "DISABLED"): FactKind.CANCELLED,
    ("order", "AUTHORIZED"): FactKind.AUTHORIZED,
    ("order", "PART_CAPTURED"): FactKind.CAPTURED,
    ("order", "CAPTURED"): FactKind.CAPTURED,
    ("order", "CANCELLED"): FactKind.CANCELLED,
    ("order", "EXPIRED"): FactKind.CANCELLED,
    ("order", "CLOSED"): None,
    ("fraud", "PENDING"): FactKind.PROCESSING,
    ("fraud", "REJECTED"): FactKind.FAILED,
    ("notification", "FRAUD_RISK_ACCEPTED"): FactKind.AUTHORIZED,
    ("notification", "FRAUD_RISK_REJECTED"): FactKind.FAILED,
    ("push", "completed"): FactKind.AUTHORIZED,
    ("request", "submitted"): None,
    ("request", "prepared"): None,
    ("request", "in-progress"): FactKind.PROCESSING,
    ("request", "pending-confirmation"): FactKind.REQUIRES_ACTION,
    ("request", "authorized"): FactKind.AUTHORIZED,
    ("request", "completed"): FactKind.AUTHORIZED,
    ("request", "canceled"): FactKind.CANCELLED,
    ("request", "expired"): FactKind.CANCELLED,
    ("request", "declined"): FactKind.FAILED,
}
"""What became of a completed page is said by its order. A page that failed stays open, and payers may try again."""


_WORDS: Mapping[FactKind, tuple[str, str]] = {
    FactKind.CAPTURED: ("capture", "captured"),
    FactKind.REFUNDED: ("refund", "refunded"),
}
"""What an order calls its movements: `captures`, `capture_id`, `captured_amount`, `captured_at`."""


def map_status(entity: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, status))


def is_known(entity: str, status: str) -> bool:
    """Say whether a status is one that Klarna documents."""
    return (entity, status) in _KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where something was read: in a callback with an id, or in an API answer, which has none.

    `names` are the payment's, the main one first; `at` is when it happened, unless what was read says better.
    """

    account: str
    names: tuple[str, ...]
    event_id: str | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    payment_id: str | None = None
    trust: Trust = Trust.SIGNED

    def fact(self, kind: FactKind, subject: str, *, at: datetime | None = None, **details: Unpack[FactDetails]) -> Fact:
        """Build a fact about `subject`: an order, a capture, a refund or a page."""
        return build_fact(
            GATEWAY,
            self.account,
            kind,
            self.names,
            at or self.at,
            event_id=self.event_id,
            subject=subject,
            payment_id=self.payment_id,
            trust=self.trust,
            **details,
        )

    def authorized(self, order_id: str, money: tuple[int, str], at: datetime | None = None) -> Fact:
        """An order stands authorized; its id is what captures, refunds and cancellations ask for."""
        return self.fact(FactKind.AUTHORIZED, order_id, movement=order_id, money=money, at=at)

    def moved(self, kind: FactKind, item_id: str, money: tuple[int, str], at: datetime | None = None) -> Fact:
        """Money was captured or refunded."""
        return self.fact(kind, item_id, movement=item_id, money=money, at=at)


def facts_of_page(page: Payload, source: Source) -> list[Fact]:
    """Return what a hosted page says of its payment. Raises MalformedPayload."""
    status = require_identifier(page, "status")
    kind = map_status("page", status)
    if kind is None:
        return []
    reason = f"the hosted page is {status}" if kind in {FactKind.ATTEMPT_FAILED, FactKind.CANCELLED} else None
    return [source.fact(kind, source.names[0], at=moment_in(page, "updated_at"), reason=reason)]


def facts_of_order(order: Payload, source: Source) -> list[Fact]:
    """Return what an order says: how it stands, and its captures and refunds. Raises MalformedPayload."""
    order_id = require_identifier(order, "order_id")
    captures = _movements(order, FactKind.CAPTURED, source)
    if order.get("captured_amount") and not captures:
        raise MalformedPayload("the order is captured and lists no captures", field="captures")
    standing = _standing(order, order_id, source, has_captures=bool(captures))
    return [*standing, *captures, *_movements(order, FactKind.REFUNDED, source)]


def read_money(amount: object, order: Payload) -> tuple[int, str]:
    """Return an amount in ISO minor units and its currency, which the order names. Raises MalformedPayload."""
    return read_amount(amount, str(order.get("purchase_currency")).upper(), WIRE_EXPONENTS)


def payment_id_in(merchant_data: object) -> str | None:
    """Return our payment's id, which Klarna keeps with the order as a part of our own data; None in anybody else's."""
    try:
        data = parse_object(merchant_data) if isinstance(merchant_data, str) else {}
    except MalformedPayload:
        return None
    return optional_identifier(data.get("payment_id"))


def moment_in(item: Payload, key: str) -> datetime | None:
    """Return a time of an item; None when there is none. Raises MalformedPayload.

    Klarna's times are in UTC, also where they do not say so.
    """
    return optional_moment(item.get(key), zone=UTC, field=key)


def _movements(order: Payload, kind: FactKind, source: Source) -> list[Fact]:
    one, past = _WORDS[kind]
    return [
        source.moved(
            kind,
            require_identifier(item, f"{one}_id"),
            read_money(item.get(f"{past}_amount"), order),
            moment_in(item, f"{past}_at"),
        )
        for item in as_objects(order.get(f"{one}s"))
    ]


def _standing(order: Payload, order_id: str, source: Source, *, has_captures: bool) -> list[Fact]:
    kind = map_status("order", require_identifier(order, "status"))
    at = moment_in(order, "created_at")
    if not has_captures:
        fraud = map_status("fraud", str(order.get("fraud_status")))
        if fraud is FactKind.FAILED:
            return [source.fact(fraud, order_id, reason="Klarna sees a risk of fraud")]
        if fraud is FactKind.PROCESSING and kind is FactKind.AUTHORIZED:
            return [source.fact(fraud, order_id, movement=order_id, at=at)]
        if kind is FactKind.CANCELLED:
            return [source.fact(kind, order_id, reason=f"the order is {order['status']}")]
    if kind in {FactKind.AUTHORIZED, FactKind.CAPTURED}:
        return [source.authorized(order_id, read_money(order.get("order_amount"), order), at)]
    return []
