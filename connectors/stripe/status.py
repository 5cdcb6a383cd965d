"""What Stripe's objects mean: the one mapping that serves API answers, status fetches and webhooks.

The objects are plain JSON. Only their own status and amounts are read, never the name of an event, so that the same
object means the same thing wherever it comes from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from connectors.amounts import read_amount
from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    Payload,
    as_objects,
    first_text,
    moment,
    optional_identifier,
    optional_text,
    part_of,
    reason_text,
    require_identifier,
)
from domain.facts import Fact, FactKind, Trust

GATEWAY = "stripe"

WIRE_EXPONENTS: Mapping[str, int] = {"ISK": 2, "MGA": 0, "UGX": 2}
"""Where Stripe counts otherwise than ISO 4217."""

_KINDS: Mapping[tuple[str, str], FactKind] = {
    ("payment_intent", "requires_action"): FactKind.REQUIRES_ACTION,
    ("payment_intent", "processing"): FactKind.PROCESSING,
    ("payment_intent", "partially_funded"): FactKind.PROCESSING,
    ("payment_intent", "requires_capture"): FactKind.AUTHORIZED,
    ("payment_intent", "succeeded"): FactKind.CAPTURED,
    ("payment_intent", "attempt_failed"): FactKind.ATTEMPT_FAILED,
    ("payment_intent", "canceled"): FactKind.CANCELLED,
    ("charge", "captured"): FactKind.CAPTURED,
    ("charge", "expired"): FactKind.CANCELLED,
    ("refund", "pending"): FactKind.REFUND_PENDING,
    ("refund", "requires_action"): FactKind.REFUND_PENDING,
    ("refund", "succeeded"): FactKind.REFUNDED,
    ("refund", "failed"): FactKind.REFUND_FAILED,
    ("refund", "canceled"): FactKind.REFUND_FAILED,
    ("dispute", "warning_needs_response"): FactKind.DISPUTE_OPENED,
    ("dispute", "warning_under_review"): FactKind.DISPUTE_OPENED,
    ("dispute", "needs_response"): FactKind.DISPUTE_OPENED,
    ("dispute", "under_review"): FactKind.DISPUTE_OPENED,
    ("dispute", "warning_closed"): FactKind.DISPUTE_WON,
    ("dispute", "prevented"): FactKind.DISPUTE_WON,
    ("dispute", "won"): FactKind.DISPUTE_WON,
    ("dispute", "lost"): FactKind.DISPUTE_LOST,
    ("checkout.session", "paid"): FactKind.PROCESSING,
    ("checkout.session", "unpaid"): FactKind.PROCESSING,
    ("checkout.session", "failed"): FactKind.FAILED,
    ("checkout.session", "expired"): FactKind.CANCELLED,
}


def map_status(entity: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, status))


@dataclass(frozen=True, slots=True)
class Source:
    """Where an object was read: in an event with an id and a time, or in an API answer, which has neither."""

    account: str
    event_id: str | None = None
    occurred_at: datetime | None = None

    def fact(
        self,
        kind: FactKind,
        references: tuple[str, ...],
        happened: object,
        *,
        payment_id: str | None = None,
        trust: Trust = Trust.SIGNED,
        **details: Unpack[FactDetails],
    ) -> Fact:
        """Build a fact. `happened` is the object's own time in Unix seconds, used when no event gives a better one."""
        return build_fact(
            GATEWAY,
            self.account,
            kind,
            references,
            self.occurred_at or moment(happened),
            event_id=self.event_id,
            payment_id=payment_id,
            trust=trust,
            **details,
        )


def facts_of_intent(intent: Payload, source: Source, status: str | None = None) -> list[Fact]:
    """Return what a payment intent says, none while it waits for the payer. `status` replaces the intent's own."""
    told = status or str(intent.get("status"))
    failed = told == "requires_payment_method" and bool(intent.get("last_payment_error"))
    kind = map_status("payment_intent", "attempt_failed" if failed else told)
    intent_id, charge_id, charge = require_identifier(intent, "id"), charge_id_of(intent), charge_of(intent)
    references = (intent_id,) if charge_id is None else (intent_id, charge_id)
    payment_id = _payment_id(intent)
    movement = charge_id or intent_id
    created = intent.get("created")
    if kind is None:
        return []
    if kind is FactKind.CAPTURED:
        return [_capture(intent, charge, source, references, movement)]
    if kind is FactKind.AUTHORIZED:
        capturable = intent.get("amount_capturable", intent.get("amount"))
        money = read_money(capturable, intent)
        authorized = source.fact(kind, references, created, movement=movement, money=money, payment_id=payment_id)
        # An intent that is captured in several parts stays capturable in between.
        captured = [_capture(intent, charge, source, references, movement)] if intent.get("amount_received") else []
        return [authorized, *captured]
    if kind is FactKind.ATTEMPT_FAILED:
        failure = _failure_of(intent)
        return [source.fact(kind, references, created, movement=charge_id, payment_id=payment_id, reason=failure)]
    happened = intent.get("canceled_at") or created
    reason = optional_text(intent.get("cancellation_reason")) if kind is FactKind.CANCELLED else None
    return [source.fact(kind, references, happened, payment_id=payment_id, reason=reason)]


