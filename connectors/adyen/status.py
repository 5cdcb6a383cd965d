"""What Adyen's result codes, session results and events mean: the one mapping for API answers and webhooks.

A payment of ours is known there by its merchant reference, under which payers make attempts. Each attempt has a PSP
reference, and so has everything that is done to it later. Facts are named after the merchant reference; a capture that
comes with its authorization is named after the attempt, other captures, refunds and disputes after themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from connectors.adyen.references import OwnReference, Purpose, read_reference
from connectors.amounts import read_amount
from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    Payload,
    as_object,
    as_objects,
    first_text,
    optional_identifier,
    require_identifier,
)
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind

GATEWAY = "adyen"

WIRE_EXPONENTS: Mapping[str, int] = {"CLP": 2, "CVE": 0, "IDR": 0, "ISK": 2}
"""Where Adyen counts otherwise than ISO 4217."""

_KINDS: Mapping[tuple[str, str], FactKind] = {
    ("payment", "RedirectShopper"): FactKind.REQUIRES_ACTION,
    ("payment", "ChallengeShopper"): FactKind.REQUIRES_ACTION,
    ("payment", "IdentifyShopper"): FactKind.REQUIRES_ACTION,
    ("payment", "PresentToShopper"): FactKind.REQUIRES_ACTION,
    ("payment", "Pending"): FactKind.PROCESSING,
    ("payment", "Received"): FactKind.PROCESSING,
    ("payment", "Authorised"): FactKind.AUTHORIZED,
    ("payment", "PartiallyAuthorised"): FactKind.AUTHORIZED,
    ("payment", "Refused"): FactKind.ATTEMPT_FAILED,
    ("payment", "Error"): FactKind.ATTEMPT_FAILED,
    ("payment", "Cancelled"): FactKind.ATTEMPT_FAILED,
    ("session", "completed"): FactKind.PROCESSING,
    ("session", "paymentPending"): FactKind.PROCESSING,
    ("session", "canceled"): FactKind.ATTEMPT_FAILED,
    ("session", "refused"): FactKind.FAILED,
    ("session", "expired"): FactKind.CANCELLED,
    ("refund", "received"): FactKind.REFUND_PENDING,
    ("AUTHORISATION", "true"): FactKind.AUTHORIZED,
    ("AUTHORISATION", "false"): FactKind.ATTEMPT_FAILED,
    ("AUTHORISATION_ADJUSTMENT", "true"): FactKind.AUTHORIZED,
    ("CAPTURE", "true"): FactKind.CAPTURED,
    ("CAPTURE", "false"): FactKind.ATTEMPT_FAILED,
    ("CAPTURE_FAILED", "true"): FactKind.REFUNDED,
    ("CANCELLATION", "true"): FactKind.CANCELLED,
    ("TECHNICAL_CANCEL", "true"): FactKind.CANCELLED,
    ("OFFER_CLOSED", "true"): FactKind.CANCELLED,
    ("EXPIRE", "true"): FactKind.CANCELLED,
    ("CANCEL_OR_REFUND", "true"): FactKind.REVERSED,
    ("REFUND", "true"): FactKind.REFUNDED,
    ("REFUND", "false"): FactKind.REFUND_FAILED,
    ("REFUND_FAILED", "true"): FactKind.REFUND_FAILED,
    ("REFUNDED_REVERSED", "true"): FactKind.REFUND_FAILED,
    ("REQUEST_FOR_INFORMATION", "true"): FactKind.DISPUTE_OPENED,
    ("NOTIFICATION_OF_CHARGEBACK", "true"): FactKind.DISPUTE_OPENED,
    ("CHARGEBACK", "true"): FactKind.DISPUTE_OPENED,
    ("CHARGEBACK_REVERSED", "true"): FactKind.DISPUTE_WON,
    ("PREARBITRATION_WON", "true"): FactKind.DISPUTE_WON,
    ("SECOND_CHARGEBACK", "true"): FactKind.DISPUTE_LOST,
    ("PREARBITRATION_LOST", "true"): FactKind.DISPUTE_LOST,
}
"""An event's status is its `success`. An attempt that failed leaves the payment open for the next one.

A reversal is told without whether the payment was cancelled or refunded: the signature does not cover that, and either
way the whole of it went back. A capture that failed after it was told is money that came and went back. A chargeback
that nobody defends stays open: none of these events ends it.
"""

_BEGINS_AT_ITSELF = frozenset({"AUTHORISATION", "OFFER_CLOSED"})
"""Events whose PSP reference is the payment's own; the others' is that of what was done to it."""

_GIVES_A_REASON = frozenset(
    {
        FactKind.ATTEMPT_FAILED,
        FactKind.REFUND_FAILED,
        FactKind.DISPUTE_OPENED,
        FactKind.DISPUTE_WON,
        FactKind.DISPUTE_LOST,
    }
)
"""Elsewhere the reason is empty, or a part of the card's details."""


