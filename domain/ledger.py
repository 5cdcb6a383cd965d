"""Double entry for a payment: what its accounts must hold, and the postings that get them there.

Debits are positive, credits negative. For every state there is one *target* per cause; a change of state posts the
difference. Postings telescope, so the balances depend on the set of facts alone, never on their order, and partial
refunds give back to each recipient exactly what it received, to the last minor unit.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from domain.errors import InvariantViolated
from domain.fees import fee_of, fee_returned
from domain.money import allocate
from domain.payment import PaymentState, PaymentTerms, Split, Totals


class Cause(StrEnum):
    """Why money moved between accounts."""

    CAPTURE = "capture"
    REFUND = "refund"
    DISPUTE_LOST = "dispute_lost"
    REVERSAL = "reversal"
    EXCESS = "excess"
    DISPUTE_HOLD = "dispute_hold"


@dataclass(frozen=True, slots=True)
class Share:
    """What one recipient gains (or gives back) by one cause, in minor units; net = gross - fee."""

    split: Split
    gross_minor: int
    fee_minor: int

    @property
    def net_minor(self) -> int:
        """What the recipient is owed."""
        return self.gross_minor - self.fee_minor


@dataclass(frozen=True, slots=True)
class Movement:
    """One ledger transaction: its cause, its postings per account (sum zero) and the recipients' shares in it."""

    cause: Cause
    postings: tuple[tuple[str, int], ...]
    shares: tuple[Share, ...]


def receivable_account(gateway: str) -> str:
    """What the gateway owes us."""
    return f"gateway:{gateway}:receivable"


def payable_account(recipient_type: str, recipient_id: str) -> str:
    """What we owe a recipient."""
    return f"recipient:{recipient_type}:{recipient_id}:payable"


def reserve_account(recipient_type: str, recipient_id: str) -> str:
    """What we owe a recipient and hold back for a while."""
    return f"recipient:{recipient_type}:{recipient_id}:reserve"


FEES_REVENUE = "fees:revenue"
DISPUTES_HELD = "disputes:held"
EXCESS_LOSSES = "losses:excess"
BANK_SETTLEMENT = "bank:settlement"


def movements(before: PaymentState, after: PaymentState, terms: PaymentTerms) -> list[Movement]:
    """The ledger transactions that a change of state calls for; empty when no money moved."""
    if before.steps == after.steps or _money_in(before.totals) == _money_in(after.totals):
        return []
    old = _Targets.of(before.totals, terms)
    new = _Targets.of(after.totals, terms)
    moved = []
    for cause in Cause:
        if new.at(cause) == old.at(cause):
            continue
        postings, shares = _difference(cause, old, new, terms)
        if postings:
            moved.append(Movement(cause, postings, shares))
    return moved


def _money_in(sums: Totals) -> tuple[int, int, int, int, bool]:
    """All that the targets depend on."""
    return (sums.captured, sums.refunded, sums.dispute_open, sums.dispute_lost, sums.is_reversed)


@dataclass(frozen=True, slots=True)
class _Targets:
    """Per cause: the gateway's side in total, and each split's gross and fee."""

    total: dict[Cause, int]
    gross: dict[Cause, tuple[int, ...]]
    fee: dict[Cause, tuple[int, ...]]

    def at(self, cause: Cause) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """Everything of one cause."""
        return (self.total[cause], self.gross.get(cause, ()), self.fee.get(cause, ()))

    @classmethod
    def of(cls, sums: Totals, terms: PaymentTerms) -> "_Targets":
        """Recipients give back at most what was captured; what a gateway took beyond that is our own loss."""
        if not any(_money_in(sums)):
            return _no_money(len(terms.splits))
        returned = [
            min(sums.captured, sums.refunded),
            min(sums.captured, sums.refunded + sums.dispute_lost),
            sums.captured if sums.is_reversed else min(sums.captured, sums.refunded + sums.dispute_lost),
        ]
        gained = allocate(sums.captured, [split.weight for split in terms.splits])
        refund, dispute, reversal = (_by_gain(amount, gained) for amount in returned)
        return cls(
            total={
                Cause.CAPTURE: sums.captured,
                Cause.REFUND: -returned[0],
                Cause.DISPUTE_LOST: returned[0] - returned[1],
                Cause.REVERSAL: returned[1] - returned[2],
                Cause.EXCESS: -max(0, sums.refunded + sums.dispute_lost - sums.captured),
                Cause.DISPUTE_HOLD: -sums.dispute_open,
            },
            gross={
                Cause.CAPTURE: gained,
                Cause.REFUND: tuple(-part for part in refund),
                Cause.DISPUTE_LOST: tuple(a - b for a, b in zip(refund, dispute, strict=True)),
                Cause.REVERSAL: tuple(a - b for a, b in zip(dispute, reversal, strict=True)),
            },
            fee=_fee_targets(sums, terms, gained),
        )