def facts_of_charge(charge: Payload, source: Source, status: str | None = None) -> list[Fact]:
    """Return what a charge says once it is captured or has expired; everything before that is its intent's to say."""
    kind = map_status("charge", status or ("captured" if charge.get("captured") is True else "uncaptured"))
    charge_id, intent_id = require_identifier(charge, "id"), name_of(charge.get("payment_intent"))
    references = (charge_id,) if intent_id is None else (intent_id, charge_id)
    if kind is FactKind.CAPTURED:
        return [_capture(charge, charge, source, references, charge_id)]
    if kind is FactKind.CANCELLED:
        return [source.fact(kind, references, charge.get("created"), payment_id=_payment_id(charge))]
    return []


def facts_of_refund(refund: Payload, source: Source) -> list[Fact]:
    """Return what a refund says of itself; it names its payment by the intent, or by the charge without one."""
    kind = map_status("refund", str(refund.get("status")))
    refund_id = require_identifier(refund, "id")
    if kind is None:
        return []
    reason = optional_text(refund.get("failure_reason")) if kind is FactKind.REFUND_FAILED else None
    return [_movement(kind, refund, source, refund_id, reason)]


def facts_of_dispute(dispute: Payload, source: Source) -> list[Fact]:
    """Return what a dispute says of itself."""
    kind = map_status("dispute", str(dispute.get("status")))
    dispute_id = require_identifier(dispute, "id")
    if kind is None:
        return []
    return [_movement(kind, dispute, source, dispute_id, optional_text(dispute.get("reason")))]


def facts_of_session(session: Payload, source: Source, status: str | None = None) -> list[Fact]:
    """Return what a checkout session says of its payment intent, or of itself when it expired without one.

    A paid session does not name the charge that holds the money. It is a hint to read the intent, which does. A session
    that somebody opened through a payment link says nothing when it expires: the link is still there.
    """
    told = status or str(session.get("payment_status"))
    kind = map_status("checkout.session", told)
    intent_id = name_of(session.get("payment_intent"))
    is_expired = kind is FactKind.CANCELLED
    if kind is None or (intent_id is None and not is_expired) or (is_expired and session.get("payment_link")):
        return []
    trust = Trust.HINT if told == "paid" else Trust.SIGNED
    reference = intent_id or require_identifier(session, "id")
    return [source.fact(kind, (reference,), session.get("created"), payment_id=_payment_id(session), trust=trust)]


def charge_id_of(intent: Payload) -> str | None:
    """Return the id of the intent's latest charge, which is a name or, when expanded, an object."""
    return name_of(intent.get("latest_charge")) or name_of(charge_of(intent))


def charge_of(intent: Payload) -> Payload:
    """Return the intent's latest charge where it is embedded, an empty object elsewhere."""
    latest = intent.get("latest_charge")
    if isinstance(latest, dict):
        return latest
    embedded = as_objects(part_of(intent, "charges").get("data"))
    return next((charge for charge in embedded if latest is None or charge.get("id") == latest), {})


def name_of(value: object) -> str | None:
    """Return the id of something that Stripe gives by name or, expanded, as an object."""
    return optional_identifier(value.get("id") if isinstance(value, dict) else value)


def read_money(amount: object, owner: Payload) -> tuple[int, str]:
    """Return an amount in ISO minor units and its currency, which the amount's owner names. Raises MalformedPayload."""
    return read_amount(amount, str(owner.get("currency")).upper(), WIRE_EXPONENTS)


def is_released_rest(refund: Payload) -> bool:
    """Say whether a refund is only the uncaptured rest of a charge, let go when a part of it was captured.

    Stripe itself no longer writes such refunds. Its stand-in for development does, and they name no intent.
    """
    return "payment_intent" in refund and refund["payment_intent"] is None and refund.get("charge") is not None


def _capture(owner: Payload, charge: Payload, source: Source, references: tuple[str, ...], movement: str) -> Fact:
    settled_at = part_of(charge, "balance_transaction").get("created")
    return source.fact(
        FactKind.CAPTURED,
        references,
        settled_at or charge.get("created") or owner.get("created"),
        movement=movement,
        money=read_money(_captured_amount(owner, charge), owner),
        payment_id=_payment_id(owner),
        receipt_url=optional_text(charge.get("receipt_url")),
    )


def _captured_amount(owner: Payload, charge: Payload) -> object:
    told = owner.get("amount_received", charge.get("amount_captured"))
    amount = owner.get("amount")
    if told is not None or type(amount) is not int:
        return told
    embedded = as_objects(part_of(charge, "refunds").get("data"))
    released = (refund.get("amount") for refund in embedded if is_released_rest(refund))
    return amount - sum(rest for rest in released if type(rest) is int)


def _movement(kind: FactKind, item: Payload, source: Source, item_id: str, reason: str | None) -> Fact:
    names = filter(None, (name_of(item.get("payment_intent")), name_of(item.get("charge"))))
    return source.fact(
        kind,
        tuple(names) or (item_id,),
        item.get("created"),
        movement=item_id,
        money=read_money(item.get("amount"), item),
        payment_id=_payment_id(item),
        reason=reason,
    )


def _payment_id(item: Payload) -> str | None:
    return optional_identifier(part_of(item, "metadata").get("payment_id"))


def _failure_of(intent: Payload) -> str:
    details = part_of(intent, "last_payment_error")
    code = first_text(details.get("decline_code"), details.get("code"), details.get("type")) or "payment_failed"
    message = optional_text(details.get("message"))
    return reason_text(code, message)
