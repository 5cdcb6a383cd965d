"""The rolling reserve: a part of every payout that is held back for a number of days, and paid with a later one.

Debits are positive, credits negative. A batch takes what it holds from the payable to the reserve account; the batch
that releases it takes it back. A batch that fails undoes both.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.errors import InvalidInput
from domain.fees import BASIS, share_of
from domain.ledger import payable_account, reserve_account
from domain.settlement import Recipient

LONGEST_DAYS = 3_650


class ReserveCause(StrEnum):
    """Why a payout moved money between a recipient's payable and its reserve."""

    HELD = "reserve_held"
    RELEASED = "reserve_released"
    HOLD_UNDONE = "reserve_hold_undone"
    RELEASE_UNDONE = "reserve_release_undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveRule:
    """Basis points of what a batch's entries come to, and for how many days after the batch's period they are held."""

    basis_points: int
    days: int

    def __post_init__(self) -> None:
        if not 0 <= self.basis_points < BASIS:
            raise InvalidInput(f"a reserve is from 0 to {BASIS - 1} basis points", field="basis_points")
        if not 0 < self.days <= LONGEST_DAYS:
            raise InvalidInput(f"a reserve is held for 1 to {LONGEST_DAYS} days", field="days")

    def hold_of(self, net_minor: int) -> int:
        """What is held back of entries that come to `net_minor`; nothing when the recipient owes. Half-even."""
        return share_of(net_minor, self.basis_points, BASIS) if net_minor > 0 else 0

    def release_at(self, period_end: datetime) -> datetime:
        """From when on a batch may release what one of this period held back."""
        return period_end + timedelta(days=self.days)


def reserve_postings(cause: ReserveCause, recipient: Recipient, amount_minor: int) -> tuple[tuple[str, int], ...]:
    """The postings of a movement into or out of the reserve, which sum to zero."""
    payable = payable_account(recipient.recipient_type, recipient.recipient_id)
    reserve = reserve_account(recipient.recipient_type, recipient.recipient_id)
    into = cause in {ReserveCause.HELD, ReserveCause.RELEASE_UNDONE}
    debit, credit = (payable, reserve) if into else (reserve, payable)
    return ((debit, amount_minor), (credit, -amount_minor))
