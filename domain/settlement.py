"""Settlement: entries per recipient, tumbling windows by event time, payout batches.

An entry is written for every movement of a recipient's money. Entries are counted in the window of their event time
and paid in exactly one batch; a batch that would pay nothing or less than nothing is not made, so its entries stay
unclaimed and carry into the next.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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


@dataclass(frozen=True, slots=True)
class EntryAmounts:
    """What one entry adds to a window or a batch, in minor units."""

    payment_id: str
    gross_minor: int
    fee_minor: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class BatchTotals:
    """Sums of a batch; net = gross - fee."""

    gross_minor: int
    fee_minor: int
    net_minor: int
    entry_count: int
    payment_ids: tuple[str, ...]


def window_of(occurred_at: datetime, size_seconds: int) -> Window:
    """The tumbling window an event time falls in, aligned to the epoch."""
    size = timedelta(seconds=size_seconds)
    epoch = datetime.fromtimestamp(0, UTC)
    start = epoch + (occurred_at - epoch) // size * size
    return Window(start, start + size)


def sum_entries(entries: Iterable[EntryAmounts]) -> BatchTotals:
    """Add entries up. Raises InvariantViolated when an entry's net is not its gross less its fee."""
    gross = fee = net = count = 0
    payment_ids: set[str] = set()
    for entry in entries:
        if entry.net_minor != entry.gross_minor - entry.fee_minor:
            raise InvariantViolated(f"an entry of payment {entry.payment_id} does not add up: {entry}")
        gross += entry.gross_minor
        fee += entry.fee_minor
        net += entry.net_minor
        count += 1
        payment_ids.add(entry.payment_id)
    return BatchTotals(gross, fee, net, count, tuple(sorted(payment_ids)))


def first_status(net_minor: int, auto_approve_threshold_minor: int) -> BatchStatus:
    """Up to the threshold the settlement agent approves by itself; above it a person has to."""
    return BatchStatus.APPROVED if net_minor <= auto_approve_threshold_minor else BatchStatus.DRAFT


def check_transition(batch_id: str, old: BatchStatus, new: BatchStatus) -> None:
    """Raise OperationNotAllowed unless a batch may go from `old` to `new`."""
    if new not in BATCH_TRANSITIONS[old]:
        raise OperationNotAllowed(f"payout batch {batch_id} is {old} and cannot become {new}", field="status")
