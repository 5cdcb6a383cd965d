"""What the codes of PhonePe's legacy API mean: the one mapping that serves answers, status fetches and callbacks.

A payment and a refund are each a transaction, told apart by our names alone. A transaction has no time.
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
    first_text,
    optional_identifier,
    reason_text,
    require_identifier,
)
from connectors.phonepe_v1.names import is_refund, payment_id_of, refund_stem, stem_of
from domain.facts import Fact, FactKind

GATEWAY = "phonepe_v1"
CURRENCY = "INR"

WIRE_EXPONENTS: Mapping[str, int] = {}
"""PhonePe counts rupees in paisa, as ISO 4217 does."""

_KINDS: Mapping[tuple[str, str], FactKind | None] = {
    ("payment", "PAYMENT_INITIATED"): None,
    ("payment", "PAYMENT_SUCCESS"): FactKind.CAPTURED,
    ("payment", "PAYMENT_PENDING"): FactKind.PROCESSING,
    ("payment", "TIMED_OUT"): FactKind.PROCESSING,
    ("payment", "INTERNAL_SERVER_ERROR"): FactKind.PROCESSING,
    ("payment", "PAYMENT_ERROR"): FactKind.FAILED,
    ("payment", "PAYMENT_DECLINED"): FactKind.FAILED,
    ("payment", "AUTHORIZATION_FAILED"): FactKind.FAILED,
    ("payment", "BAD_REQUEST"): FactKind.FAILED,
    ("payment", "TRANSACTION_NOT_FOUND"): FactKind.FAILED,
    ("refund", "PAYMENT_SUCCESS"): FactKind.REFUNDED,
    ("refund", "PAYMENT_PENDING"): FactKind.REFUND_PENDING,
    ("refund", "TIMED_OUT"): FactKind.REFUND_PENDING,
    ("refund", "INTERNAL_SERVER_ERROR"): FactKind.REFUND_PENDING,
    ("refund", "PAYMENT_ERROR"): FactKind.REFUND_FAILED,
    ("refund", "PAYMENT_DECLINED"): FactKind.REFUND_FAILED,
    ("refund", "AUTHORIZATION_FAILED"): None,
    ("refund", "BAD_REQUEST"): None,
    ("refund", "TRANSACTION_NOT_FOUND"): None,
}
"""What timed out, or failed inside PhonePe, is still under way. A refund that is not known may yet arrive."""


def map_status(entity: str, code: str) -> FactKind | None:
    """Return what a code means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, code))


def is_known(entity: str, code: str) -> bool:
    """Say whether a code is one that PhonePe documents."""
    return (entity, code) in _KINDS


def entity_of(name: str) -> str:
    """Say what a transaction is by its name: a `payment` or a `refund`."""
    return "refund" if is_refund(name) else "payment"


@dataclass(frozen=True, slots=True)
class Source:
    """Where transactions were read: in a callback, which is received at a time, or in an API answer.

    `payment` is the name of the payment that a refund belongs to, where it is known.
    """

    account: str
    event_id: str | None = None
    received_at: datetime | None = None
    payment: str | None = None

    def fact(
        self,
        kind: FactKind,
        references: tuple[str, ...],
        subject: str,
        *,
        payment_id: str | None = None,
        **details: Unpack[FactDetails],
    ) -> Fact:
        """Build a fact about the transaction `subject`."""
        return build_fact(
            GATEWAY,
            self.account,
            kind,
            references,
            self.received_at or datetime.now(UTC),
            event_id=self.event_id,
            subject=subject,
            payment_id=payment_id,
            **details,
        )


def facts_of_transaction(answer: Payload, source: Source) -> list[Fact]:
    """Return what a callback or an answer says of the payment or refund that it is about."""
    transaction = as_object(answer.get("data"), "the transaction")
    name, code = require_identifier(transaction, "merchantTransactionId"), require_identifier(answer, "code")
    kind = map_status(entity_of(name), code)
    if kind is None:
        return []
    if is_refund(name):
        return [_of_refund(kind, name, transaction, code, source)]
    return [_of_payment(kind, name, transaction, code, source)]


def fact_of_unknown(name: str, code: str, source: Source) -> list[Fact]:
    """Return what it says of a payment that PhonePe has no transaction of its name."""
    kind = map_status("payment", code)
    names = (name, refund_stem(name))
    return [] if kind is None else [source.fact(kind, names, name, payment_id=payment_id_of(name), reason=code)]


def read_money(transaction: Payload) -> tuple[int, str]:
    """Return the amount of a transaction in paisa, and its currency. Raises MalformedPayload."""
    return read_amount(transaction.get("amount"), CURRENCY, WIRE_EXPONENTS)


def _of_payment(kind: FactKind, name: str, transaction: Payload, code: str, source: Source) -> Fact:
    their_name = optional_identifier(transaction.get("transactionId"))
    names = (name, *(() if their_name is None else (their_name,)), refund_stem(name))
    payment_id = payment_id_of(name)
    if kind is FactKind.CAPTURED:
        movement = require_identifier(transaction, "transactionId")
        money = read_money(transaction)
        return source.fact(kind, names, name, movement=movement, money=money, payment_id=payment_id)
    reason = _failure_of(transaction, code) if kind is FactKind.FAILED else None
    return source.fact(kind, names, name, payment_id=payment_id, reason=reason)


def _of_refund(kind: FactKind, name: str, transaction: Payload, code: str, source: Source) -> Fact:
    names = (stem_of(name),) if source.payment is None else (source.payment, stem_of(name))
    reason = _failure_of(transaction, code) if kind is FactKind.REFUND_FAILED else None
    return source.fact(kind, names, name, movement=name, money=read_money(transaction), reason=reason)


def _failure_of(transaction: Payload, code: str) -> str:
    detail = first_text(transaction.get("responseCode"))
    return reason_text(code, None if detail == code else detail)
