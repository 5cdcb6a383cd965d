"""What AsiaPay's statuses mean: the one mapping that serves datafeeds, the order API's answers and queries.

A payment of ours is an order there, on which payers make attempts; each attempt has a payment reference. So facts are
named after the order, and the authorization and capture after the attempt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from connectors.amounts import read_decimal
from connectors.fact_building import build_fact
from connectors.payloads import optional_identifier, unmapped_status
from connectors.pesopay.answers import Record
from connectors.pesopay.orders import payment_id_in
from connectors.pesopay.refunds import OpenRefund, carried_out
from connectors.pesopay.registration import NUMERIC_CODES
from domain.errors import MalformedPayload
from domain.facts import NEEDS_AMOUNT, Fact, FactKind, Trust

GATEWAY = "pesopay"

ALIVE = frozenset({FactKind.AUTHORIZED, FactKind.CAPTURED, FactKind.PROCESSING, FactKind.REQUIRES_ACTION})

NO_NEWS = "pending"
REFUNDED, PARTLY_REFUNDED = "refunded", "partial refunded"
PARTLY_CHARGED_BACK = "partial chargeback"
REFUND_ASKED_FOR = frozenset({"requestrefund", "requestpartialrefund"})

_CURRENCIES = {number: currency for currency, number in NUMERIC_CODES.items()}
_HONG_KONG = timezone(timedelta(hours=8))
"""AsiaPay's times have no zone; they are taken for those of its home, which most of its countries share."""

_OF_PAYMENT: Mapping[str, FactKind] = {
    "pending_3d": FactKind.REQUIRES_ACTION,
    "capturing": FactKind.PROCESSING,
    "authorized": FactKind.AUTHORIZED,
    "accepted": FactKind.CAPTURED,
    "accepted_adj": FactKind.CAPTURED,
    "captured": FactKind.CAPTURED,
    "requestrefund": FactKind.CAPTURED,
    "requestpartialrefund": FactKind.CAPTURED,
    PARTLY_REFUNDED: FactKind.CAPTURED,
    REFUNDED: FactKind.CAPTURED,
    "chargeback": FactKind.CAPTURED,
    PARTLY_CHARGED_BACK: FactKind.CAPTURED,
    "rejected": FactKind.ATTEMPT_FAILED,
    "cancelled": FactKind.CANCELLED,
    "voided": FactKind.CANCELLED,
    "reverse auth": FactKind.CANCELLED,
    "reversal void": FactKind.CANCELLED,
}
"""A payment that was refunded or charged back was captured before. A rejected one is an attempt: others may follow."""

_KINDS: Mapping[tuple[str, str], FactKind] = {
    **{("payment", status): kind for status, kind in _OF_PAYMENT.items()},
    ("refund", "requestrefund"): FactKind.REFUND_PENDING,
    ("refund", "requestpartialrefund"): FactKind.REFUND_PENDING,
    ("refund", PARTLY_REFUNDED): FactKind.REFUNDED,
    ("refund", REFUNDED): FactKind.REFUNDED,
    ("dispute", "chargeback"): FactKind.DISPUTE_LOST,
}
"""How much a partial chargeback took is not said, so it means nothing here."""


