"""What Prism's answers mean: the one mapping that serves API answers, status fetches and callbacks.

Prism has an enumeration of its own for payments, refunds and raised authorizations, and one for callbacks. A payment is
one transaction at the processor, so the transaction's id names its authorization and its capture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.payloads import Payload, api_fact_id, first_text, optional_identifier, part_of, reason_text
from connectors.prism.names import refund_name
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind

GATEWAY = "prism"

_PAYMENT: Mapping[str, FactKind] = {
    "AUTHENTICATION_PENDING": FactKind.REQUIRES_ACTION,
    "AUTHENTICATION_SUCCESSFUL": FactKind.PROCESSING,
    "AUTHORIZING": FactKind.PROCESSING,
    "CAPTURE_INITIATED": FactKind.PROCESSING,
    "VOID_INITIATED": FactKind.PROCESSING,
    "PENDING": FactKind.PROCESSING,
    "UNRESOLVED": FactKind.PROCESSING,
    "CONFLICTED": FactKind.PROCESSING,
    "AUTHORIZED": FactKind.AUTHORIZED,
    "PARTIALLY_AUTHORIZED": FactKind.AUTHORIZED,
    "VOID_FAILED": FactKind.AUTHORIZED,
    "CAPTURE_FAILED": FactKind.AUTHORIZED,
    "CHARGED": FactKind.CAPTURED,
    "PARTIAL_CHARGED": FactKind.CAPTURED,
    "PARTIAL_CHARGED_AND_CHARGEABLE": FactKind.CAPTURED,
    "AUTO_REFUNDED": FactKind.REFUNDED,
    "VOIDED": FactKind.CANCELLED,
    "EXPIRED": FactKind.CANCELLED,
    "VOIDED_POST_CAPTURE": FactKind.REVERSED,
    "AUTHENTICATION_FAILED": FactKind.FAILED,
    "AUTHORIZATION_FAILED": FactKind.FAILED,
    "ROUTER_DECLINED": FactKind.FAILED,
    "FAILURE": FactKind.FAILED,
}
_REFUND: Mapping[str, FactKind] = {
    "REFUND_PENDING": FactKind.REFUND_PENDING,
    "REFUND_MANUAL_REVIEW": FactKind.REFUND_PENDING,
    "REFUND_SUCCESS": FactKind.REFUNDED,
    "REFUND_FAILURE": FactKind.REFUND_FAILED,
    "REFUND_TRANSACTION_FAILURE": FactKind.REFUND_FAILED,
}
_INCREMENT: Mapping[str, FactKind] = {
    "AUTHORIZATION_SUCCESS": FactKind.AUTHORIZED,
    "AUTHORIZATION_FAILURE": FactKind.ATTEMPT_FAILED,
    "AUTHORIZATION_PROCESSING": FactKind.PROCESSING,
    "AUTHORIZATION_UNRESOLVED": FactKind.PROCESSING,
}
_EVENT: Mapping[str, FactKind] = {
    "PAYMENT_ACTION_REQUIRED": FactKind.REQUIRES_ACTION,
    "PAYMENT_INTENT_PROCESSING": FactKind.PROCESSING,
    "PAYMENT_INTENT_PARTIALLY_FUNDED": FactKind.PROCESSING,
    "PAYMENT_INTENT_CANCEL_FAILURE": FactKind.PROCESSING,
    "PAYMENT_INTENT_CAPTURE_FAILURE": FactKind.PROCESSING,
    "PAYMENT_INTENT_EXTEND_AUTHORIZATION_FAILURE": FactKind.PROCESSING,
    "PAYMENT_INTENT_AUTHORIZATION_SUCCESS": FactKind.AUTHORIZED,
    "PAYMENT_INTENT_EXTEND_AUTHORIZATION_SUCCESS": FactKind.AUTHORIZED,
    "PAYMENT_INTENT_SUCCESS": FactKind.CAPTURED,
    "PAYMENT_INTENT_CAPTURE_SUCCESS": FactKind.CAPTURED,
    "PAYMENT_INTENT_CANCELLED": FactKind.CANCELLED,
    "PAYMENT_INTENT_EXPIRED": FactKind.CANCELLED,
    "PAYMENT_INTENT_FAILURE": FactKind.FAILED,
    "PAYMENT_INTENT_AUTHORIZATION_FAILURE": FactKind.FAILED,
    "WEBHOOK_REFUND_PROCESSING": FactKind.REFUND_PENDING,
    "WEBHOOK_REFUND_REVIEW": FactKind.REFUND_PENDING,
    "WEBHOOK_REFUND_SUCCESS": FactKind.REFUNDED,
    "WEBHOOK_REFUND_FAILURE": FactKind.REFUND_FAILED,
    "WEBHOOK_DISPUTE_OPENED": FactKind.DISPUTE_OPENED,
    "WEBHOOK_DISPUTE_CHALLENGED": FactKind.DISPUTE_OPENED,
    "WEBHOOK_DISPUTE_CANCELLED": FactKind.DISPUTE_WON,
    "WEBHOOK_DISPUTE_WON": FactKind.DISPUTE_WON,
    "WEBHOOK_DISPUTE_EXPIRED": FactKind.DISPUTE_LOST,
    "WEBHOOK_DISPUTE_ACCEPTED": FactKind.DISPUTE_LOST,
    "WEBHOOK_DISPUTE_LOST": FactKind.DISPUTE_LOST,
}
_KINDS: Mapping[str, Mapping[str, FactKind]] = {
    "payment": _PAYMENT,
    "refund": _REFUND,
    "increment": _INCREMENT,
    "event": _EVENT,
}


def map_status(enumeration: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here.

    `enumeration` is `payment`, `refund`, `increment` or `event`: their names and numbers overlap.
    """
    return _KINDS[enumeration].get(status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is known of a payment when an answer about it is read.

    - `name`: the payment's name here; `transaction_id`: the processor's, where an earlier answer gave it.
    - `authorized_minor`, `captured_minor`: what was asked for; None where only the processor can say.
    """

    account: str
    name: str
    payment_id: str | None
    read_at: datetime
    currency: str | None
    transaction_id: str | None = None
    authorized_minor: int | None = None
    captured_minor: int | None = None

    def fact(
        self,
        kind: FactKind,
        transaction_id: str | None,
        *,
        movement: str | None = None,
        amount_minor: int | None = None,
        reason: str | None = None,
    ) -> Fact:
        """Build a fact. Prism gives most answers no time, so a fact is as old as its reading.

        Our payment id is one of the payment's names there: many callbacks have no other.
        """
        references = [each for each in (self.name, self.payment_id, transaction_id) if each is not None]
        return Fact(
            gateway=GATEWAY,
            account=self.account,
            gateway_event_id=api_fact_id(movement or references[-1], kind, amount_minor, reason),
            kind=kind,
            provider_reference=references[0],
            related_references=tuple(dict.fromkeys(references[1:])),
            occurred_at=self.read_at,
            amount_minor=amount_minor,
            currency=None if amount_minor is None else self.currency,
            movement_reference=movement,
            payment_id=self.payment_id,
            reason=reason,
        )


def facts_of_payment(answer: Payload, subject: Subject) -> tuple[Fact, ...]:
    """Return what an answer says about a payment, nothing while it waits. Raises MalformedPayload."""
    status = status_of(answer)
    kind = map_status("payment", status)
    transaction_id = subject.transaction_id or optional_identifier(answer.get("connectorTransactionId"))
    if kind is None:
        return ()
    if kind is FactKind.FAILED:
        return (subject.fact(kind, transaction_id, movement=transaction_id, reason=reason_of(answer, status)),)
    if transaction_id is None:
        raise MalformedPayload("the answer names no transaction", field="connectorTransactionId")
    if kind is FactKind.AUTHORIZED:
        amount_minor = _authorized(answer, status, subject)
        return (subject.fact(kind, transaction_id, movement=transaction_id, amount_minor=amount_minor),)
    if kind in {FactKind.CAPTURED, FactKind.REFUNDED}:
        return _charged(kind, answer, status, subject, transaction_id)
    return (subject.fact(kind, transaction_id, movement=transaction_id),)


def facts_of_refund(answer: Payload, subject: Subject, amount_minor: int | None) -> tuple[Fact, ...]:
    """Return what an answer says about a refund of `amount_minor`. Raises MalformedPayload.

    A refund whose amount nobody knows says nothing.
    """
    refund_id = optional_identifier(answer.get("connectorRefundId"))
    if refund_id is None:
        raise MalformedPayload("the answer names no refund", field="connectorRefundId")
    status = status_of(answer)
    kind = map_status("refund", status)
    amount_minor = amount_minor if amount_minor is not None else _money_in(answer.get("refundAmount"), subject)
    if kind is None or amount_minor is None:
        return ()
    reason = reason_of(answer, status) if kind is FactKind.REFUND_FAILED else None
    movement = refund_name(refund_id, amount_minor)
    return (subject.fact(kind, subject.transaction_id, movement=movement, amount_minor=amount_minor, reason=reason),)


def status_of(answer: Payload) -> str:
    """Return an answer's status by name. Raises MalformedPayload when it has none."""
    status = answer.get("status")
    if not isinstance(status, str):
        raise MalformedPayload("the answer has no status that is known", field="status")
    return status


def reason_of(answer: Payload, otherwise: str) -> str:
    """Return why something failed: the processor's code and message, or else `otherwise`."""
    error = part_of(answer, "error")
    details = (part_of(error, "connectorDetails"), part_of(error, "unifiedDetails"))
    code = first_text(*(each.get("code") for each in details)) or otherwise
    message = first_text(*(each.get("message") for each in details), *(each.get("reason") for each in details))
    return reason_text(code, message)


def whole_number(value: object) -> int | None:
    """Return a whole number, which protobuf's JSON writes as text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value if type(value) is int and value >= 0 else None


def _authorized(answer: Payload, status: str, subject: Subject) -> int:
    told = _money_in(answer.get("authorizedMoney"), subject)
    amount_minor = whole_number(answer.get("authorizedAmount")) if told is None else told
    if amount_minor is None and status != "PARTIALLY_AUTHORIZED":
        amount_minor = subject.authorized_minor
    return _needed(amount_minor, "authorized")


def _charged(kind: FactKind, answer: Payload, status: str, subject: Subject, transaction_id: str) -> tuple[Fact, ...]:
    """A charge was authorized before, which is not always told on its own; an automatic refund was charged before."""
    captured = whole_number(answer.get("capturedAmount")) or None
    if captured is None and status in {"CHARGED", "AUTO_REFUNDED"}:
        captured = subject.captured_minor
    captured = _needed(captured, "captured")
    amounts = {FactKind.AUTHORIZED: subject.authorized_minor or captured, FactKind.CAPTURED: captured}
    facts = [
        subject.fact(each, transaction_id, movement=transaction_id, amount_minor=amount_minor)
        for each, amount_minor in amounts.items()
    ]
    if kind is FactKind.REFUNDED:
        back = refund_name(transaction_id, captured)
        facts.append(subject.fact(kind, transaction_id, movement=back, amount_minor=captured))
    return tuple(facts)


def _needed(amount_minor: int | None, what: str) -> int:
    if amount_minor is None:
        raise MalformedPayload(f"the answer does not say how much is {what}", field="amount")
    return amount_minor


def _money_in(value: object, subject: Subject) -> int | None:
    """The amount of a Money. Raises MalformedPayload for one in another currency than the payment's."""
    if not isinstance(value, dict):
        return None
    if subject.currency is not None and value.get("currency") != subject.currency:
        raise MalformedPayload("the answer is about another currency", field="currency")
    return whole_number(value.get("minorAmount", 0))
