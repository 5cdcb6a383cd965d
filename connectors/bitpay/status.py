"""What BitPay's invoices and refunds mean: the one mapping that serves API answers, status fetches and callbacks.

An invoice is paid once, so it is the name of its payment and of its capture. What counts is its price in fiat; what was
paid in a cryptocurrency is never read. BitPay itself gives back what was paid too much, too little or too late; nothing
of that was ever the merchant's, so those refunds are not the payment's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from connectors.amounts import read_decimal, written_out
from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    MAX_STATUS_LENGTH,
    Payload,
    as_objects,
    moment_from_milliseconds,
    moment_from_text,
    optional_identifier,
    require_identifier,
    unmapped_status,
)
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind, Trust

GATEWAY = "bitpay"

_KINDS: Mapping[tuple[str, str], FactKind] = {
    ("invoice", "paid"): FactKind.PROCESSING,
    ("invoice", "underpaid"): FactKind.PROCESSING,
    ("invoice", "confirmed"): FactKind.CAPTURED,
    ("invoice", "complete"): FactKind.CAPTURED,
    ("invoice", "expired"): FactKind.CANCELLED,
    ("invoice", "cancelled"): FactKind.CANCELLED,
    ("invoice", "expired_with_money"): FactKind.IGNORED,
    ("invoice", "invalid"): FactKind.FAILED,
    ("invoice", "declined"): FactKind.FAILED,
    ("refund", "created"): FactKind.REFUND_PENDING,
    ("refund", "pending"): FactKind.REFUND_PENDING,
    ("refund", "success"): FactKind.REFUNDED,
    ("refund", "failure"): FactKind.REFUND_FAILED,
    ("refund", "cancelled"): FactKind.REFUND_FAILED,
    ("refund", "canceled"): FactKind.REFUND_FAILED,
}
"""A refund in preview is no refund yet: nothing happens until somebody confirms it."""

_EXCEPTIONS: Mapping[str, str] = {
    "paidPartial": "paidPartial: less than the price was paid, which BitPay gives back",
    "paidLate": "paidLate: it was paid too late, and may still be completed",
    "paidOver": "paidOver: more than the price was paid, and the difference is the payer's",
}

OWN_REFUNDS = frozenset({"underpayment", "overpayment", "declined"})
"""Types of refunds that BitPay makes of itself, of money that was never captured."""


def map_status(entity: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, status))


@dataclass(frozen=True, slots=True)
class Source:
    """Where invoices and refunds were read: in a callback with a name and a time, or in an API answer without either.

    What a callback says is a hint: it only has the invoice read.
    """

    account: str
    event_id: str | None = None
    occurred_at: datetime | None = None

    def fact(
        self,
        kind: FactKind,
        reference: str,
        happened: object,
        *,
        payment_id: str | None = None,
        **details: Unpack[FactDetails],
    ) -> Fact:
        """Build a fact about an invoice; the callback's own time counts before `happened`, which is as JSON had it."""
        return build_fact(
            GATEWAY,
            self.account,
            kind,
            (reference,),
            self.occurred_at or read_time(happened),
            event_id=self.event_id,
            payment_id=payment_id,
            trust=Trust.SIGNED if self.event_id is None else Trust.HINT,
            **details,
        )


def facts_of_invoice(invoice: Payload, source: Source) -> list[Fact]:
    """Return what an invoice says. What was given back of it, its refunds say."""
    invoice_id = require_identifier(invoice, "id")
    kind = map_status("invoice", _status_of(invoice))
    if kind is None:
        return []
    is_captured = kind is FactKind.CAPTURED
    return [
        source.fact(
            kind,
            invoice_id,
            _latest_time(invoice),
            movement=invoice_id if is_captured else None,
            money=read_price(invoice) if is_captured else None,
            payment_id=payment_id_in(invoice),
            reason=_reason_of(invoice),
        )
    ]


def facts_of_refund(refund: Payload, invoice: Payload, source: Source) -> list[Fact]:
    """Return what a refund says, and nothing for one that BitPay made of itself. `invoice` may be empty."""
    kind = map_status("refund", str(refund.get("status")))
    refund_id, invoice_id = require_identifier(refund, "id"), require_identifier(refund, "invoice")
    if kind is None or str(refund.get("type")) in OWN_REFUNDS:
        return []
    money = read_number(refund.get("amount"), refund.get("currency"))
    happened = refund.get("requestDate")
    return [source.fact(kind, invoice_id, happened, movement=refund_id, money=money, payment_id=payment_id_in(invoice))]


def explain_invoice(invoice: Payload) -> str:
    """Say in words why an invoice says nothing about its payment."""
    status = str(invoice.get("status"))
    return "the invoice waits for the payer" if status == "new" else unmapped_status(status)


def explain_refund(refund: Payload) -> str:
    """Say in words why a refund says nothing about its payment."""
    if str(refund.get("type")) in OWN_REFUNDS:
        return f"BitPay itself gives this back ({refund['type']}); it was never captured"
    status = str(refund.get("status"))
    return "the refund is a preview" if status == "preview" else unmapped_status(status)


def payment_id_in(invoice: Payload) -> str | None:
    """Return our payment id, which an invoice of ours carries as `posData`."""
    return optional_identifier(invoice.get("posData"))


def read_price(invoice: Payload) -> tuple[int, str]:
    """Return an invoice's price in ISO minor units and its currency. Raises MalformedPayload."""
    return read_number(invoice.get("price"), invoice.get("currency"))


def read_number(amount: object, currency: object) -> tuple[int, str]:
    """Return an amount that was a JSON number in ISO minor units, and its currency. Raises MalformedPayload."""
    if isinstance(amount, str):
        raise MalformedPayload("the amount is no JSON number", field="amount")
    return read_decimal(written_out(amount), str(currency))


def read_time(value: object) -> datetime:
    """Return a time given in Unix milliseconds, or as RFC 3339 writes it. Raises MalformedPayload."""
    return moment_from_text(value) if isinstance(value, str) else moment_from_milliseconds(value)


def _latest_time(invoice: Payload) -> object:
    """When an invoice's latest payment was seen, or when it was made while there is none.

    What an answer calls its current time is that of the answer, not of anything that happened.
    """
    received = [payment.get("receivedTime") for payment in as_objects(invoice.get("transactions"))]
    return max((value for value in received if value is not None), key=read_time, default=invoice.get("invoiceTime"))


def _status_of(invoice: Payload) -> str:
    """The status by which an invoice is mapped: its own, and what the exception beside it makes of it."""
    status, exception = str(invoice.get("status")), invoice.get("exceptionStatus")
    if invoice.get("isCancelled") is True and status in {"new", "expired"}:
        return "cancelled"
    if status == "new" and exception == "paidPartial":
        return "underpaid"
    if status == "expired" and exception in {"paidPartial", "paidLate"}:
        return "expired_with_money"
    return status


def _reason_of(invoice: Payload) -> str | None:
    exception = invoice.get("exceptionStatus")
    if isinstance(exception, str) and exception:
        return _EXCEPTIONS.get(exception, exception[:MAX_STATUS_LENGTH])
    status = str(invoice.get("status"))
    return status if map_status("invoice", status) in {FactKind.FAILED, FactKind.CANCELLED} else None
