"""What Swish's payment requests and refunds mean: the one mapping for API answers, status fetches and webhooks.

A payment is named after its instruction, which is ours; the bank's reference of it exists once it is paid, is what
refunds ask for, and names the capture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Unpack

from connectors.amounts import read_decimal, written_out
from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    Payload,
    optional_identifier,
    optional_moment,
    optional_text,
    reason_text,
    require_identifier,
    unmapped_status,
)
from connectors.swish.names import payment_id_in
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind, Trust

GATEWAY = "swish"
CURRENCY = "SEK"

_KINDS: Mapping[tuple[str, str], FactKind] = {
    ("payment", "CREATED"): FactKind.REQUIRES_ACTION,
    ("payment", "PAID"): FactKind.CAPTURED,
    ("payment", "DECLINED"): FactKind.FAILED,
    ("payment", "CANCELLED"): FactKind.CANCELLED,
    ("payment", "ERROR"): FactKind.FAILED,
    ("payment", "ERROR TM01"): FactKind.CANCELLED,
    ("payment", "ERROR BANKIDCL"): FactKind.CANCELLED,
    ("payment", "ERROR DS24"): FactKind.PROCESSING,
    ("refund", "CREATED"): FactKind.REFUND_PENDING,
    ("refund", "VALIDATED"): FactKind.REFUND_PENDING,
    ("refund", "DEBITED"): FactKind.REFUND_PENDING,
    ("refund", "PAID"): FactKind.REFUNDED,
    ("refund", "ERROR"): FactKind.REFUND_FAILED,
    ("refund", "ERROR DS24"): FactKind.REFUND_PENDING,
}
"""TM01: the payer did not answer in time. BANKIDCL: the payer cancelled the signing. DS24: the banks did not answer
Swish, so nobody knows whether money moved; neither may it be asked for again."""


def map_status(entity: str, status: str, error_code: str | None = None) -> FactKind | None:
    """Return what a status, with the code of its error, means for a payment; None when it is not known here."""
    return _KINDS.get((entity, f"{status} {error_code}")) or _KINDS.get((entity, status))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where something was read: in a callback, or in an API answer.

    `payment` is the instruction of the payment that was asked for, `payment_id` our own id of it; `at` is when it
    happened, unless what was read says better.
    """

    account: str
    is_callback: bool = False
    payment: str | None = None
    payment_id: str | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def fact(self, kind: FactKind, item: Payload, names: tuple[str, ...], **details: Unpack[FactDetails]) -> Fact:
        """Build a fact about a payment request or a refund."""
        item_id = require_identifier(item, "id")
        own_reference = item.get("payeePaymentReference") or item.get("payerPaymentReference")
        return build_fact(
            GATEWAY,
            self.account,
            kind,
            names,
            optional_moment(item.get("datePaid"), zone=UTC, field="datePaid") or self.at,
            event_id=f"{item_id}:{item.get('status')}" if self.is_callback else None,
            subject=details.get("movement") or item_id,
            payment_id=payment_id_in(own_reference, self.payment_id),
            trust=Trust.HINT if self.is_callback else Trust.SIGNED,
            **details,
        )


def is_refund(item: Payload) -> bool:
    """Say whether something is a refund rather than a payment request."""
    return "originalPaymentReference" in item


def read_item(item: Payload, source: Source) -> Fact:
    """Return what a payment request or a refund says; what is not known here is ignored. Raises MalformedPayload."""
    return fact_of_refund(item, source) if is_refund(item) else fact_of_payment(item, source)


def fact_of_payment(payment: Payload, source: Source) -> Fact:
    """Return what a payment request says of itself. Raises MalformedPayload."""
    status, error_code = require_identifier(payment, "status"), optional_identifier(payment.get("errorCode"))
    kind = map_status("payment", status, error_code)
    bank_reference = optional_identifier(payment.get("paymentReference"))
    names = tuple(filter(None, (require_identifier(payment, "id"), bank_reference)))
    if kind is FactKind.CAPTURED:
        if bank_reference is None:
            raise MalformedPayload("a payment request is paid and has no reference of the bank's")
        return source.fact(kind, payment, names, movement=bank_reference, money=read_money(payment))
    if kind is None:
        return source.fact(FactKind.IGNORED, payment, names, reason=unmapped_status(status))
    reason = _reason_of(payment, status) if kind in {FactKind.FAILED, FactKind.CANCELLED} else None
    return source.fact(kind, payment, names, reason=reason)


def fact_of_refund(refund: Payload, source: Source) -> Fact:
    """Return what a refund says of itself; it names its payment by the bank's reference. Raises MalformedPayload."""
    status, error_code = require_identifier(refund, "status"), optional_identifier(refund.get("errorCode"))
    kind = map_status("refund", status, error_code)
    refund_id, original = require_identifier(refund, "id"), require_identifier(refund, "originalPaymentReference")
    names = tuple(filter(None, (source.payment, original)))
    if kind is None:
        return source.fact(FactKind.IGNORED, refund, names, reason=unmapped_status(status))
    reason = _reason_of(refund, status) if kind is FactKind.REFUND_FAILED else None
    return source.fact(kind, refund, names, movement=refund_id, money=read_money(refund), reason=reason)


def read_money(item: Payload) -> tuple[int, str]:
    """Return an amount in minor units and its currency. Swish writes numbers and decimal strings alike.

    Raises MalformedPayload, also for an amount below zero and another currency than SEK.
    """
    if item.get("currency") != CURRENCY:
        raise MalformedPayload(f"an amount at Swish is in {CURRENCY}", field="currency")
    return read_decimal(written_out(item.get("amount")), CURRENCY)


def _reason_of(item: Payload, status: str) -> str:
    code, message = optional_text(item.get("errorCode")) or status, optional_text(item.get("errorMessage"))
    return reason_text(code, message)
