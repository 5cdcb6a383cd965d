"""Settlement: count entries into windows, close windows, make payout batches.

PostgreSQL is the authority. An entry is counted once and claimed by one batch, whatever the stream repeats or loses:
entries that no stream has counted after a while are counted here, and the watermark waits for them.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.errors import InvariantViolated
from domain.settlement import BatchStatus, BatchTotals, Window, first_status, sum_entries, window_of
from services.messages import payout_batch
from storage.settlement import BatchRow, WindowRow
from storage.unit_of_work import Database, Transaction
from topics.settlement import SettlementEntry

AGENT = "settlement-agent"
CATCH_UP_LIMIT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRules:
    """Size of windows, grace for late entries, and up to which net amount a batch approves itself."""

    window_seconds: int
    grace_seconds: int
    auto_approve_threshold_minor: int
    auto_approve_threshold_by_currency: Mapping[str, int] = field(default_factory=dict)
    catch_up_after_seconds: float = 15.0

    def threshold(self, currency: str) -> int:
        """The threshold of a currency, in its minor units."""
        return self.auto_approve_threshold_by_currency.get(currency, self.auto_approve_threshold_minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencedEntry:
    """An entry as read from the stream, with the sequence number its record carries."""

    entry: SettlementEntry
    sequence: int


async def count_entries(database: Database, entries: Sequence[SequencedEntry], rules: SettlementRules) -> None:
    """Add entries of the stream to their windows' totals; repeated ones add nothing."""
    async with database.transaction(AGENT) as transaction:
        await transaction.settlement.count_entries(
            [
                (uuid.UUID(item.entry.entry_id), window_of(item.entry.occurred_at, rules.window_seconds), item.sequence)
                for item in entries
            ]
        )


async def catch_up(database: Database, rules: SettlementRules, now: datetime) -> int:
    """Count entries that the stream should have brought by now and has not; returns how many."""
    async with database.transaction(AGENT) as transaction:
        before = now - timedelta(seconds=rules.catch_up_after_seconds)
        missed = await transaction.settlement.uncounted(before, CATCH_UP_LIMIT)
        await transaction.settlement.count_entries(
            [(entry_id, window_of(occurred_at, rules.window_seconds), 0) for entry_id, occurred_at in missed]
        )
    return len(missed)


async def close_windows(database: Database, rules: SettlementRules, now: datetime) -> list[WindowRow]:
    """Close every window whose end plus grace has passed; returns the windows, each with the totals it closed at."""
    async with database.transaction(AGENT) as transaction:
        late = await transaction.settlement.recipients_with_late_entries()
        await transaction.settlement.open_windows(late, window_of(now, rules.window_seconds))
    closed = []
    while (window := await _close_one(database, rules, now)) is not None:
        closed.append(window)
    return closed


async def _close_one(database: Database, rules: SettlementRules, now: datetime) -> WindowRow | None:
    async with database.transaction(AGENT) as transaction:
        watermark = await transaction.settlement.watermark(now)
        window = await transaction.settlement.take_closable_window(watermark - timedelta(seconds=rules.grace_seconds))
        if window is not None:
            batch_id = await _make_batch(transaction, window, rules, now)
            await transaction.settlement.close_window(window, batch_id, now)
        return window


async def _make_batch(
    transaction: Transaction, window: WindowRow, rules: SettlementRules, now: datetime
) -> uuid.UUID | None:
    """Claim what the recipient is owed up to the window's end. None when that is nothing, or less: it carries over."""
    unclaimed = await transaction.settlement.lock_unclaimed(window.recipient, window.window.end)
    sums = sum_entries(amounts for _, _, amounts in unclaimed)
    if sums.net_minor <= 0:
        return None
    period_start = min((occurred_at for _, occurred_at, _ in unclaimed), default=window.window.start)
    batch = _batch(window, sums, Window(min(period_start, window.window.start), window.window.end), rules, now)
    claimed = await transaction.settlement.insert_batch(batch, [entry_id for entry_id, _, _ in unclaimed])
    if claimed != sums.entry_count:
        raise InvariantViolated(f"batch {batch.id} claimed {claimed} of {sums.entry_count} entries")
    await transaction.outbox.add([payout_batch(batch, now)])
    return batch.id


def _batch(window: WindowRow, sums: BatchTotals, period: Window, rules: SettlementRules, now: datetime) -> BatchRow:
    identity = f"{window.recipient.key}|{window.window.start.isoformat()}"
    status = first_status(sums.net_minor, rules.threshold(window.recipient.currency))
    approved = status is BatchStatus.APPROVED
    return BatchRow(
        id=uuid.uuid5(uuid.NAMESPACE_OID, identity),
        recipient=window.recipient,
        totals=sums,
        period=period,
        status=status,
        created_by=AGENT,
        created_at=now,
        approved_by=AGENT if approved else None,
        approved_at=now if approved else None,
        required_approvals=0 if approved else 1,
    )