def map_status(entity: str, status: str) -> FactKind | None:
    """Return what an order status means for a payment, its refund or its dispute; None when it means nothing."""
    return _KINDS.get((entity, status.lower()))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record was read: in a datafeed, received at a time and repeated under one id, or in an API answer."""

    account: str
    event_id: str | None = None
    received_at: datetime | None = None
    trust: Trust = Trust.SIGNED


def facts_of_order(records: Sequence[Record], source: Source, refunds: Sequence[OpenRefund] = ()) -> list[Fact]:
    """Return what the attempts on one order say.

    Where one of them is alive, those that were cancelled say nothing about the order.
    """
    kinds = [map_status("payment", order_status(record)) for record in records]
    is_alive = not ALIVE.isdisjoint(kinds)
    told = [
        record for record, kind in zip(records, kinds, strict=True) if not (is_alive and kind is FactKind.CANCELLED)
    ]
    return [fact for record in told for fact in facts_of_record(record, source, refunds)]


def facts_of_record(record: Record, source: Source, refunds: Sequence[OpenRefund] = ()) -> list[Fact]:
    """Return what one attempt says of itself, its refunds among `refunds`, and its chargeback."""
    status = order_status(record)
    kind = map_status("payment", status)
    if kind is None:
        return [] if status.lower() == NO_NEWS else [_ignored(record, source, unmapped_status(status))]
    facts = [payment_fact(kind, record, source)]
    dispute = map_status("dispute", status)
    if dispute is not None:
        facts.append(_fact(dispute, record, source, f"{pay_ref_of(record)}:chargeback", read_money(record)))
    elif status.lower() == PARTLY_CHARGED_BACK:
        facts.append(_ignored(record, source, f"status {status} does not say how much was taken back"))
    if map_status("refund", status) is FactKind.REFUNDED:
        facts += _facts_of_refunds(record, source, refunds)
    return facts


def payment_fact(kind: FactKind, record: Record, source: Source) -> Fact:
    """Build the fact about the attempt itself."""
    money = read_money(record) if kind in NEEDS_AMOUNT else None
    reason = None
    if kind is FactKind.ATTEMPT_FAILED:
        reason = f"rejected with the codes {record.get('src', '')[:20]} and {record.get('prc', '')[:20]}"
    return _fact(kind, record, source, pay_ref_of(record), money, reason)


def refund_fact(kind: FactKind, record: Record, source: Source, refund: OpenRefund) -> Fact:
    """Build a fact about a refund of ours."""
    return _fact(kind, record, source, refund.name, (refund.amount_minor, read_money(record)[1]))


def pay_ref_of(record: Record) -> str:
    """Return the attempt's name. Raises MalformedPayload."""
    pay_ref = optional_identifier(record.get("payref"))
    if pay_ref is None:
        raise MalformedPayload("there is no usable PayRef", field="PayRef")
    return pay_ref


def order_status(record: Record) -> str:
    """Return the order status as AsiaPay writes it."""
    return record.get("orderstatus", "")


def read_money(record: Record) -> tuple[int, str]:
    """Return the attempt's amount in ISO minor units, with its ISO currency. Raises MalformedPayload."""
    currency = _CURRENCIES.get(record.get("cur", ""))
    if currency is None:
        raise MalformedPayload("the currency is none of those that AsiaPay numbers", field="Cur")
    return read_decimal(record.get("amt"), currency, field="Amt")


def _facts_of_refunds(record: Record, source: Source, refunds: Sequence[OpenRefund]) -> list[Fact]:
    status = order_status(record)
    waiting = [refund for refund in refunds if refund.pay_ref == pay_ref_of(record)]
    done = carried_out(waiting, is_whole=status.lower() == REFUNDED)
    if not done:
        why = "does not say which refund was carried out" if waiting else "is about no refund that waits here"
        return [_ignored(record, source, f"status {status} {why}")]
    return [refund_fact(FactKind.REFUNDED, record, source, refund) for refund in done]


def _ignored(record: Record, source: Source, reason: str) -> Fact:
    return _fact(FactKind.IGNORED, record, source, pay_ref_of(record), reason=reason)


def _fact(
    kind: FactKind,
    record: Record,
    source: Source,
    movement: str,
    money: tuple[int, str] | None = None,
    reason: str | None = None,
) -> Fact:
    reference, pay_ref = optional_identifier(record.get("ref")), pay_ref_of(record)
    return build_fact(
        GATEWAY,
        source.account,
        kind,
        (pay_ref,) if reference is None else (reference, pay_ref),
        source.received_at or _time_of(record) or datetime.now(UTC),
        event_id=source.event_id,
        payment_id=payment_id_in(reference or ""),
        trust=source.trust,
        movement=movement,
        money=money,
        reason=reason,
    )


def _time_of(record: Record) -> datetime | None:
    try:
        return datetime.fromisoformat(record["txtime"]).replace(tzinfo=_HONG_KONG)
    except (KeyError, ValueError):
        return None
