"""Settlement: count entries into windows, close windows, make payout batches.

PostgreSQL is the authority. An entry is counted once and claimed by one batch, whatever the stream repeats or loses:
entries that no stream has counted after a while are counted here, and the watermark waits for them.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from domain.errors import InvariantViolated
from domain.reserve import ReserveCause, ReserveRule
from domain.schedule import Schedule, ScheduleHistory, first_version, fixed_schedule
from domain.settlement import ApprovalRules, BatchStatus, BatchTotals, EntryTotals, Window
from services.messages import payout_batch
from services.reserve import post_reserve
from services.settlement_rules import PayoutRules, follow_default, payout_rules
from storage.settlement import BatchRow, CountedEntry, Owed, WindowRow
from storage.settlement_rules import SetBy
from storage.unit_of_work import Database, Transaction
from topics.settlement import SettlementEntry

AGENT = "settlement-agent"
CATCH_UP_LIMIT = 5_000
ATTEMPTS = 5
"""How often a batch is made anew when entries are counted into its period while it is made."""

_LATEST_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRules:
    """The defaults: what counts for accounts that have no rule of their own.

    - `window_seconds`, `grace_seconds`: size of windows, and how long they wait for late entries.
    - `auto_approve_threshold_minor`: up to which net amount a batch approves itself; above
      `second_approval_threshold_minor`, if there is one, two people approve it. Both may be given by currency.
    """

    window_seconds: int
    grace_seconds: int
    auto_approve_threshold_minor: int
    auto_approve_threshold_by_currency: Mapping[str, int] = field(default_factory=dict)
    second_approval_threshold_minor: int | None = None
    second_approval_threshold_by_currency: Mapping[str, int] = field(default_factory=dict)
    catch_up_after_seconds: float = 15.0

    @property
    def schedule(self) -> Schedule:
        """The schedule of windows."""
        return fixed_schedule(self.window_seconds)

    def approvals(self, currency: str) -> ApprovalRules:
        """Who approves batches of a currency."""
        return ApprovalRules(
            auto_approve_minor=self.auto_approve_threshold_by_currency.get(currency, self.auto_approve_threshold_minor),
            second_approval_minor=self.second_approval_threshold_by_currency.get(
                currency, self.second_approval_threshold_minor
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencedEntry:
    """An entry as read from the stream, with the sequence number its record carries."""

    entry: SettlementEntry
    sequence: int


class _Changed(Exception):
    """Entries were counted into a batch's period while the batch was made."""


class Windows:
    """Says in which window an event falls and when that closes, by the schedules that count for its account."""

    def __init__(self, histories: Mapping[str, ScheduleHistory], rules: SettlementRules) -> None:
        self._histories = histories
        self._rules = rules
        self._default = ScheduleHistory((first_version(rules.schedule, is_default=True),))

    def window_of(self, account: str, occurred_at: datetime) -> Window:
        """The window of an event time."""
        return self._histories.get(account, self._default).window_of(occurred_at)

    def closes_at(self, account: str, window: Window) -> datetime:
        """When a window closes at the earliest: its end and the grace that counts for it."""
        grace_seconds = self._histories.get(account, self._default).version_at(window.start).grace_seconds
        grace = timedelta(seconds=self._rules.grace_seconds if grace_seconds is None else grace_seconds)
        return window.end + min(grace, _LATEST_TIME - window.end)


async def load_windows(database: Database, rules: SettlementRules) -> Windows:
    """Read the schedules of all accounts as they are now."""
    async with database.transaction(AGENT) as transaction:
        return Windows(await transaction.settlement_rules.histories(), rules)


async def count_entries(
    database: Database, entries: Sequence[SequencedEntry], rules: SettlementRules, now: datetime
) -> None:
    """Add entries of the stream to their windows' totals; repeated ones add nothing."""
    async with database.transaction(AGENT) as transaction:
        windows = await _hold_windows(transaction, {item.entry.account for item in entries}, rules, now)
        await transaction.settlement.count_entries(
            [
                _counted(
                    windows, uuid.UUID(item.entry.entry_id), item.entry.account, item.entry.occurred_at, item.sequence
                )
                for item in entries
            ]
        )


async def catch_up(database: Database, rules: SettlementRules, now: datetime) -> int:
    """Count entries that the stream should have brought by now and has not; returns how many."""
    before = now - timedelta(seconds=rules.catch_up_after_seconds)
    total = 0
    while True:
        async with database.transaction(AGENT) as transaction:
            missed = await transaction.settlement.uncounted(before, CATCH_UP_LIMIT)
            windows = await _hold_windows(transaction, {entry.account for entry in missed}, rules, now)
            await transaction.settlement.count_entries(
                [_counted(windows, entry.id, entry.account, entry.occurred_at, 0) for entry in missed]
            )
        total += len(missed)
        if len(missed) < CATCH_UP_LIMIT:
            return total


async def _hold_windows(
    transaction: Transaction, accounts: Collection[str], rules: SettlementRules, now: datetime
) -> Windows:
    """Read the schedules of accounts and keep them as they are; an account without one gets the default."""
    book = transaction.settlement_rules
    await book.hold_schedules()
    histories = await book.histories(accounts)
    if new := set(accounts) - histories.keys():
        await book.add_first_schedules(new, first_version(rules.schedule, is_default=True), SetBy(actor=AGENT, at=now))
        histories |= await book.histories(new)
    return Windows(histories, rules)


