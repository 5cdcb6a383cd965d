"""Adyen's callbacks: proven by `proofs`, then read as facts.

An item's facts are named after its event code, its PSP reference and its outcome, which are signed: a repeat has the
same names, and an outcome that Adyen corrects has others. The time of an event is not signed; it is believed only where
it is a possible one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.adyen.proofs import ITEM, ITEMS, CallbackProof
from connectors.adyen.references import Purpose
from connectors.adyen.status import GATEWAY, Source, facts_of_event, map_status, subject_of_event
from connectors.base import Callback
from connectors.fact_building import build_fact
from connectors.payloads import (
    Payload,
    moment_from_text,
    numbered,
    optional_identifier,
    optional_text,
    part_of,
    require_identifier,
)
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind

LONGEST_DELAY = timedelta(days=31)
"""Adyen repeats a callback that was not taken for up to 30 days."""

_ABOUT_PAYOUTS = frozenset({"PAYOUT_THIRDPARTY", "PAYOUT_DECLINE", "PAYOUT_EXPIRE", "PAIDOUT_REVERSED"})
_ABOUT_MANDATES = frozenset({"RECURRING_CONTRACT"})
_TOKEN_EVENTS = "recurring.token."  # noqa: S105 - how the names of events begin
_OF_A_MANDATE = "is about a mandate, whose payment method is looked up when it is charged"

_SUCCESSES = ("true", "false")


def read_callback(callback: Callback, proof: CallbackProof, merchant_account: str) -> Sequence[Fact]:
    """Prove a callback and return its facts, at least one for each item.

    Raises VerificationFailed when any item is not proven, MalformedPayload when it is proven but unreadable.
    """
    body = proof.check(callback)
    items = body.get(ITEMS)
    if not isinstance(items, list) or not items:
        return (_fact_of_other_kind(body, callback),)
    return [fact for item in items for fact in _facts_of_item(item[ITEM], callback, merchant_account)]


def _facts_of_item(item: Payload, callback: Callback, merchant_account: str) -> tuple[Fact, ...]:
    code, psp_reference = require_identifier(item, "eventCode"), require_identifier(item, "pspReference")
    event_id = f"{code}:{psp_reference}:{require_identifier(item, 'success')}"
    source = Source(callback.account, _happened_at(item.get("eventDate"), callback.received_at), event_id)
    subject = subject_of_event(item)
    problem = _not_about_money(item, code, merchant_account, subject.purpose)
    if problem is None and (facts := facts_of_event(item, source)):
        return numbered(facts)
    return (subject.fact(FactKind.IGNORED, source, reason=problem or _explanation(item, code)),)


def _not_about_money(item: Payload, code: str, merchant_account: str, purpose: Purpose | None) -> str | None:
    if item.get("merchantAccountCode") != merchant_account:
        return "the event is about another merchant account"
    if code in _ABOUT_PAYOUTS:
        return f"{code} is about a payout"
    if code in _ABOUT_MANDATES or purpose is Purpose.MANDATE:
        return f"{code} {_OF_A_MANDATE}"
    return None


def _explanation(item: Payload, code: str) -> str:
    if not any(map_status(code, success) for success in _SUCCESSES):
        return f"unmapped event type {code}"
    told = optional_text(item.get("reason"))
    return f"{code} did not succeed" + (f": {told}" if told else "")


def _fact_of_other_kind(event: Payload, callback: Callback) -> Fact:
    """Read an event of another kind of webhook. None of them is about a payment."""
    event_type = require_identifier(event, "type")
    named = part_of(event, "data")
    subject = optional_identifier(named.get("storedPaymentMethodId")) or optional_identifier(named.get("id"))
    event_id = optional_identifier(event.get("eventId")) or subject or event_type
    is_token = event_type.startswith(_TOKEN_EVENTS)
    return build_fact(
        GATEWAY,
        callback.account,
        FactKind.IGNORED,
        (subject or event_id,),
        _happened_at(event.get("createdAt"), callback.received_at),
        event_id=f"{event_type}:{event_id}",
        reason=f"{event_type} {_OF_A_MANDATE}" if is_token else f"unmapped event type {event_type}",
    )


def _happened_at(told: object, received_at: datetime) -> datetime:
    # Settlement counts by time. A time ahead of the receipt or far behind it would move money to another window.
    try:
        happened_at = moment_from_text(told)
    except MalformedPayload:
        return received_at
    return happened_at if received_at - LONGEST_DELAY <= happened_at <= received_at else received_at
