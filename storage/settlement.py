"""Settlement's tables: entries, the windows they are counted in, and payout batches as rows."""

import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.settlement import BatchStatus, BatchTotals, Recipient, Window
from domain.window_totals import AMOUNT_OF, COUNT_OF, WindowTotals
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


@dataclass(frozen=True, slots=True)
class CountedEntry:
    """An entry to be counted: in which window, when that closes, and the sequence of the record that brought it."""

    id: uuid.UUID
    window: Window
    closes_at: datetime
    sequence: int


@dataclass(frozen=True, slots=True)
class WaitingEntry:
    """An entry that no window has counted yet."""

    id: uuid.UUID
    account: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """A window as stored.

    - `sequence`: the highest sequence of an entry that the stream brought into it.
    - `watermark`: up to which event time everything recorded was counted when the window closed.
    """

    recipient: Recipient
    window: Window
    totals: WindowTotals
    sequence: int
    watermark: datetime | None = None
    closed_at: datetime | None = None
    payout_batch_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """What a recipient would be paid although no window of its that has begun is open, in minor units.

    `entries_minor` are counted entries that no batch has, `reserve_minor` is what the reserve may release.
    """

    recipient: Recipient
    entries_minor: int
    reserve_minor: int


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
    payment_count: int | None = None
    """As stored; None on a batch that was not read from its table."""


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
RECIPIENT = "account, recipient_type, recipient_id, currency"
OF_RECIPIENT = (
    "account = :account and recipient_type = :recipient_type and recipient_id = :recipient_id and currency = :currency"
)
UNCLAIMED = "payout_batch_id is null and counted"
DUE_HOLD = (
    # What a batch holds back is released only once the batch itself has been paid: until then it may fail.
    "released_batch_id is null and voided_at is null and release_at <= :due"
    " and exists (select from payout_batches made where made.id = reserve_holds.payout_batch_id"
    " and made.status = 'completed')"
)

