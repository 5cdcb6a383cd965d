"""Settlement's tables: entries, windows and payout batches."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.settlement import BatchStatus, BatchTotals, EntryAmounts, Recipient, Window
from storage.bulk import BulkInsert
from storage.tables import PAYOUT_BATCHES


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """One movement of a recipient's money, in minor units."""

    id: uuid.UUID
    recipient: Recipient
    payment_id: str
    gateway: str
    cause: str
    gross_minor: int
    fee_minor: int
    net_minor: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """A window and its running totals; `sequence` is the highest entry sequence counted in it."""

    recipient: Recipient
    window: Window
    gross_minor: int
    fee_minor: int
    net_minor: int
    entry_count: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A payout batch as stored."""

    id: uuid.UUID
    recipient: Recipient
    totals: BatchTotals
    period: Window
    status: BatchStatus
    created_by: str
    created_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    bank_reference: str | None = None
    paid_at: datetime | None = None
    required_approvals: int = 1
    executed_by: str | None = None
    executed_at: datetime | None = None
    failed_by: str | None = None
    failed_at: datetime | None = None
    failure_reason: str | None = None


_ENTRIES = BulkInsert(
    "settlement_entries",
    {
        "id": "uuid",
        "account": "text",
        "recipient_type": "text",
        "recipient_id": "text",
        "currency": "text",
        "payment_id": "text",
        "gateway": "text",
        "cause": "text",
        "gross_minor": "bigint",
        "fee_minor": "bigint",
        "net_minor": "bigint",
        "occurred_at": "timestamptz",
        "recorded_at": "timestamptz",
    },
)
_COUNT_ENTRIES = text(
    # The update is the dedupe: an entry that was counted before is not fresh and adds nothing.
    "with fresh as (update settlement_entries as entry set counted = true"
    " from unnest(cast(:ids as uuid[]), cast(:starts as timestamptz[]), cast(:ends as timestamptz[]),"
    " cast(:sequences as bigint[])) as seen (id, window_start, window_end, sequence)"
    " where entry.id = seen.id and not entry.counted returning entry.account, entry.recipient_type,"
    " entry.recipient_id, entry.currency, entry.gross_minor, entry.fee_minor, entry.net_minor,"
    " seen.window_start, seen.window_end, seen.sequence)"
    " insert into settlement_windows as known (account, recipient_type, recipient_id, currency, window_start,"
    " window_end, gross_minor, fee_minor, net_minor, entry_count, sequence)"
    " select account, recipient_type, recipient_id, currency, window_start, window_end, sum(gross_minor),"
    " sum(fee_minor), sum(net_minor), count(*), max(sequence) from fresh"
    " group by account, recipient_type, recipient_id, currency, window_start, window_end order by 1, 2, 3, 4, 5"
    " on conflict (account, recipient_type, recipient_id, currency, window_start) do update set"
    " gross_minor = known.gross_minor + excluded.gross_minor, fee_minor = known.fee_minor + excluded.fee_minor,"
    " net_minor = known.net_minor + excluded.net_minor, entry_count = known.entry_count + excluded.entry_count,"
    " sequence = greatest(known.sequence, excluded.sequence) returning 1"
)
_OPEN_WINDOWS = BulkInsert(
    "settlement_windows",
    {
        "account": "text",
        "recipient_type": "text",
        "recipient_id": "text",
        "currency": "text",
        "window_start": "timestamptz",
        "window_end": "timestamptz",
    },
    "on conflict do nothing",
)
_UNCOUNTED = text(
    "select id, occurred_at from settlement_entries where not counted and recorded_at < :before"
    " order by occurred_at limit :limit"
)
_WATERMARK = text("select min(occurred_at) from settlement_entries where not counted")
_TAKE_CLOSABLE = text(
    "select account, recipient_type, recipient_id, currency, window_start, window_end, gross_minor, fee_minor,"
    " net_minor, entry_count, sequence from settlement_windows where closed_at is null and window_end <= :before"
    " order by window_end, account, recipient_type, recipient_id, currency limit 1 for update skip locked"
)
_LATE_RECIPIENTS = text(
    # Entries whose own window had closed before they were recorded wait for a window that still will.
    "select distinct entry.account, entry.recipient_type, entry.recipient_id, entry.currency"
    " from settlement_entries entry join settlement_windows closed using"
    " (account, recipient_type, recipient_id, currency)"
    " where entry.payout_batch_id is null and entry.counted and closed.closed_at is not null"
    " and entry.recorded_at > closed.closed_at and entry.occurred_at >= closed.window_start"
    " and entry.occurred_at < closed.window_end"
    # What a failed batch gave back waits in the same way.
    " union select account, recipient_type, recipient_id, currency from settlement_entries"
    " where released_at is not null and payout_batch_id is null"
)
_UNCLAIMED = text(
    "select payment_id, gross_minor, fee_minor, net_minor, occurred_at, id from settlement_entries"
    " where account = :account and recipient_type = :recipient_type and recipient_id = :recipient_id"
    " and currency = :currency and payout_batch_id is null and counted and occurred_at < :before for update"
)
_CLAIM = text(
    "update settlement_entries set payout_batch_id = :batch_id where id = any(:ids) and payout_batch_id is null"
)
_CLOSE = text(
    "update settlement_windows set closed_at = :now, payout_batch_id = :batch_id where account = :account"
    " and recipient_type = :recipient_type and recipient_id = :recipient_id and currency = :currency"
    " and window_start = :window_start and closed_at is null"
)
_INSERT_BATCH = text(
    "insert into payout_batches (id, account, recipient_type, recipient_id, currency, gross_minor, fee_minor,"
    " net_minor, entry_count, payment_count, period_start, period_end, status, created_by, approved_by, approved_at,"
    " required_approvals, created_at) values (:id, :account, :recipient_type, :recipient_id, :currency, :gross_minor,"
    " :fee_minor, :net_minor, :entry_count, :payment_count, :period_start, :period_end, :status, :created_by,"
    " :approved_by, :approved_at, :required_approvals, :created_at)"
)
_RECORD_CLAIMS = text(
    "insert into payout_batch_entries select payout_batch_id, id from settlement_entries"
    " where payout_batch_id = :batch_id"
)
_COUNT_OPEN_WINDOWS = text("select count(*) from settlement_windows where closed_at is null")
_COUNT_UNCOUNTED = text("select count(*) from settlement_entries where not counted")


class Settlement:
    """Reads and writes entries, windows and batches."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_entries(self, entries: Sequence[EntryRow], now: datetime) -> None:
        """Insert entries."""
        await _ENTRIES.execute(
            self._connection,
            [
                (
                    entry.id,
                    *_recipient_values(entry.recipient).values(),
                    entry.payment_id,
                    entry.gateway,
                    entry.cause,
                    entry.gross_minor,
                    entry.fee_minor,
                    entry.net_minor,
                    entry.occurred_at,
                    now,
                )
                for entry in entries
            ],
        )

    async def count_entries(self, entries: Sequence[tuple[uuid.UUID, Window, int]]) -> int:
        """Add entries (id, window, sequence) to their windows' totals, each once; returns how many windows changed."""
        if not entries:
            return 0
        ids, windows, sequences = map(list, zip(*entries, strict=True))
        result = await self._connection.execute(
            _COUNT_ENTRIES,
            {
                "ids": ids,
                "starts": [window.start for window in windows],
                "ends": [window.end for window in windows],
                "sequences": sequences,
            },
        )
        return len(list(result))

    async def uncounted(self, recorded_before: datetime, limit: int) -> list[tuple[uuid.UUID, datetime]]:
        """Entries (id, event time) that no stream has counted although they are older than `recorded_before`."""
        rows = await self._connection.execute(_UNCOUNTED, {"before": recorded_before, "limit": limit})
        return [(row.id, row.occurred_at) for row in rows]

    async def watermark(self, now: datetime) -> datetime:
        """Event time up to which every recorded entry is counted."""
        oldest: datetime | None = (await self._connection.execute(_WATERMARK)).scalar_one()
        return now if oldest is None else min(now, oldest)

    async def open_windows(self, recipients: Sequence[Recipient], window: Window) -> None:
        """Make sure these recipients have this window, with nothing in it if it is new."""
        await _OPEN_WINDOWS.execute(
            self._connection,
            [(*_recipient_values(recipient).values(), window.start, window.end) for recipient in recipients],
        )

    async def recipients_with_late_entries(self) -> list[Recipient]:
        """Recipients with unclaimed entries that arrived after their window had closed."""
        return [Recipient(*row) for row in await self._connection.execute(_LATE_RECIPIENTS)]

    async def take_closable_window(self, ended_before: datetime) -> WindowRow | None:
        """Lock one open window that ended before this time, passing over those another process holds."""
        row = (await self._connection.execute(_TAKE_CLOSABLE, {"before": ended_before})).first()
        return None if row is None else _window(row)

    async def lock_unclaimed(
        self, recipient: Recipient, occurred_before: datetime
    ) -> list[tuple[uuid.UUID, datetime, EntryAmounts]]:
        """Lock every counted entry of a recipient that no batch has yet: (id, event time, amounts)."""
        values = {**_recipient_values(recipient), "before": occurred_before}
        rows = await self._connection.execute(_UNCLAIMED, values)
        return [
            (row.id, row.occurred_at, EntryAmounts(row.payment_id, row.gross_minor, row.fee_minor, row.net_minor))
            for row in rows
        ]

    async def insert_batch(self, batch: BatchRow, entry_ids: Sequence[uuid.UUID]) -> int:
        """Insert a batch and claim its entries; returns how many were claimed."""
        await self._connection.execute(
            _INSERT_BATCH,
            {
                "id": batch.id,
                **_recipient_values(batch.recipient),
                "gross_minor": batch.totals.gross_minor,
                "fee_minor": batch.totals.fee_minor,
                "net_minor": batch.totals.net_minor,
                "entry_count": batch.totals.entry_count,
                "payment_count": len(batch.totals.payment_ids),
                "period_start": batch.period.start,
                "period_end": batch.period.end,
                "status": batch.status,
                "created_by": batch.created_by,
                "approved_by": batch.approved_by,
                "approved_at": batch.approved_at,
                "required_approvals": batch.required_approvals,
                "created_at": batch.created_at,
            },
        )
        claimed = await self._connection.execute(_CLAIM, {"batch_id": batch.id, "ids": list(entry_ids)})
        await self._connection.execute(_RECORD_CLAIMS, {"batch_id": batch.id})
        return claimed.rowcount

    async def close_window(self, window: WindowRow, batch_id: uuid.UUID | None, now: datetime) -> None:
        """Mark a locked window closed, with the batch it led to if any."""
        values = {**_recipient_values(window.recipient), "window_start": window.window.start}
        await self._connection.execute(_CLOSE, {**values, "now": now, "batch_id": batch_id})

    async def count_open_windows(self) -> int:
        """How many windows have not closed yet."""
        return int((await self._connection.execute(_COUNT_OPEN_WINDOWS)).scalar_one())

    async def count_uncounted(self) -> int:
        """How many entries no window has counted yet."""
        return int((await self._connection.execute(_COUNT_UNCOUNTED)).scalar_one())

    async def batches(self) -> list[Row[Any]]:
        """Every payout batch, newest last."""
        return list(await self._connection.execute(select(PAYOUT_BATCHES).order_by(PAYOUT_BATCHES.c.created_at)))


def _recipient_values(recipient: Recipient) -> dict[str, str]:
    return {
        "account": recipient.account,
        "recipient_type": recipient.recipient_type,
        "recipient_id": recipient.recipient_id,
        "currency": recipient.currency,
    }


def _window(row: Row[Any]) -> WindowRow:
    return WindowRow(
        recipient=Recipient(row.account, row.recipient_type, row.recipient_id, row.currency),
        window=Window(row.window_start, row.window_end),
        gross_minor=row.gross_minor,
        fee_minor=row.fee_minor,
        net_minor=row.net_minor,
        entry_count=row.entry_count,
        sequence=row.sequence,
    )
