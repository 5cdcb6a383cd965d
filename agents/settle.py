"""Settlement entries in; windows counted in PostgreSQL, and a live view of running totals beside them.

The two agents read the same stream. `SettleAgent` is the one that counts for money: its authority is PostgreSQL.
`TotalsView` keeps each window's totals in a table of Faust's, whose key carries the window and whose value carries the
highest sequence applied, so that a replay adds nothing. A batch of records is acknowledged after the topic and the
table's changelog have what came of it.
"""

import asyncio
import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer

from agents.metrics import SETTLEMENT_ENTRIES
from agents.records import Record
from bootstrap.clock import Clock
from bootstrap.settings import KafkaSettings
from domain.settlement import Recipient, Window
from domain.window_totals import WindowTotals
from services.settle import SequencedEntry, SettlementRules, Windows, count_entries
from storage.outbox import shard_of
from storage.settlement import WindowRow
from storage.unit_of_work import Database
from topics.catalog import SETTLEMENT_CHANGELOG, SETTLEMENT_WINDOWS
from topics.message import CloudEvent
from topics.settlement import SettlementEntry, SettlementWindow

KEPT = timedelta(days=35)
"""How long after its end the view keeps a window: longer than the topic keeps entries. PostgreSQL keeps them all."""

_TOTALS = tuple(field.name for field in fields(WindowTotals))


class SettleAgent:
    """Counts batches of entries into the windows of PostgreSQL."""

    def __init__(self, database: Database, rules: SettlementRules, clock: Clock) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock

    async def process(self, records: Sequence[Record]) -> None:
        """Decode and count a batch; returns when it has committed."""
        entries = [
            SequencedEntry(entry=SettlementEntry.model_validate_json(record.value), sequence=record.sequence)
            for record in records
        ]
        await count_entries(self._database, entries, self._rules, self._clock())
        SETTLEMENT_ENTRIES.inc(len(entries))