def _counted(windows: Windows, entry_id: uuid.UUID, account: str, occurred_at: datetime, sequence: int) -> CountedEntry:
    window = windows.window_of(account, occurred_at)
    return CountedEntry(entry_id, window, windows.closes_at(account, window), sequence)


async def close_windows(database: Database, rules: SettlementRules, now: datetime) -> list[WindowRow]:
    """Close every window whose end plus grace has passed; returns the windows, each with the totals it closed at."""
    await follow_default(database, rules.schedule, actor=AGENT, now=now)
    await _open_windows_for_owed(database, rules, now)
    closed = []
    while (window := await _close_next(database, rules, now)) is not None:
        closed.append(window)
    return closed


async def _open_windows_for_owed(database: Database, rules: SettlementRules, now: datetime) -> None:
    """Give a window to whoever could be paid and has none that would close: late entries, or a reserve that is due.

    Who owes, or is owed less than the minimum, gets none: it would close empty, period after period.
    """
    async with database.transaction(AGENT) as transaction:
        owed = await transaction.settlement.owed(now)
        payable = [item.recipient for item in owed if await _is_payable(transaction, item, rules)]
        windows = await _hold_windows(transaction, {recipient.account for recipient in payable}, rules, now)
        opened = []
        for recipient in payable:
            window = windows.window_of(recipient.account, now)
            opened.append((recipient, window, windows.closes_at(recipient.account, window)))
        await transaction.settlement.open_windows(opened)


async def _is_payable(transaction: Transaction, owed: Owed, rules: SettlementRules) -> bool:
    if owed.entries_minor + owed.reserve_minor <= 0:
        return False
    payout = await payout_rules(transaction, owed.recipient, rules.approvals(owed.recipient.currency))
    entries = EntryTotals(gross_minor=owed.entries_minor, net_minor=owed.entries_minor)
    return payout.totals(entries, owed.reserve_minor) is not None


async def _close_next(database: Database, rules: SettlementRules, now: datetime) -> WindowRow | None:
    for _ in range(ATTEMPTS):
        try:
            return await _close_one(database, rules, now)
        except _Changed:
            continue
    raise InvariantViolated(f"entries of a closed period were still being counted after {ATTEMPTS} attempts")


async def _close_one(database: Database, rules: SettlementRules, now: datetime) -> WindowRow | None:
    async with database.transaction(AGENT) as transaction:
        watermark = await transaction.settlement.watermark(now)
        window = await transaction.settlement.take_closable_window(watermark)
        if window is None:
            return None
        batch_id = await _make_batch(transaction, window, rules, now)
        await transaction.settlement.close_window(window, batch_id, watermark, now)
        return replace(window, watermark=watermark, closed_at=now, payout_batch_id=batch_id)


async def _make_batch(
    transaction: Transaction, window: WindowRow, rules: SettlementRules, now: datetime
) -> uuid.UUID | None:
    """Claim what the recipient is owed up to the window's end. None when that is too little: it carries over."""
    recipient, before = window.recipient, window.window.end
    await transaction.payout_making.lock_recipient(recipient)
    entries = await transaction.payout_making.unclaimed(recipient, before)
    due = await transaction.reserves.lock_due(recipient, now)
    payout = await payout_rules(transaction, recipient, rules.approvals(recipient.currency))
    totals = payout.totals(entries, sum(amount_minor for _, amount_minor in due))
    if totals is None:
        return None
    batch = _batch(window, entries, totals, payout, now)
    await transaction.payout_making.insert_batch(batch)
    if await transaction.payout_making.claim(batch, before) != entries:
        raise _Changed
    await _reserve(transaction, batch, [hold_id for hold_id, _ in due], payout.reserve, now)
    named = replace(batch, totals=replace(totals, payment_ids=await transaction.payout_making.payment_ids(batch.id)))
    await transaction.outbox.add([payout_batch(named, now)])
    return batch.id


def _batch(
    window: WindowRow, entries: EntryTotals, totals: BatchTotals, payout: PayoutRules, now: datetime
) -> BatchRow:
    identity = f"{window.recipient.key}|{window.window.start.isoformat()}"
    required = payout.approvals.required(totals.net_minor)
    start = min(entries.first_event_at or window.window.start, window.window.start)
    return BatchRow(
        id=uuid.uuid5(uuid.NAMESPACE_OID, identity),
        recipient=window.recipient,
        totals=totals,
        period=Window(start, window.window.end),
        status=BatchStatus.DRAFT if required else BatchStatus.APPROVED,
        created_by=AGENT,
        created_at=now,
        approved_by=None if required else AGENT,
        approved_at=None if required else now,
        required_approvals=required,
        payment_count=entries.payment_count,
    )


async def _reserve(
    transaction: Transaction, batch: BatchRow, released: Sequence[uuid.UUID], rule: ReserveRule | None, now: datetime
) -> None:
    """Note and post what a new batch holds back and what it releases."""
    totals, recipient = batch.totals, batch.recipient
    if released:
        await transaction.reserves.release(batch.id, released)
        await post_reserve(transaction, batch, ReserveCause.RELEASED, totals.reserve_released_minor, now)
    if totals.reserve_held_minor and rule is not None:
        release_at = rule.release_at(batch.period.end)
        await transaction.reserves.hold(batch.id, recipient, totals.reserve_held_minor, release_at=release_at, now=now)
        await post_reserve(transaction, batch, ReserveCause.HELD, totals.reserve_held_minor, now)
