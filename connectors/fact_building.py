"""Facts as connectors build them: named after the callback that told them, or after what an API answer says."""

from datetime import datetime
from typing import TypedDict, Unpack

from connectors.payloads import api_fact_id
from domain.facts import Fact, FactKind, Trust


class FactDetails(TypedDict, total=False):
    """What a fact may say besides its kind, each as in `domain.facts.Fact`; `money` is amount and currency."""

    movement: str | None
    money: tuple[int, str] | None
    reason: str | None
    receipt_url: str | None
    evidence_due_at: datetime | None


def build_fact(
    gateway: str,
    account: str,
    kind: FactKind,
    names: tuple[str, ...],
    occurred_at: datetime,
    *,
    event_id: str | None = None,
    subject: str | None = None,
    payment_id: str | None = None,
    trust: Trust = Trust.SIGNED,
    **details: Unpack[FactDetails],
) -> Fact:
    """Build a fact about the payment that the gateway knows by these names, the main one first.

    An API answer has no `event_id`; a fact that it tells is named after what it says of its `subject`: the movement, or
    else the payment, unless something else is given.
    """
    movement, reason = details.get("movement"), details.get("reason")
    amount_minor, currency = details.get("money") or (None, None)
    return Fact(
        gateway=gateway,
        account=account,
        gateway_event_id=event_id or api_fact_id(subject or movement or names[0], kind, amount_minor, reason),
        kind=kind,
        provider_reference=names[0],
        related_references=names[1:],
        occurred_at=occurred_at,
        trust=trust,
        amount_minor=amount_minor,
        currency=currency,
        movement_reference=movement,
        payment_id=payment_id,
        reason=reason,
        receipt_url=details.get("receipt_url"),
        evidence_due_at=details.get("evidence_due_at"),
    )