class TotalsView:
    """Keeps running totals by window, and publishes each change on the windows topic.

    `rows` is the table's store: window keys to the newest record of each. What Faust recovered of it is JSON. Both are
    written by our own producer: Faust's takes writes from within a stream only, and does not wait for them.
    """

    def __init__(
        self,
        rows: MutableMapping[str, Any],
        producer: AIOKafkaProducer,
        kafka: KafkaSettings,
        windows: Windows,
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._producer = producer
        self._topic = kafka.topic(SETTLEMENT_WINDOWS)
        self._changelog = kafka.topic(SETTLEMENT_CHANGELOG)
        self._clock = clock
        self.windows = windows
        self.watermark: datetime | None = None
        self.touched: set[str] = set()
        """Windows that entries came for since the comparison last took this set."""
        self.reached: dict[int, int] = {}
        """By partition, the highest sequence that was processed since the start."""
        self.lock = asyncio.Lock()
        """Held while rows are changed: what is read under it is still so when it is written."""

    async def process(self, records: Sequence[Record]) -> None:
        """Add a batch of entries to their windows; returns when everything that came of it is stored."""
        async with self.lock:
            changed: dict[str, SettlementWindow] = {}
            for record in records:
                entry = SettlementEntry.model_validate_json(record.value)
                window = self.windows.window_of(entry.account, entry.occurred_at)
                key = window_key(recipient_of(entry), window.start)
                self.touched.add(key)
                if window.end >= self._clock() - KEPT:
                    known = changed.get(key) or self.get(key) or empty_window(recipient_of(entry), window)
                    changed[key] = with_entry(known, entry, record.sequence)
            await self.put(changed)
            for record in records:
                self.reached[record.partition] = max(record.sequence, self.reached.get(record.partition, 0))

    def get(self, key: str) -> SettlementWindow | None:
        """The newest record of a window that is kept."""
        row = self._rows.get(key)
        if row is None or isinstance(row, SettlementWindow):
            return row
        value = self._rows[key] = SettlementWindow.model_validate(row)
        return value

    def kept(self) -> list[str]:
        """The keys of the windows that are kept."""
        return list(self._rows)

    async def put(self, changed: Mapping[str, SettlementWindow], *, keep: bool = True) -> None:
        """Publish records and, unless they are of windows too old to be kept, keep them. The caller holds the lock."""
        values = {key: value.model_copy(update={"watermark": self._newest(value)}) for key, value in changed.items()}
        sent = [await self._publish(key, value) for key, value in values.items()]
        if keep:
            sent += [await self._log(key, recipient_of(value), value) for key, value in values.items()]
        await asyncio.gather(*sent)
        if keep:
            self._rows.update(values)

    async def forget(self, key: str, *, publicly: bool = False) -> None:
        """Keep a window no longer; publicly also takes it off the topic. The caller holds the lock."""
        value = self.get(key)
        if value is None:
            return
        sent = [await self._log(key, recipient_of(value), None)]
        if publicly:
            sent.append(await self._producer.send(self._topic, key=key.encode(), value=None, partition=shard_of(key)))
        await asyncio.gather(*sent)
        self._rows.pop(key, None)

    def _newest(self, value: SettlementWindow) -> datetime | None:
        return max(filter(None, (value.watermark, self.watermark)), default=None)

    async def _publish(self, key: str, value: SettlementWindow) -> asyncio.Future[object]:
        sent: asyncio.Future[object] = await self._producer.send(
            self._topic,
            key=key.encode(),
            value=value.model_dump_json().encode(),
            partition=shard_of(key),
            headers=_window_event(value, key).headers(),
        )
        return sent

    async def _log(self, key: str, recipient: Recipient, value: SettlementWindow | None) -> asyncio.Future[object]:
        """Write the table's changelog, in Faust's format and in the partition of the window's entries."""
        sent: asyncio.Future[object] = await self._producer.send(
            self._changelog,
            key=json.dumps(key).encode(),
            value=None if value is None else value.model_dump_json().encode(),
            partition=shard_of(recipient.key),
        )
        return sent


def recipient_of(value: SettlementEntry | SettlementWindow) -> Recipient:
    """Whose money a record is about."""
    return Recipient(value.account, value.recipient_type, value.recipient_id, value.currency)


def window_key(recipient: Recipient, start: datetime) -> str:
    """The key of a window's running totals."""
    return f"{recipient.key}:{start.isoformat()}"


def empty_window(recipient: Recipient, window: Window) -> SettlementWindow:
    """The record of a window without entries."""
    return record_of(WindowRow(recipient=recipient, window=window, totals=WindowTotals(), sequence=0))


def with_entry(value: SettlementWindow, entry: SettlementEntry, sequence: int) -> SettlementWindow:
    """The record with an entry in it; the same record when its sequence says that it is in it already."""
    if sequence <= value.sequence:
        return value
    totals = totals_of(value).plus(
        entry.cause,
        gross_minor=entry.gross_minor,
        fee_minor=entry.fee_minor,
        net_minor=entry.net_minor,
        occurred_at=entry.occurred_at,
    )
    return value.model_copy(update={**asdict(totals), "sequence": sequence})


def totals_of(value: SettlementWindow) -> WindowTotals:
    """The totals in a record; what an older record does not tell is nothing."""
    told = {name: getattr(value, name) for name in _TOTALS}
    return WindowTotals(**{name: amount for name, amount in told.items() if amount is not None})


def record_of(row: WindowRow) -> SettlementWindow:
    """A window as PostgreSQL has it, as a record."""
    return SettlementWindow.model_validate(
        {
            "account": row.recipient.account,
            "recipient_type": row.recipient.recipient_type,
            "recipient_id": row.recipient.recipient_id,
            "currency": row.recipient.currency,
            "window_start": row.window.start,
            "window_end": row.window.end,
            **asdict(row.totals),
            "sequence": row.sequence,
            "watermark": row.watermark,
            "closed_at": row.closed_at,
            "payout_batch_id": None if row.payout_batch_id is None else str(row.payout_batch_id),
        }
    )


def _window_event(value: SettlementWindow, key: str) -> CloudEvent:
    return CloudEvent(
        id=f"{key}:{value.sequence}" if value.closed_at is None else f"{key}:{value.sequence}:closed",
        type="paystream.settlement.window",
        source=f"/accounts/{value.account}",
        subject=key,
        time=value.window_end,
        data_schema=SETTLEMENT_WINDOWS.data_schema,
    )
