"""The payment fold: a payment is the set of distinct steps its gateway reported, and everything else is derived.

`PaymentState` only ever grows by set union, so the order in which facts arrive and how often they are repeated
cannot matter (docs/adr/0004). Status, totals, ledger targets and domain events are pure functions of that set;
`domain.ledger` and `domain.events` emit the difference between two states.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from domain.errors import InvariantViolated
from domain.facts import NEEDS_AMOUNT, NEEDS_MOVEMENT, Fact, FactKind, Trust
from domain.fees import FeeOnRefund, FeeTerms
from domain.money import check_amount

CURRENCY_MISMATCH = "currency_mismatch"
INCOMPLETE_FACT = "incomplete_fact"
EVENT_ID_CONFLICT = "event_id_conflict"
"""Reason of an ignored fact whose event id was used before with other content."""


class Status(StrEnum):
    """Lifecycle states; derived, never assigned."""

    PENDING = "pending"
    PENDING_APPROVAL = "pending_approval"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REVERSED = "reversed"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


class Step(NamedTuple):
    """One distinct thing that happened: what, to which movement, at which amount in minor units.

    A capture that grows at its gateway is several steps of one reference; the largest amount counts.
    """

    kind: FactKind
    reference: str | None
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class Split:
    """A recipient of the payment's money and its weight, in minor units of the payment's amount."""

    recipient_type: str
    recipient_id: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTerms:
    """What was agreed when the payment was created. Splits sum to the amount; the fee schedule is frozen here."""

    payment_id: str
    account: str
    gateway: str
    amount_minor: int
    currency: str
    splits: tuple[Split, ...]
    fee_basis_points: int = 0
    fee_fixed_minor: int = 0
    fee_min_minor: int = 0
    fee_max_minor: int | None = None
    fee_on_refund: FeeOnRefund = FeeOnRefund.KEPT

    @property
    def fees(self) -> FeeTerms:
        """The fee schedule, as the rules of fees have it."""
        return FeeTerms(
            basis_points=self.fee_basis_points,
            fixed_minor=self.fee_fixed_minor,
            min_minor=self.fee_min_minor,
            max_minor=self.fee_max_minor,
            on_refund=self.fee_on_refund,
        )


@dataclass(frozen=True)
class PaymentState:
    """The set of steps, and the times and texts that are kept beside it by rules that do not depend on order."""

    # Without slots, because the sums of a state are kept with it: many rules ask for them, and it never changes.

    steps: frozenset[Step] = frozenset()
    awaiting_approval: bool = False
    paid_at: datetime | None = None
    refunded_at: datetime | None = None
    receipt_url: str | None = None
    failure: tuple[datetime, str] | None = None

    @cached_property
    def totals(self) -> "Totals":
        """The sums over the steps."""
        return totals(self.steps)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the steps, in minor units. Refunds and disputes count only once something is captured."""

    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    refund_pending: int = 0
    dispute_open: int = 0
    dispute_lost: int = 0
    kinds: frozenset[FactKind] = field(default=frozenset())

    @property
    def is_reversed(self) -> bool:
        """True when the gateway took the whole payment back before settlement."""
        return FactKind.REVERSED in self.kinds

    @property
    def refundable(self) -> int:
        """What may still be refunded: never what is already back, on its way back, disputed or reversed."""
        if self.is_reversed:
            return 0
        taken = self.refunded + self.refund_pending + self.dispute_open + self.dispute_lost
        return max(0, self.captured - taken)


def fold(state: PaymentState, terms: PaymentTerms, fact: Fact) -> PaymentState:
    """Return the state with the fact taken in. The same fact again returns an equal state.

    A fact in another currency, or without the amount or reference its kind needs, moves nothing: it is kept as an
    ignored step, which raises an anomaly event. Raises InvariantViolated for a hint: a hint never moves money.
    """
    if fact.trust is not Trust.SIGNED:
        raise InvariantViolated(f"a hint reached the fold of payment {terms.payment_id}: fetch the status instead")
    if fact.kind is FactKind.IGNORED:
        return _with_anomaly(state, EVENT_ID_CONFLICT) if fact.reason == EVENT_ID_CONFLICT else state
    if (problem := find_problem(terms, fact)) is not None:
        return _with_anomaly(state, problem)
    # Not by `replace`, which looks every field up: this runs for every fact.
    return PaymentState(
        steps=state.steps | {_step_of(fact)},
        awaiting_approval=state.awaiting_approval,
        paid_at=_earliest(state.paid_at, fact, FactKind.CAPTURED),
        refunded_at=_latest(state.refunded_at, fact, FactKind.REFUNDED),
        receipt_url=_first_in_order(state.receipt_url, fact.receipt_url),
        failure=_latest_failure(state.failure, fact),
    )


def _with_anomaly(state: PaymentState, reason: str) -> PaymentState:
    return replace(state, steps=state.steps | {Step(FactKind.IGNORED, reason, None)})


