"""Facts: what a gateway said happened, normalized. A payment is a fold over a set of these.

A fact never carries a secret, a card number or a raw payload. Amounts are ISO 4217 minor units.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FactKind(StrEnum):
    """The vocabulary of every gateway, normalized."""

    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    ATTEMPT_FAILED = "attempt_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REVERSED = "reversed"
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    IGNORED = "ignored"
    """A genuine callback that maps to nothing. It is recorded, explained by `reason`, and moves no money."""


class Trust(StrEnum):
    """How a fact reached us: `signed` covers verified callbacks and answers of the authenticated API."""

    SIGNED = "signed"
    HINT = "hint"


NEEDS_AMOUNT = frozenset(
    {
        FactKind.AUTHORIZED,
        FactKind.CAPTURED,
        FactKind.REFUND_PENDING,
        FactKind.REFUNDED,
        FactKind.DISPUTE_OPENED,
        FactKind.DISPUTE_LOST,
    }
)
"""Kinds that mean nothing without an amount and a currency."""

NEEDS_MOVEMENT = frozenset(
    {
        FactKind.CAPTURED,
        FactKind.REFUND_PENDING,
        FactKind.REFUNDED,
        FactKind.REFUND_FAILED,
        FactKind.DISPUTE_OPENED,
        FactKind.DISPUTE_WON,
        FactKind.DISPUTE_LOST,
    }
)
"""Kinds that speak about one capture, refund or dispute and so must name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing a gateway said about one payment.

    - `gateway`, `account`, `gateway_event_id`: together the dedupe key.
    - `provider_reference`: the gateway's name of the payment; `related_references` are its other names.
    - `movement_reference`: the gateway's name of the capture, refund or dispute the fact is about.
    - `amount_minor`, `currency`: the amount of that movement; for captures cumulative per reference.
    - `payment_id`: our own id, where the gateway echoes it back.
    - `evidence_due_at`: until when a dispute may be answered.
    """

    gateway: str
    account: str
    gateway_event_id: str
    kind: FactKind
    provider_reference: str
    occurred_at: datetime
    trust: Trust = Trust.SIGNED
    amount_minor: int | None = None
    currency: str | None = None
    movement_reference: str | None = None
    related_references: tuple[str, ...] = ()
    payment_id: str | None = None
    reason: str | None = None
    receipt_url: str | None = None
    evidence_due_at: datetime | None = None

    @property
    def references(self) -> tuple[str, ...]:
        """Every name the gateway uses for the payment, the main one first."""
        return (self.provider_reference, *self.related_references)

    def content_digest(self) -> str:
        """Digest of what the fact says, so that the same event id with other content is noticed."""
        said = (
            self.kind,
            self.provider_reference,
            self.movement_reference,
            self.amount_minor,
            self.currency,
            self.reason,
        )
        return hashlib.sha256(repr(said).encode()).hexdigest()[:32]
