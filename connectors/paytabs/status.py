"""What PayTabs' transactions mean: the one mapping that serves API answers, status fetches and callbacks.

A payment of ours is a cart there. Its payment is one transaction (a sale or an authorization), and every capture, void
and refund is a transaction of its own that names the one before it. So facts are named after the cart, and movements
after their transactions.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.amounts import read_decimal, written_out
from connectors.fact_building import build_fact
from connectors.payloads import (
    MAX_REASON_LENGTH,
    Payload,
    first_text,
    moment_from_text,
    optional_identifier,
    optional_text,
    part_of,
    require_identifier,
)
from connectors.paytabs.carts import payment_id_in
from domain.errors import MalformedPayload
from domain.facts import NEEDS_AMOUNT, Fact, FactKind

GATEWAY = "paytabs"

PAYMENTS = ("sale", "auth")
FOLLOW_UPS = ("capture", "void", "release", "refund")

MADE = frozenset({FactKind.CAPTURED, FactKind.AUTHORIZED})
"""What a payment's transaction says when it came to something."""

ALIVE = MADE | {FactKind.PROCESSING}
"""The same, or it still may come to something."""

UNSUCCESSFUL = frozenset("VXCDE")

_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")

_OF_PAYMENTS: Mapping[str, FactKind] = {
    "H": FactKind.PROCESSING,
    "P": FactKind.PROCESSING,
    "V": FactKind.CANCELLED,
    "X": FactKind.CANCELLED,
    "C": FactKind.CANCELLED,
    "D": FactKind.FAILED,
    "E": FactKind.FAILED,
}

_KINDS: Mapping[tuple[str, str], FactKind] = {
    **{(tran_type, status): kind for tran_type in PAYMENTS for status, kind in _OF_PAYMENTS.items()},
    ("sale", "A"): FactKind.CAPTURED,
    ("auth", "A"): FactKind.AUTHORIZED,
    ("capture", "A"): FactKind.CAPTURED,
    ("void", "A"): FactKind.CANCELLED,
    ("release", "A"): FactKind.CANCELLED,
    ("refund", "A"): FactKind.REFUNDED,
    ("refund", "P"): FactKind.REFUND_PENDING,
    ("refund", "D"): FactKind.REFUND_FAILED,
    ("refund", "E"): FactKind.REFUND_FAILED,
}
"""A capture or void that failed leaves the payment as it was, and a registered card is about no payment."""


def map_status(tran_type: str, status: str) -> FactKind | None:
    """Return what a transaction's type and status mean for a payment; None when they mean nothing, or are unknown."""
    return _KINDS.get((tran_type, status))


@dataclass(frozen=True, slots=True)
class Source:
    """Where transactions were read: in a callback, received at a time, or in an API answer."""

    account: str
    received_at: datetime | None = None


def facts_of_transaction(transaction: Payload, source: Source) -> list[Fact]:
    """Return what a transaction says, one fact or none. Raises MalformedPayload when it cannot be read."""
    kind = map_status(type_of(transaction), status_of(transaction))
    return [] if kind is None else [fact_of(kind, transaction, source)]


def facts_of_cart(transactions: Sequence[Payload], source: Source) -> list[Fact]:
    """Return what the transactions of one cart say.

    Where a payment was made or may still be, earlier attempts that came to nothing say nothing about the cart.
    """
    has_payment = payment_in(transactions) is not None
    told = [item for item in transactions if not (has_payment and _is_lost_attempt(item))]
    return [fact for item in told for fact in facts_of_transaction(item, source)]


def payment_in(transactions: Sequence[Payload], kinds: frozenset[FactKind] = ALIVE) -> Payload | None:
    """Return the sale or authorization of a cart that came to something, or still may."""
    return next((item for item in transactions if type_of(item) in PAYMENTS and kind_of(item) in kinds), None)


def fact_of(kind: FactKind, transaction: Payload, source: Source, reason: str | None = None) -> Fact:
    """Build a fact about a transaction, which names what moved."""
    if reason is None and status_of(transaction) in UNSUCCESSFUL:
        reason = reason_of(transaction)
    return build_fact(
        GATEWAY,
        source.account,
        kind,
        references_of(transaction),
        _time_of(transaction) or source.received_at or datetime.now(UTC),
        event_id=None if source.received_at is None else event_id_of(transaction),
        payment_id=payment_id_in(transaction.get("cart_id")),
        movement=require_identifier(transaction, "tran_ref"),
        money=read_money(transaction) if kind in NEEDS_AMOUNT else None,
        reason=reason,
    )


def references_of(transaction: Payload) -> tuple[str, ...]:
    """Return the names of a payment: its cart, this transaction and the one that it follows.

    A recurring sale names the sale that left its token, which is another payment, so only follow-ups count.
    """
    names = [optional_identifier(transaction.get("cart_id")), require_identifier(transaction, "tran_ref")]
    if type_of(transaction) in FOLLOW_UPS:
        names.append(optional_identifier(transaction.get("previous_tran_ref")))
    return tuple(dict.fromkeys(name for name in names if name is not None))


def event_id_of(transaction: Payload) -> str:
    """Name a callback, which has no id of its own, by what it tells."""
    told = f"{type_of(transaction)[:30]}:{status_of(transaction)[:10]}"
    return f"{require_identifier(transaction, 'tran_ref')}:{_NOT_PRINTABLE.sub('_', told)}"


def type_of(transaction: Payload) -> str:
    """Return the transaction's type in small letters: PayTabs writes both `Sale` and `sale`."""
    return str(transaction.get("tran_type")).lower()


def status_of(transaction: Payload) -> str:
    """Return the letter of the transaction's result."""
    return str(_result_of(transaction).get("response_status"))


def kind_of(transaction: Payload) -> FactKind | None:
    """Return what the transaction means for its payment."""
    return map_status(type_of(transaction), status_of(transaction))


def reason_of(transaction: Payload) -> str | None:
    """Return the code and the words of the transaction's result."""
    result = _result_of(transaction)
    told = (first_text(result.get("response_code")), optional_text(result.get("response_message")))
    return ": ".join(part for part in told if part)[:MAX_REASON_LENGTH] or None


def read_money(transaction: Payload) -> tuple[int, str]:
    """Return what the merchant asked for, in ISO minor units, and its currency. Raises MalformedPayload.

    The payer may have been charged in another currency (`tran_total`), which is between payer and PayTabs.
    """
    currency = str(transaction.get("cart_currency"))
    return read_decimal(written_out(transaction.get("cart_amount")), currency, field="cart_amount")


def _is_lost_attempt(transaction: Payload) -> bool:
    return type_of(transaction) in PAYMENTS and kind_of(transaction) not in ALIVE


def _result_of(transaction: Payload) -> Payload:
    return part_of(transaction, "payment_result")


def _time_of(transaction: Payload) -> datetime | None:
    try:
        return moment_from_text(_result_of(transaction).get("transaction_time"))
    except MalformedPayload:
        # One without a zone could be any hour of the day.
        return None
