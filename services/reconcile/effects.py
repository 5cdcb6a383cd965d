"""Whether a command has had its effect, judged by what is known of its payment.

Silence says nothing: a rule answers yes when the effect can be seen and cannot be anybody else's, and no otherwise. No
is never taken for a failure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.movements import REFUND_KINDS, movement_standing
from domain.payment import Status, Step, totals
from storage.commands import OpenCommand, RefundCommand
from storage.payments import PaymentRecord
from storage.reconciliation import RecordedStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a payment: itself, when each of its steps was recorded, and the refunds asked for here."""

    payment: PaymentRecord
    recorded: Sequence[RecordedStep]
    refunds: Sequence[RefundCommand] = ()

    def steps_before(self, moment: datetime) -> frozenset[Step]:
        """The steps that were recorded before a moment."""
        known = {item.step for item in self.recorded if item.recorded_at < moment}
        return frozenset(step for step in self.payment.state.steps if _recorded_as(step, known))


def is_visible(command: OpenCommand, evidence: Evidence) -> bool:
    """Say whether the command's effect can be seen. Kinds without a rule leave nothing to see."""
    rule = _RULES.get(command.kind)
    return rule is not None and rule(command, evidence)


def _is_captured(command: OpenCommand, evidence: Evidence) -> bool:
    """The captured sum has grown by exactly the amount since the command was started."""
    before = totals(evidence.steps_before(command.started_at)).captured
    return evidence.payment.state.totals.captured - before == command.amount_minor


def _is_cancelled(_: OpenCommand, evidence: Evidence) -> bool:
    return evidence.payment.status is Status.CANCELLED


def _is_reversed(_: OpenCommand, evidence: Evidence) -> bool:
    return evidence.payment.state.totals.is_reversed


def _is_incremented(command: OpenCommand, evidence: Evidence) -> bool:
    return evidence.payment.state.totals.authorized == command.amount_minor


def _is_authorized(_: OpenCommand, evidence: Evidence) -> bool:
    sums = evidence.payment.state.totals
    return sums.authorized > 0 or sums.captured > 0


def _is_set_up(_: OpenCommand, evidence: Evidence) -> bool:
    return evidence.payment.provider_reference is not None


def _is_charged(command: OpenCommand, evidence: Evidence) -> bool:
    return _is_set_up(command, evidence) and _is_authorized(command, evidence)


def _is_refunded(command: OpenCommand, evidence: Evidence) -> bool:
    """There are refunds of exactly the amount, new since the command was started, for all commands that claim one.

    Refunds of the same amount cannot be told apart. So every command of that amount that succeeded meanwhile takes one
    away, and what is left must be enough for all that are open: else nobody knows whose it is.
    """
    new = _refunds_since(command.started_at, evidence)
    same = [item for item in evidence.refunds if item.amount_minor == command.amount_minor]
    accounted = sum(
        item.outcome == "succeeded" and item.finished_at is not None and item.finished_at >= command.started_at
        for item in same
        if item.state == "finished"
    )
    still_open = sum(item.state != "finished" for item in same)
    return sum(amount == command.amount_minor for amount in new.values()) - accounted >= max(1, still_open)


def _refunds_since(moment: datetime, evidence: Evidence) -> dict[str, int]:
    steps = evidence.payment.state.steps
    known = {step.reference for step in evidence.steps_before(moment) if step.kind in REFUND_KINDS}
    found: dict[str, int] = {}
    for reference in {step.reference for step in steps if step.kind in REFUND_KINDS and step.reference is not None}:
        status, amount_minor = movement_standing(steps, reference, REFUND_KINDS)
        if reference not in known and status != "failed":
            found[reference] = amount_minor
    return found


def _recorded_as(step: Step, known: set[Step]) -> bool:
    """Facts may say more than a step keeps of them."""
    return any(
        fact.kind is step.kind
        and step.reference in (None, fact.reference)
        and step.amount_minor in (None, fact.amount_minor)
        for fact in known
    )


_RULES: Mapping[str, Callable[[OpenCommand, Evidence], bool]] = {
    "create_payment": _is_set_up,
    "create_order": _is_set_up,
    "authorize": _is_authorized,
    "capture": _is_captured,
    "void": _is_cancelled,
    "cancel": _is_cancelled,
    "reverse": _is_reversed,
    "refund": _is_refunded,
    "increment_authorization": _is_incremented,
    "charge_mandate": _is_charged,
}
