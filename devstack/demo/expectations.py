"""What the demo has to show besides clean books: payouts in every state, a bank file, and the planted break found."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from devstack.demo.payday import Payday, Payout
from domain.settlement import BatchStatus

REFUSALS = 3
"""Attempts that must fail: confirming one's own entry, approving twice, paying into an unconfirmed account."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that the demo promises, and whether it happened."""

    description: str
    holds: bool


def expectations_of(day: Payday) -> list[Expectation]:
    """Compare what came of the payday with what it promises."""
    executed, reconciled = _of(day, BatchStatus.COMPLETED), day.reconciled
    return [
        Expectation(
            "Payout batches were approved by a person who did not make them, and executed.",
            any(_is_approved_by_another(one) and one.bank_reference for one in executed),
        ),
        Expectation(
            "Small payout batches were approved by the settlement agent itself.",
            any(one.approved_by == one.created_by for one in _of(day, BatchStatus.APPROVED)),
        ),
        Expectation(
            "A payout batch is held until a second person approves it.",
            any(one.required_approvals > 1 for one in _of(day, BatchStatus.DRAFT)),
        ),
        Expectation(
            "The bank file pays what was executed, to the minor unit.",
            day.file is not None
            and day.file.transfer_count == len(executed) > 0
            and dict(day.file.totals) == _sums(executed),
        ),
        Expectation(
            "What must not be possible was refused.",
            len(day.refusals) == REFUSALS,
        ),
        Expectation(
            "Books, bank and Stripe agree on everything but the one planted amount.",
            reconciled is not None and reconciled.is_as_planted and reconciled.bank_lines == len(executed) > 0,
        ),
        Expectation("Nothing went wrong on the way.", not day.problems),
    ]


def _of(day: Payday, status: BatchStatus) -> list[Payout]:
    return [one for one in day.payouts if one.status == status]


def _is_approved_by_another(one: Payout) -> bool:
    return one.approved_by is not None and one.approved_by != one.created_by


def _sums(payouts: Iterable[Payout]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for one in payouts:
        sums[one.currency] += one.net_minor
    return dict(sums)