_TOTALS = tuple(field.name for field in fields(WindowTotals))
_SUMMED = tuple(name for name in _TOTALS if not name.endswith("_at"))
_SUMS = ", ".join(
    [f"sum({name})" for name in ("gross_minor", "fee_minor", "net_minor")]
    + [f"coalesce(sum(gross_minor) filter (where cause = '{cause}'), 0)" for cause in AMOUNT_OF]
    + ["count(*)"]
    + [f"count(*) filter (where cause = '{cause}')" for cause in COUNT_OF]
    + ["min(occurred_at)", "max(occurred_at)"]
)
_COUNT_ENTRIES = text(  # every part is a literal of this package
    # The update is the dedupe: an entry that was counted before is not fresh and adds nothing.
    "with fresh as (update settlement_entries as entry set counted = true, window_start = seen.window_start"  # noqa: S608
    " from unnest(cast(:ids as uuid[]), cast(:starts as timestamptz[]), cast(:ends as timestamptz[]),"
    " cast(:closings as timestamptz[]), cast(:sequences as bigint[]))"
    " as seen (id, window_start, window_end, closes_at, sequence)"
    " where entry.id = seen.id and not entry.counted returning entry.account, entry.recipient_type,"
    " entry.recipient_id, entry.currency, entry.cause, entry.gross_minor, entry.fee_minor, entry.net_minor,"
    " entry.occurred_at, seen.window_start, seen.window_end, seen.closes_at, seen.sequence),"
    " volumes as (insert into captured_volumes as known (account, currency, month, captured_minor)"
    " select account, currency, date_trunc('month', occurred_at at time zone 'UTC')::date, sum(gross_minor) from fresh"
    " where cause = 'capture' group by 1, 2, 3 order by 1, 2, 3 on conflict (account, currency, month) do update"
    " set captured_minor = known.captured_minor + excluded.captured_minor)"
    f" insert into settlement_windows as known ({RECIPIENT}, window_start, window_end, {', '.join(_TOTALS)},"
    f" closes_at, sequence, changed_at) select {RECIPIENT}, window_start, window_end, {_SUMS}, max(closes_at),"
    f" max(sequence), clock_timestamp() from fresh group by {RECIPIENT}, window_start, window_end"
    f" order by 1, 2, 3, 4, 5 on conflict ({RECIPIENT}, window_start) do update set "
    + ", ".join(f"{name} = known.{name} + excluded.{name}" for name in _SUMMED)
    + ", first_event_at = least(known.first_event_at, excluded.first_event_at),"
    " last_event_at = greatest(known.last_event_at, excluded.last_event_at),"
    " sequence = greatest(known.sequence, excluded.sequence), changed_at = excluded.changed_at returning 1"
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
        "closes_at": "timestamptz",
    },
    "on conflict do nothing",
)
_UNCOUNTED = text(
    "select id, account, occurred_at from settlement_entries where not counted and recorded_at < :before"
    " order by occurred_at limit :limit"
)
_WATERMARK = text("select min(occurred_at) from settlement_entries where not counted")
_WINDOW = (
    f"{RECIPIENT}, window_start, window_end, {', '.join(_TOTALS)}, sequence, watermark, closed_at, payout_batch_id"
)
TAKE_CLOSABLE = text(
    f"select {_WINDOW} from settlement_windows where closed_at is null and closes_at <= :watermark"  # noqa: S608
    f" order by closes_at, window_end, {RECIPIENT} limit 1 for update skip locked"
)
"""The index `settlement_windows_open` has this order: a lock would have the planner sort every window that is due."""
_OWED = text(
    # The recipients are found by jumping from one to the next in the index, however many entries each of them has.
    f"with recursive unpaid as ((select {RECIPIENT} from settlement_entries where payout_batch_id is null"  # noqa: S608
    f" order by {RECIPIENT} limit 1) union all select following.* from unpaid cross join lateral"
    f" (select {RECIPIENT} from settlement_entries where payout_batch_id is null and ({RECIPIENT})"
    " > (unpaid.account, unpaid.recipient_type, unpaid.recipient_id, unpaid.currency)"
    f" order by {RECIPIENT} limit 1) as following),"
    f" owed as (select * from unpaid union select {RECIPIENT} from reserve_holds where {DUE_HOLD})"
    f" select owed.*, (select coalesce(sum(net_minor), 0)::bigint from settlement_entries entry where {UNCLAIMED}"
    " and (entry.account, entry.recipient_type, entry.recipient_id, entry.currency)"
    " = (owed.account, owed.recipient_type, owed.recipient_id, owed.currency)"
    " and occurred_at < :due) as entries_minor,"
    f" (select coalesce(sum(amount_minor), 0)::bigint from reserve_holds where {DUE_HOLD}"
    " and (reserve_holds.account, reserve_holds.recipient_type, reserve_holds.recipient_id, reserve_holds.currency)"
    " = (owed.account, owed.recipient_type, owed.recipient_id, owed.currency)) as reserve_minor"
    " from owed where not exists (select from settlement_windows open where closed_at is null and window_start <= :due"
    " and (open.account, open.recipient_type, open.recipient_id, open.currency)"
    " = (owed.account, owed.recipient_type, owed.recipient_id, owed.currency))"
)
_CLOSE = text(
    "update settlement_windows set closed_at = :now, watermark = :watermark, payout_batch_id = :batch_id,"  # noqa: S608
    f" changed_at = clock_timestamp() where {OF_RECIPIENT} and window_start = :window_start and closed_at is null"
)
_CHANGED = text(
    f"select {_WINDOW}, changed_at from settlement_windows where changed_at >= :since order by changed_at"  # noqa: S608
)
_NAMED = text(
    f"select {_WINDOW} from unnest(cast(:accounts as text[]), cast(:types as text[]), cast(:ids as text[]),"  # noqa: S608
    " cast(:currencies as text[]), cast(:starts as timestamptz[]))"
    " as wanted (account, recipient_type, recipient_id, currency, window_start)"
    f" join settlement_windows using ({RECIPIENT}, window_start)"
)
_LAST_WINDOW_END = text("select max(window_end) from settlement_windows where account = :account")
_COUNT_OPEN_WINDOWS = text("select count(*) from settlement_windows where closed_at is null")
_COUNT_UNCOUNTED = text("select count(*) from settlement_entries where not counted")
_WINDOWS_AT_ONCE = 1_000


