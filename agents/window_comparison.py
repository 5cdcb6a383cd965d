"""Compares the live view with PostgreSQL, and rebuilds from the topic what differs.

PostgreSQL counts entries by itself and is the authority; the view counts the same stream again. Each round looks at
the windows that changed since the last one; the first round after a start, or after partitions were assigned, at all
that are kept. The two need not agree while entries are under way: a difference is one when the view is not behind and
both sides have stood still for a while. Then the window is counted anew from the entries topic:

- if that agrees with PostgreSQL, the view takes it;
- if the topic no longer has the window's entries, the view takes PostgreSQL's totals;
- else nobody is believed: the view shows what the topic says, and an error is logged and counted.

What closed a window, and the batch that this led to, is published from here too.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import structlog
from pydantic import ValidationError

from agents.metrics import WINDOW_DIFFERENCES
from agents.settle import KEPT, TotalsView, empty_window, recipient_of, record_of, totals_of, window_key, with_entry
from bootstrap.clock import Clock
from bootstrap.settings import KafkaSettings
from domain.settlement import Recipient
from domain.window_totals import WindowTotals
from services.audit.topic_reader import open_topics
from services.settle import SettlementRules, load_windows
from storage.outbox import shard_of
from storage.settlement import WindowRow
from storage.unit_of_work import Database
from topics.catalog import SETTLEMENT_ENTRIES
from topics.message import SEQUENCE_HEADER, header
from topics.settlement import SettlementEntry, SettlementWindow

STANDS_STILL = timedelta(seconds=10)
LONGEST_BEHIND = timedelta(minutes=10)
UNEXPLAINED_AGAIN = timedelta(minutes=10)
FORGET_EVERY = timedelta(minutes=10)
OVERLAP = timedelta(minutes=1)
"""A window's time of change is that of its statement; its transaction may have committed so much later."""
RETENTION = timedelta(days=SETTLEMENT_ENTRIES.retention_days)

