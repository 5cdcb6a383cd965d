"""Domain events: which steps of the lifecycle a payment has passed.

`milestones` is a function of the payment's step set that only grows as the set grows. Emitting the difference of two
states therefore gives the same set of events for every order and repetition of the facts. That is also why there is no
`payment.refunded`: whether a refund was full can change when a second capture arrives, so each `refund.succeeded`
carries the status it led to instead (docs/adr/0004).
"""

from typing import NamedTuple

from domain.facts import FactKind
from domain.payment import PaymentState, PaymentTerms, Status


class Milestone(NamedTuple):
    """One domain event to be: its place in the lifecycle, its type, the movement and amount it is about."""

    rank: int
    type: str
    reference: str
    amount_minor: int


_OF_PAYMENT: dict[FactKind, tuple[int, str]] = {
    FactKind.REQUIRES_ACTION: (10, "payment.requires_action"),
    FactKind.PROCESSING: (20, "payment.processing"),
    FactKind.AUTHORIZED: (30, "payment.authorized"),
    FactKind.FAILED: (40, "payment.failed"),
    FactKind.CANCELLED: (41, "payment.cancelled"),
    FactKind.CAPTURED: (50, "capture.succeeded"),
    FactKind.REVERSED: (60, "payment.reversed"),
    FactKind.IGNORED: (90, "payment.anomaly"),
}
_AFTER_CAPTURE: dict[FactKind, tuple[int, str]] = {
    FactKind.REFUND_PENDING: (70, "refund.pending"),
    FactKind.REFUNDED: (71, "refund.succeeded"),
    FactKind.REFUND_FAILED: (72, "refund.failed"),
    FactKind.DISPUTE_OPENED: (80, "dispute.opened"),
    FactKind.DISPUTE_WON: (81, "dispute.won"),
    FactKind.DISPUTE_LOST: (82, "dispute.lost"),
}
_COMPLETED = (51, "payment.completed")
_ANOMALY = (90, "payment.anomaly")

_STATUS_OF_TYPE = {
    "payment.processing": Status.PROCESSING,
    "payment.authorized": Status.AUTHORIZED,
    "payment.failed": Status.FAILED,
    "payment.cancelled": Status.CANCELLED,
    "payment.completed": Status.COMPLETED,
    "payment.reversed": Status.REVERSED,
}

EVENT_TYPES: frozenset[str] = frozenset(
    {"payment.created", _COMPLETED[1]} | {name for _, name in (*_OF_PAYMENT.values(), *_AFTER_CAPTURE.values())}
)


def milestones(state: PaymentState, terms: PaymentTerms) -> frozenset[Milestone]:
    """Every event this payment has earned so far. Grows with the step set and never shrinks."""
    sums = state.totals
    earned = {
        Milestone(*_OF_PAYMENT[kind], reference or "", amount_minor or 0)
        for kind, reference, amount_minor in state.steps
        if kind in _OF_PAYMENT
    }
    if sums.captured > 0:
        earned.add(Milestone(*_COMPLETED, "", 0))
        earned.update(
            Milestone(*_AFTER_CAPTURE[kind], reference or "", amount_minor or 0)
            for kind, reference, amount_minor in state.steps
            if kind in _AFTER_CAPTURE
        )
        earned.update(Milestone(*_ANOMALY, reason, 0) for reason in _anomalies(sums.kinds, sums.captured, terms))
    return frozenset(earned)


def new_milestones(before: PaymentState, after: PaymentState, terms: PaymentTerms) -> list[Milestone]:
    """The events to emit for a change of state, in lifecycle order."""
    if before.steps == after.steps:
        return []
    return sorted(milestones(after, terms) - milestones(before, terms))


def is_superseded(milestone: Milestone, status: Status) -> bool:
    """True when the payment has already moved past the step, so that a consumer need not act on it."""
    expected = _STATUS_OF_TYPE.get(milestone.type)
    return expected is not None and expected is not status


def _anomalies(kinds: frozenset[FactKind], captured: int, terms: PaymentTerms) -> list[str]:
    found = {
        "captured_after_failed": FactKind.FAILED in kinds,
        "captured_after_cancelled": FactKind.CANCELLED in kinds,
        "captured_above_amount": captured > terms.amount_minor,
        "refunded_and_disputed": {FactKind.REFUNDED, FactKind.DISPUTE_LOST} <= kinds,
    }
    return [reason for reason, holds in found.items() if holds]
