"""What reconciliation posts: what a gateway kept and paid out, and what a person's resolution of a break sets right.

Debits are positive, credits negative. Amounts are as seen from us: money that a gateway owes, or a bank holds, is
positive, money that leaves is negative. Every function returns postings that sum to zero.
"""

from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InvalidInput, OperationNotAllowed
from domain.ledger import BANK_SETTLEMENT, receivable_account
from domain.matching import BreakKind

Postings = tuple[tuple[str, int], ...]

GATEWAY_FEES = "fees:gateway"
"""What gateways charge us; what we charge recipients is `fees:revenue`."""
FEE_ADJUSTMENTS = "fees:adjustments"
RECONCILIATION_LOSSES = "losses:reconciliation"
SUSPENSE = "suspense:reconciliation"
COUNTER_ACCOUNTS = (FEE_ADJUSTMENTS, GATEWAY_FEES, RECONCILIATION_LOSSES, SUSPENSE)
"""Where the other side of an adjustment may go. Recipients are not among them: they are paid by settlement alone."""


class Stage(StrEnum):
    """What is compared with what."""

    MOVEMENT = "movement"
    """Our captures, refunds and disputes with the lines of gateways' reports."""
    GATEWAY_PAYOUT = "gateway_payout"
    """What gateways paid out with what came in at the bank."""
    PAYOUT = "payout"
    """Our payouts with what went out at the bank."""


class ReconciliationCause(StrEnum):
    """Why reconciliation moved money between accounts."""

    GATEWAY_FEE = "gateway_fee"
    GATEWAY_PAYOUT_RECEIVED = "gateway_payout_received"
    ADJUSTMENT = "reconciliation_adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The two sides of a match or a break, in minor units of one currency; None is a side that tells nothing.

    Money that comes in is positive on both sides. `fee_minor` is what the gateway kept of it.
    """

    stage: Stage
    gateway: str | None
    expected_minor: int | None
    actual_minor: int | None
    fee_minor: int = 0


def match_postings(match: Difference) -> Postings:
    """What a match shows to have happened and nobody has posted yet: the gateway's fee, or its payout to our bank.

    A difference within the tolerance goes to the fee adjustments.
    """
    return _postings(match, FEE_ADJUSTMENTS)


def adjustment_postings(kind: BreakKind, difference: Difference, counter_account: str) -> Postings:
    """What makes our books agree with what the other side tells, with the difference at a counter account.

    Raises InvalidInput for a counter account that is none, OperationNotAllowed where the books are not what is wrong.
    """
    if counter_account not in COUNTER_ACCOUNTS:
        raise InvalidInput(f"an adjustment goes to one of {', '.join(COUNTER_ACCOUNTS)}", field="counter_account")
    if kind is BreakKind.CURRENCY:
        raise OperationNotAllowed("two currencies cannot be set off against each other; resolve without an adjustment")
    if difference.stage is Stage.PAYOUT and kind is BreakKind.MISSING_THERE:
        raise OperationNotAllowed("the bank does not know the payout: fail the payout batch, or wait")
    return _postings(difference, counter_account)


def _postings(difference: Difference, counter_account: str) -> Postings:
    expected, actual = difference.expected_minor or 0, difference.actual_minor or 0
    if difference.stage is Stage.PAYOUT:
        return _without_zeros((BANK_SETTLEMENT, actual - expected), (counter_account, expected - actual))
    receivable = SUSPENSE if difference.gateway is None else receivable_account(difference.gateway)
    if difference.stage is Stage.MOVEMENT:
        fee = difference.fee_minor
        return _without_zeros(
            (receivable, actual - fee - expected), (GATEWAY_FEES, fee), (counter_account, expected - actual)
        )
    return _without_zeros((BANK_SETTLEMENT, actual), (receivable, -expected), (counter_account, expected - actual))


def _without_zeros(*postings: tuple[str, int]) -> Postings:
    sums: dict[str, int] = {}
    for account, amount_minor in postings:
        sums[account] = sums.get(account, 0) + amount_minor
    return tuple((account, amount_minor) for account, amount_minor in sums.items() if amount_minor)