def map_status(entity: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, status))


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was read: in an event with an id, or in an API answer, which has none."""

    account: str
    occurred_at: datetime
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The payment that something is about, by its names at Adyen.

    `own` is its merchant reference taken apart, None for a payment that was not made here: what others call their
    payments is no name to know them by, because a refund can be given any.
    """

    names: tuple[str, ...]
    own: OwnReference | None = None

    @classmethod
    def of(cls, merchant_reference: object, psp_reference: str | None) -> "Subject":
        """The payment of a merchant reference and its attempt's PSP reference."""
        own = read_reference(merchant_reference)
        names = (merchant_reference if own is not None else None, psp_reference)
        found = tuple(name for name in names if isinstance(name, str))
        if not found:
            raise MalformedPayload("the payment has no usable name", field="pspReference")
        return cls(found, own)

    @property
    def psp_reference(self) -> str:
        """The PSP reference of the attempt, or the merchant reference where there is none yet."""
        return self.names[-1]

    @property
    def purpose(self) -> Purpose | None:
        """What our reference says about capturing."""
        return None if self.own is None else self.own.purpose

    def fact(self, kind: FactKind, source: Source, **details: Unpack[FactDetails]) -> Fact:
        """Build a fact about the payment."""
        return build_fact(
            GATEWAY,
            source.account,
            kind,
            self.names,
            source.occurred_at,
            event_id=source.event_id,
            payment_id=None if self.own is None or self.purpose is Purpose.MANDATE else self.own.subject_id,
            **details,
        )

    def authorized(self, money: tuple[int, str], source: Source) -> Fact:
        """Tell an authorization, which is a capture at once where the payment was made for that."""
        kind = FactKind.CAPTURED if self.purpose is Purpose.SALE else FactKind.AUTHORIZED
        return self.fact(kind, source, movement=self.psp_reference, money=money)


def facts_of_payment(answer: Payload, merchant_reference: str, source: Source) -> list[Fact]:
    """Return what an answer about an attempt says. `merchant_reference` is what we asked about.

    An authorization without its amount is told as one under way: the callback about it has the amount.
    """
    kind = map_status("payment", str(answer.get("resultCode")))
    subject = Subject.of(merchant_reference, optional_identifier(answer.get("pspReference")))
    if kind is None:
        return []
    if kind is FactKind.AUTHORIZED:
        if len(subject.names) == 1 or answer.get("amount") is None:
            return [subject.fact(FactKind.PROCESSING, source)]
        return [subject.authorized(read_money(answer), source)]
    reason = first_text(answer.get("refusalReason"), answer.get("resultCode")) if kind in _GIVES_A_REASON else None
    movement = subject.psp_reference if kind is FactKind.ATTEMPT_FAILED else None
    return [subject.fact(kind, source, movement=movement, reason=reason)]


def facts_of_session(session: Payload, merchant_reference: str, source: Source) -> list[Fact]:
    """Return what a session's result says: the payments made in it, or else what became of the session itself."""
    payments = as_objects(session.get("payments"))
    told = [fact for payment in payments for fact in facts_of_payment(payment, merchant_reference, source)]
    status = str(session.get("status"))
    kind = map_status("session", status)
    if told or kind is None:
        return told
    return [Subject.of(merchant_reference, None).fact(kind, source, reason=_reason_of_session(kind, status))]


def facts_of_event(item: Payload, source: Source) -> list[Fact]:
    """Return what an event says about its payment, none when it says nothing.

    Nothing is read that the item's signature does not cover, but for the reason, which changes no money.
    """
    code, psp_reference = str(item.get("eventCode")), optional_identifier(item.get("pspReference"))
    kind, subject = map_status(code, str(item.get("success"))), subject_of_event(item)
    if kind is None or psp_reference is None:
        return []
    if kind is FactKind.AUTHORIZED:
        return [subject.authorized(read_money(item), source)]
    if kind in {FactKind.CANCELLED, FactKind.REVERSED}:
        return [subject.fact(kind, source)]
    reason = first_text(item.get("reason")) if kind in _GIVES_A_REASON else None
    if kind is FactKind.ATTEMPT_FAILED:
        return [subject.fact(kind, source, movement=psp_reference, reason=reason or f"{code} did not succeed")]
    if kind is FactKind.CAPTURED:
        return [_capture(item, subject, source)]
    moved = subject.fact(kind, source, movement=psp_reference, money=read_money(item), reason=reason)
    return [_capture(item, subject, source), moved] if code == "CAPTURE_FAILED" else [moved]


def subject_of_event(item: Payload) -> Subject:
    """Return the payment that an event is about. Raises MalformedPayload when it has no name."""
    merchant_reference, itself = item.get("merchantReference"), optional_identifier(item.get("pspReference"))
    payment = (
        itself if item.get("eventCode") in _BEGINS_AT_ITSELF else optional_identifier(item.get("originalReference"))
    )
    if payment is None and read_reference(merchant_reference) is None:
        payment = itself
    return Subject.of(merchant_reference, payment)


def read_money(owner: Payload) -> tuple[int, str]:
    """Return the amount of an item or answer in ISO minor units and its currency. Raises MalformedPayload."""
    amount = as_object(owner.get("amount"), "the amount")
    return read_amount(amount.get("value"), str(amount.get("currency")), WIRE_EXPONENTS)


def _capture(item: Payload, subject: Subject, source: Source) -> Fact:
    """Tell a capture, named after itself only where our reference says that captures are asked for.

    Otherwise the authorization is captured as a whole and at once, perhaps told before, and every event is about that
    one capture. So an event that does not say which authorization it is about cannot be read.
    """
    movement = require_identifier(item, "pspReference" if subject.purpose is Purpose.AUTH else "originalReference")
    return subject.fact(FactKind.CAPTURED, source, movement=movement, money=read_money(item))


def _reason_of_session(kind: FactKind, status: str) -> str | None:
    failed = kind in {FactKind.ATTEMPT_FAILED, FactKind.FAILED, FactKind.CANCELLED}
    return f"the session is {status}" if failed else None
