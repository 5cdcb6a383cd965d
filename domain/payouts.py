"""Payouts in the ledger: what is owed goes into transit, and from there to the bank, or back.

Debits are positive, credits negative. What a recipient is owed stands as a credit on its payable account.
"""

from enum import StrEnum

from domain.errors import OperationNotAllowed
from domain.ledger import BANK_SETTLEMENT, payable_account
from domain.settlement import Recipient

IN_TRANSIT = "payouts:in_transit"


class PayoutCause(StrEnum):
    """Why a payout moved money between accounts."""

    EXECUTED = "payout_executed"
    COMPLETED = "payout_completed"
    RETURNED = "payout_returned"


def postings(cause: PayoutCause, recipient: Recipient, net_minor: int) -> tuple[tuple[str, int], ...]:
    """The postings of a step of a payout, which sum to zero."""
    payable = payable_account(recipient.recipient_type, recipient.recipient_id)
    debit, credit = {
        PayoutCause.EXECUTED: (payable, IN_TRANSIT),
        PayoutCause.COMPLETED: (IN_TRANSIT, BANK_SETTLEMENT),
        PayoutCause.RETURNED: (IN_TRANSIT, payable),
    }[cause]
    return ((debit, net_minor), (credit, -net_minor))


def check_approver(created_by: str, approved: set[str], approver: str) -> None:
    """Raise OperationNotAllowed for whoever may not approve: the batch's maker, and who has approved it already.

    Names that differ only in capitals or spaces are one person's: a slip of the keyboard is no second pair of eyes.
    """
    person = _person(approver)
    if not person:
        raise OperationNotAllowed("an approval has somebody's name", code="four_eyes")
    if person == _person(created_by):
        raise OperationNotAllowed("a batch is approved by somebody who did not create it", code="four_eyes")
    if person in map(_person, approved):
        raise OperationNotAllowed("the second approval is by a second person", code="four_eyes")


def _person(name: str) -> str:
    return " ".join(name.casefold().split())