def _step_of(fact: Fact) -> Step:
    """Keep only what the kind means, so that two sources that say the same thing say it in the same step."""
    return Step(
        fact.kind,
        fact.movement_reference if fact.kind in NEEDS_MOVEMENT else None,
        fact.amount_minor if fact.kind in NEEDS_AMOUNT else None,
    )


def find_problem(terms: PaymentTerms, fact: Fact) -> str | None:
    """Say why a fact cannot count for this payment, or None when it can."""
    if fact.currency is not None and fact.currency != terms.currency:
        return CURRENCY_MISMATCH
    missing_amount = fact.kind in NEEDS_AMOUNT and (fact.amount_minor is None or fact.currency is None)
    if missing_amount or (fact.kind in NEEDS_MOVEMENT and fact.movement_reference is None):
        return INCOMPLETE_FACT
    if fact.amount_minor is not None and check_amount(fact.amount_minor) < 0:
        return INCOMPLETE_FACT
    return None


def totals(steps: Iterable[Step]) -> Totals:
    """Sum a set of steps. Per reference the largest amount counts; a refund that failed counts for nothing."""
    by_movement: dict[tuple[FactKind, str | None], int] = {}
    for kind, reference, amount_minor in steps:
        key = (kind, reference)
        by_movement[key] = max(by_movement.get(key, 0), amount_minor or 0)
    sums: dict[FactKind, int] = {}
    for (kind, reference), amount_minor in by_movement.items():
        if not _is_overruled(kind, reference, by_movement):
            sums[kind] = sums.get(kind, 0) + amount_minor
    captured = sums.get(FactKind.CAPTURED, 0)
    in_effect = captured > 0
    return Totals(
        authorized=max((amount for (kind, _), amount in by_movement.items() if kind is FactKind.AUTHORIZED), default=0),
        captured=captured,
        refunded=sums.get(FactKind.REFUNDED, 0) if in_effect else 0,
        refund_pending=sums.get(FactKind.REFUND_PENDING, 0) if in_effect else 0,
        dispute_open=sums.get(FactKind.DISPUTE_OPENED, 0) if in_effect else 0,
        dispute_lost=sums.get(FactKind.DISPUTE_LOST, 0) if in_effect else 0,
        kinds=frozenset(kind for kind, _ in by_movement),
    )


_OVERRULED_BY: dict[FactKind, tuple[FactKind, ...]] = {
    FactKind.REFUND_PENDING: (FactKind.REFUNDED, FactKind.REFUND_FAILED),
    FactKind.REFUNDED: (FactKind.REFUND_FAILED,),
    FactKind.DISPUTE_OPENED: (FactKind.DISPUTE_WON, FactKind.DISPUTE_LOST),
}
"""For one reference the later word of the lifecycle wins, whichever arrived first."""


def _is_overruled(kind: FactKind, reference: str | None, seen: dict[tuple[FactKind, str | None], int]) -> bool:
    return any((later, reference) in seen for later in _OVERRULED_BY.get(kind, ()))


def status_of(state: PaymentState, sums: Totals | None = None) -> Status:
    """Derive the status. The order of the rules is the order of precedence."""
    sums = state.totals if sums is None else sums
    rules = (
        (sums.captured > 0 and sums.refunded >= sums.captured, Status.REFUNDED),
        (sums.captured > 0 and sums.refunded > 0, Status.PARTIALLY_REFUNDED),
        (FactKind.REVERSED in sums.kinds, Status.REVERSED),
        (sums.captured > 0, Status.COMPLETED),
        (FactKind.CANCELLED in sums.kinds, Status.CANCELLED),
        (FactKind.FAILED in sums.kinds, Status.FAILED),
        (sums.authorized > 0, Status.AUTHORIZED),
        (FactKind.PROCESSING in sums.kinds, Status.PROCESSING),
        (state.awaiting_approval, Status.PENDING_APPROVAL),
    )
    for holds, status in rules:
        if holds:
            return status
    return Status.PENDING


def _first_in_order(known: str | None, told: str | None) -> str | None:
    return min(known, told) if known and told else known or told or None


def _earliest(known: datetime | None, fact: Fact, kind: FactKind) -> datetime | None:
    if fact.kind is not kind:
        return known
    return fact.occurred_at if known is None else min(known, fact.occurred_at)


def _latest(known: datetime | None, fact: Fact, kind: FactKind) -> datetime | None:
    if fact.kind is not kind:
        return known
    return fact.occurred_at if known is None else max(known, fact.occurred_at)


def _latest_failure(known: tuple[datetime, str] | None, fact: Fact) -> tuple[datetime, str] | None:
    if fact.kind not in {FactKind.FAILED, FactKind.ATTEMPT_FAILED} or fact.reason is None:
        return known
    failure = (fact.occurred_at, fact.reason)
    return failure if known is None else max(known, failure)