@cache
def _no_money(recipients: int) -> _Targets:
    """The targets before anything moved, which most payments start from."""
    nothing = (0,) * recipients
    return _Targets(
        total=dict.fromkeys(Cause, 0),
        gross=dict.fromkeys((Cause.CAPTURE, Cause.REFUND, Cause.DISPUTE_LOST, Cause.REVERSAL), nothing),
        fee=dict.fromkeys((Cause.CAPTURE, Cause.REFUND, Cause.REVERSAL), nothing),
    )


def _fee_targets(sums: Totals, terms: PaymentTerms, gained: tuple[int, ...]) -> dict[Cause, tuple[int, ...]]:
    """The fee of the captures, and what of it goes back with refunds and with a reversal; a lost dispute keeps it.

    What goes back is split by what each recipient was charged, so that with the whole capture the whole fee goes back.
    """
    fees = terms.fees
    charged = _by_gain(fee_of(sums.captured, fees), gained)
    refunded = min(sums.captured, sums.refunded)
    by_refunds, by_all = (
        _by_gain(fee_returned(sums.captured, given_back, fees), charged)
        for given_back in (refunded, sums.captured if sums.is_reversed else refunded)
    )
    return {
        Cause.CAPTURE: charged,
        Cause.REFUND: tuple(-part for part in by_refunds),
        Cause.REVERSAL: tuple(a - b for a, b in zip(by_refunds, by_all, strict=True)),
    }


def _by_gain(amount_minor: int, gained: tuple[int, ...]) -> tuple[int, ...]:
    """Split what is taken by what each recipient gained, so that nobody's part is ever above its own gain.

    Splitting by the weights instead could take a minor unit more from one recipient than the capture gave it.
    """
    if amount_minor == 0:
        return (0,) * len(gained)
    return allocate(amount_minor, gained) if any(gained) else gained


def _difference(
    cause: Cause, old: _Targets, new: _Targets, terms: PaymentTerms
) -> tuple[tuple[tuple[str, int], ...], tuple[Share, ...]]:
    receivable = new.total[cause] - old.total[cause]
    if cause is Cause.EXCESS or cause is Cause.DISPUTE_HOLD:
        counter = EXCESS_LOSSES if cause is Cause.EXCESS else DISPUTES_HELD
        postings = [(receivable_account(terms.gateway), receivable), (counter, -receivable)]
        return _checked(postings), ()
    no_fee = (0,) * len(terms.splits)
    shares = tuple(
        Share(split, gross_new - gross_old, fee_new - fee_old)
        for split, gross_new, gross_old, fee_new, fee_old in zip(
            terms.splits,
            new.gross[cause],
            old.gross[cause],
            new.fee.get(cause, no_fee),
            old.fee.get(cause, no_fee),
            strict=True,
        )
    )
    postings = [(receivable_account(terms.gateway), receivable)]
    postings += [
        (payable_account(share.split.recipient_type, share.split.recipient_id), -share.net_minor) for share in shares
    ]
    postings.append((FEES_REVENUE, -sum(share.fee_minor for share in shares)))
    return _checked(postings), tuple(share for share in shares if share.gross_minor or share.fee_minor)


def _checked(postings: list[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    if sum(amount for _, amount in postings) != 0:
        raise InvariantViolated(f"postings do not sum to zero: {postings}")
    return tuple((account, amount) for account, amount in postings if amount)