Verdict = Literal["rebuilt", "adopted", "unexplained"]
Owned = Callable[[], frozenset[int]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Difference:
    """A window as PostgreSQL has it and what the view shows, where they do; and since when they have differed so."""

    stored: WindowRow | None
    shown: WindowTotals | None
    since: datetime

    def is_like(self, other: "_Difference") -> bool:
        """Whether both sides still say the same."""
        mine, others = (None if one.stored is None else one.stored.totals for one in (self, other))
        return mine == others and self.shown == other.shown


class WindowComparison:
    """One per process. `owned` says which partitions of the entries topic this process has and is ready to show."""

    def __init__(
        self,
        database: Database,
        view: TotalsView,
        kafka: KafkaSettings,
        rules: SettlementRules,
        clock: Clock,
        owned: Owned,
        stands_still: timedelta = STANDS_STILL,
    ) -> None:
        self._database = database
        self._view = view
        self._kafka = kafka
        self._rules = rules
        self._clock = clock
        self._find_owned = owned
        self._stands_still = stands_still
        self._owned: frozenset[int] = frozenset()
        self._since: datetime | None = None
        self._differences: dict[str, _Difference] = {}
        self._behind: dict[str, datetime] = {}
        self._forgot_at = clock()

    async def run(self) -> None:
        """Read the schedules anew, compare what changed, and rebuild what differs."""
        now, owned = self._clock(), self._find_owned()
        if owned - self._owned:
            self._since = None
        self._owned = owned
        self._view.windows = await load_windows(self._database, self._rules)
        if not owned:
            return
        await self._compare(now)
        if standing := [key for key, one in self._differences.items() if now - one.since >= self._stands_still]:
            await self._rebuild(standing, now)
        if now - self._forgot_at >= FORGET_EVERY:
            await self._forget_old(now)

    async def _compare(self, now: datetime) -> None:
        since, is_whole = self._since or now - KEPT, self._since is None
        touched, self._view.touched = self._view.touched, set()
        wanted = {*touched, *self._differences, *(self._view.kept() if is_whole else ())}
        async with self._database.snapshot() as transaction:
            self._view.watermark = await transaction.settlement.watermark(now)
            newest = since
            async for page in transaction.settlement.windows_changed(since - OVERLAP):
                newest = max(newest, page[-1][1])
                rows: dict[str, WindowRow | None] = {_key(row): row for row, _ in page}
                await self._look_at(rows, now)
                wanted -= rows.keys()
            found = {_key(row): row for row in await transaction.settlement.windows_named(map(window_name, wanted))}
        await self._look_at({key: found.get(key) for key in wanted}, now)
        self._since = newest

    async def _look_at(self, rows: Mapping[str, WindowRow | None], now: datetime) -> None:
        """Note what differs, and publish what is right and not yet told."""
        told: dict[str, SettlementWindow] = {}
        for key, row in rows.items():
            if shard_of(window_name(key)[0].key) not in self._owned:
                self._differences.pop(key, None)
            elif row is not None and row.window.end < now - KEPT:
                await self._tell_old(key, row)
            elif (value := self._examine(key, row, now)) is not None:
                told[key] = value
        if told:
            async with self._view.lock:
                await self._view.put(
                    {key: _closed_like(self._view.get(key) or value, value) for key, value in told.items()}
                )

    def _examine(self, key: str, row: WindowRow | None, now: datetime) -> SettlementWindow | None:
        """Note a difference. Where there is none: the record that says how the window closed, if that is not told."""
        shown = self._view.get(key)
        difference = _Difference(row, None if shown is None else totals_of(shown), now)
        if row is None:
            if shown is not None:
                self._note(key, difference)
            return None
        if (difference.shown or WindowTotals()) != row.totals:
            if self._is_behind(key, row, now):
                self._view.touched.add(key)
            else:
                self._note(key, difference)
            return None
        self._differences.pop(key, None)
        self._behind.pop(key, None)
        stored = record_of(row)
        closing = (None, None) if shown is None else (shown.closed_at, shown.payout_batch_id)
        return stored if (stored.closed_at, stored.payout_batch_id) != closing else None

    def _is_behind(self, key: str, row: WindowRow, now: datetime) -> bool:
        """Whether the view has records before it that PostgreSQL has counted in this window; only for so long."""
        if row.sequence <= self._view.reached.get(shard_of(row.recipient.key), row.sequence):
            return False
        return now - self._behind.setdefault(key, now) < LONGEST_BEHIND

    def _note(self, key: str, difference: _Difference) -> None:
        known = self._differences.get(key)
        if known is None or not known.is_like(difference):
            self._differences[key] = difference

    async def _tell_old(self, key: str, row: WindowRow) -> None:
        """Publish a window that is too old to be kept, as PostgreSQL has it."""
        self._differences.pop(key, None)
        async with self._view.lock:
            await self._view.forget(key)
            await self._view.put({key: record_of(row)}, keep=False)

    async def _rebuild(self, keys: Collection[str], now: datetime) -> None:
        counted = await self._count_anew(keys)
        async with self._view.lock:
            for key in keys:
                difference, shown = self._differences[key], self._view.get(key)
                if difference.shown != (None if shown is None else totals_of(shown)):
                    continue
                verdict = await self._decide(key, difference, counted.get(key), shown, now)
                WINDOW_DIFFERENCES.labels(verdict=verdict).inc()
                if verdict == "unexplained":
                    _log.error("window differs from PostgreSQL, and the topic does not say why", window=key)
                    self._differences[key] = replace(difference, since=now + UNEXPLAINED_AGAIN)
                else:
                    _log.warning("window differed from PostgreSQL", window=key, verdict=verdict)
                    del self._differences[key]

    async def _decide(
        self,
        key: str,
        difference: _Difference,
        anew: SettlementWindow | None,
        shown: SettlementWindow | None,
        now: datetime,
    ) -> Verdict:
        """Write what is right into the view. The caller holds its lock."""
        row = difference.stored
        if row is None and anew is None:
            await self._view.forget(key, publicly=True)
            return "rebuilt"
        if row is not None:
            stored = record_of(row)
            if anew is not None and totals_of(anew) == row.totals:
                await self._view.put({key: _closed_like(anew, stored)})
                return "rebuilt"
            if row.window.start < now - RETENTION:
                applied = max(stored.sequence, 0 if shown is None else shown.sequence)
                await self._view.put({key: stored.model_copy(update={"sequence": applied})})
                return "adopted"
        if anew is not None and totals_of(anew) != difference.shown:
            await self._view.put({key: anew})
        return "unexplained"

    async def _count_anew(self, keys: Collection[str]) -> dict[str, SettlementWindow]:
        """Add up, from the first record that the topic still has, the entries of some windows."""
        counted: dict[str, SettlementWindow] = {}
        shards = {shard_of(window_name(key)[0].key) for key in keys}
        wanted, windows, kafka = set(keys), self._view.windows, self._kafka
        async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [SETTLEMENT_ENTRIES]) as topics:
            ranges = {shard: whole for shard, whole in topics.ranges(SETTLEMENT_ENTRIES).items() if shard in shards}
            async for chunk in topics.chunks(SETTLEMENT_ENTRIES, ranges):
                for record in chunk:
                    try:
                        entry = SettlementEntry.model_validate_json(record.value or b"")
                    except ValidationError:
                        continue
                    window = windows.window_of(entry.account, entry.occurred_at)
                    key = window_key(recipient_of(entry), window.start)
                    if key in wanted:
                        known = counted.get(key) or empty_window(recipient_of(entry), window)
                        counted[key] = with_entry(known, entry, int(header(record.headers, SEQUENCE_HEADER) or 0))
        return counted

    async def _forget_old(self, now: datetime) -> None:
        """Make room: windows that are over for long are in PostgreSQL and on the topic."""
        self._forgot_at = now
        async with self._view.lock:
            for key in self._view.kept():
                value = self._view.get(key)
                if value is not None and value.window_end < now - KEPT:
                    await self._view.forget(key)


def window_name(key: str) -> tuple[Recipient, datetime]:
    """Read the key of a window: whose it is, and when it starts."""
    account, recipient_type, recipient_id, currency, start = key.split(":", 4)
    return Recipient(account, recipient_type, recipient_id, currency), datetime.fromisoformat(start)


def _key(row: WindowRow) -> str:
    return window_key(row.recipient, row.window.start)


def _closed_like(value: SettlementWindow, stored: SettlementWindow) -> SettlementWindow:
    """A record that also says how its window closed."""
    closing = {"closed_at": stored.closed_at, "payout_batch_id": stored.payout_batch_id, "watermark": stored.watermark}
    return value.model_copy(update=closing)