class Settlement:
    """Reads and writes entries and windows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_entries(self, entries: Sequence[EntryRow], now: datetime) -> None:
        """Insert entries."""
        await _ENTRIES.execute(
            self._connection,
            [
                (
                    entry.id,
                    *recipient_values(entry.recipient).values(),
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

    async def count_entries(self, entries: Sequence[CountedEntry]) -> int:
        """Add entries to their windows' totals, each once; returns how many windows changed."""
        if not entries:
            return 0
        result = await self._connection.execute(
            _COUNT_ENTRIES,
            {
                "ids": [entry.id for entry in entries],
                "starts": [entry.window.start for entry in entries],
                "ends": [entry.window.end for entry in entries],
                "closings": [entry.closes_at for entry in entries],
                "sequences": [entry.sequence for entry in entries],
            },
        )
        return len(list(result))

    async def uncounted(self, recorded_before: datetime, limit: int) -> list[WaitingEntry]:
        """Entries that no stream has counted although they are older than `recorded_before`."""
        rows = await self._connection.execute(_UNCOUNTED, {"before": recorded_before, "limit": limit})
        return [WaitingEntry(row.id, row.account, row.occurred_at) for row in rows]

    async def watermark(self, now: datetime) -> datetime:
        """Event time up to which every recorded entry is counted."""
        oldest: datetime | None = (await self._connection.execute(_WATERMARK)).scalar_one()
        return now if oldest is None else min(now, oldest)

    async def owed(self, now: datetime) -> list[Owed]:
        """What recipients wait for of whom no window that has begun is open: nothing else would pay them."""
        rows = await self._connection.execute(_OWED, {"due": now})
        return [Owed(_recipient(row), row.entries_minor, row.reserve_minor) for row in rows]

    async def open_windows(self, windows: Sequence[tuple[Recipient, Window, datetime]]) -> None:
        """Make sure that recipients have these windows, with nothing in them if they are new; and when they close."""
        await _OPEN_WINDOWS.execute(
            self._connection,
            [
                (*recipient_values(recipient).values(), window.start, window.end, closes_at)
                for recipient, window, closes_at in windows
            ],
        )

    async def take_closable_window(self, watermark: datetime) -> WindowRow | None:
        """Lock one open window that may close at this watermark, passing over those another process holds."""
        row = (await self._connection.execute(TAKE_CLOSABLE, {"watermark": watermark})).first()
        return None if row is None else _window(row)

    async def close_window(
        self, window: WindowRow, batch_id: uuid.UUID | None, watermark: datetime, now: datetime
    ) -> None:
        """Mark a locked window closed, with the batch it led to if any."""
        values = {**recipient_values(window.recipient), "window_start": window.window.start}
        await self._connection.execute(_CLOSE, {**values, "now": now, "watermark": watermark, "batch_id": batch_id})

    async def windows_changed(self, since: datetime) -> AsyncIterator[list[tuple[WindowRow, datetime]]]:
        """Yield the windows that changed since a time, and when, in that order and a bounded number at a time."""
        result = await self._connection.stream(_CHANGED, {"since": since})
        async for rows in result.partitions(_WINDOWS_AT_ONCE):
            yield [(_window(row), row.changed_at) for row in rows]

    async def windows_named(self, names: Iterable[tuple[Recipient, datetime]]) -> list[WindowRow]:
        """The windows of these recipients and starts that there are."""
        wanted = [(*recipient_values(recipient).values(), start) for recipient, start in names]
        if not wanted:
            return []
        columns = ("accounts", "types", "ids", "currencies", "starts")
        values = dict(zip(columns, map(list, zip(*wanted, strict=True)), strict=True))
        return [_window(row) for row in await self._connection.execute(_NAMED, values)]

    async def last_window_end(self, account: str) -> datetime | None:
        """Where the last window of an account ends; None when it has none."""
        end: datetime | None = (await self._connection.execute(_LAST_WINDOW_END, {"account": account})).scalar_one()
        return end

    async def count_open_windows(self) -> int:
        """How many windows have not closed yet."""
        return int((await self._connection.execute(_COUNT_OPEN_WINDOWS)).scalar_one())

    async def count_uncounted(self) -> int:
        """How many entries no window has counted yet."""
        return int((await self._connection.execute(_COUNT_UNCOUNTED)).scalar_one())

    async def batches(self) -> list[Row[Any]]:
        """Every payout batch, newest last."""
        return list(await self._connection.execute(select(PAYOUT_BATCHES).order_by(PAYOUT_BATCHES.c.created_at)))


def recipient_values(recipient: Recipient) -> dict[str, str]:
    """A recipient as the columns that name it."""
    return {
        "account": recipient.account,
        "recipient_type": recipient.recipient_type,
        "recipient_id": recipient.recipient_id,
        "currency": recipient.currency,
    }


def _recipient(row: Row[Any]) -> Recipient:
    return Recipient(row.account, row.recipient_type, row.recipient_id, row.currency)


def _window(row: Row[Any]) -> WindowRow:
    return WindowRow(
        recipient=_recipient(row),
        window=Window(row.window_start, row.window_end),
        totals=WindowTotals(**{name: getattr(row, name) for name in _TOTALS}),
        sequence=row.sequence,
        watermark=row.watermark,
        closed_at=row.closed_at,
        payout_batch_id=row.payout_batch_id,
    )
