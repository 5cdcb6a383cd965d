"""Settlement: entries per recipient, windows of event time, payout batches.

An entry is written for every movement of a recipient's money. Entries are counted in the window of their event time
and paid in exactly one batch; a batch that would pay nothing, or less than the recipient's minimum, is not made, so
its entries stay unclaimed and carry into the next.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import InvariantViolated, OperationNotAllowed


class BatchStatus(StrEnum):
    """Life of a payout batch."""

    DRAFT = "draft"
    APPROVED = "approved"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


BATCH_TRANSITIONS: Mapping[BatchStatus, frozenset[BatchStatus]] = {
    BatchStatus.DRAFT: frozenset({BatchStatus.APPROVED, BatchStatus.FAILED}),
    BatchStatus.APPROVED: frozenset({BatchStatus.PROCESSING, BatchStatus.FAILED}),
    BatchStatus.PROCESSING: frozenset({BatchStatus.COMPLETED, BatchStatus.FAILED}),
    BatchStatus.COMPLETED: frozenset(),
    BatchStatus.FAILED: frozenset(),
}


@dataclass(frozen=True, slots=True, order=True)
class Recipient:
    """Who is paid, by which account, in which currency. One payout batch has exactly one of these."""

    account: str
    recipient_type: str
    recipient_id: str
    currency: str

    @property
    def key(self) -> str:
        """The key of the settlement topics: one recipient's money in one currency stays in one partition."""
        return f"{self.account}:{self.recipient_type}:{self.recipient_id}:{self.currency}"


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of event time, `start` included and `end` excluded, both in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryTotals:
    """Sums over entries that no batch has yet, in minor units; net = gross - fee."""

    gross_minor: int = 0
    fee_minor: int = 0
    net_minor: int = 0
    entry_count: int = 0
    payment_count: int = 0
    first_event_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.net_minor != self.gross_minor - self.fee_minor:
            raise InvariantViolated(f"entries do not add up: {self}")


@dataclass(frozen=True, slots=True)
class BatchTotals:
    """Sums of a batch in minor units: net = gross - fee - reserve held + reserve released, and net is what is paid.

    `payment_ids` are in order; of a large batch they are the first `LISTED_PAYMENTS`.
    """

    gross_minor: int
    fee_minor: int
    net_minor: int
    entry_count: int
    payment_ids: tuple[str, ...]
    reserve_held_minor: int = 0
    reserve_released_minor: int = 0

    @property
    def entries_net_minor(self) -> int:
        """What the entries alone come to, before the reserve."""
        return self.gross_minor - self.fee_minor


LISTED_PAYMENTS = 1_000
"""How many payments a batch names at most; a message has to stay small, and the rest can be read page by page."""


def batch_totals(
    entries: EntryTotals, payment_ids: Iterable[str], *, held_minor: int, released_minor: int
) -> BatchTotals:
    """The totals of a batch that pays these entries, holds something back and releases something."""
    return BatchTotals(
        gross_minor=entries.gross_minor,
        fee_minor=entries.fee_minor,
        net_minor=entries.net_minor - held_minor + released_minor,
        entry_count=entries.entry_count,
        payment_ids=tuple(payment_ids),
        reserve_held_minor=held_minor,
        reserve_released_minor=released_minor,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRules:
    """Up to which net amount a batch needs nobody, and above which it needs two people, in minor units."""

    auto_approve_minor: int
    second_approval_minor: int | None = None

    def required(self, net_minor: int) -> int:
        """How many people have to approve a batch. Where the thresholds contradict each other, the stricter counts."""
        if self.second_approval_minor is not None and net_minor > self.second_approval_minor:
            return 2
        return 0 if net_minor <= self.auto_approve_minor else 1


def check_transition(batch_id: str, old: BatchStatus, new: BatchStatus) -> None:
    """Raise OperationNotAllowed unless a batch may go from `old` to `new`."""
    if new not in BATCH_TRANSITIONS[old]:
        raise OperationNotAllowed(f"payout batch {batch_id} is {old} and cannot become {new}", field="status")
