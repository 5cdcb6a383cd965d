"""Settlement entries in; windows counted in PostgreSQL, and a live view of running totals in a windowed table.

The two agents read the same stream. `SettleAgent` is the one that counts for money: its authority is PostgreSQL. The
table is a view that analysts can read from its topic; its value carries the highest sequence it has applied, so that
a replay after a crash adds nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from agents.metrics import SETTLEMENT_ENTRIES
from agents.records import Record
from domain.settlement import Recipient, window_of
from services.settle import SequencedEntry, SettlementRules, count_entries
from storage.outbox import shard_of
from storage.settlement import WindowRow
from storage.unit_of_work import Database
from topics.message import CloudEvent, header
from topics.settlement import SettlementEntry, SettlementWindow

_log = structlog.get_logger(__name__)

Totals = dict[str, int]
"""gross, fee, net in minor units, count of entries, and the highest sequence applied."""


class SettleAgent:
    """Counts batches of entries into the windows of PostgreSQL."""

    def __init__(self, database: Database, rules: SettlementRules) -> None:
        self._database = database
        self._rules = rules

    async def process(self, records: Sequence[Record]) -> None:
        """Decode and count a batch; returns when it has committed."""
        entries = [
            SequencedEntry(entry=SettlementEntry.model_validate_json(record.value), sequence=record.sequence)
            for record in records
        ]
        await count_entries(self._database, entries, self._rules)
        SETTLEMENT_ENTRIES.inc(len(entries))


def add_to_totals(totals: Totals, entry: SettlementEntry, sequence: int) -> Totals | None:
    """Return the totals with the entry in them, or None when its sequence says that it is in them already."""
    if sequence <= totals.get("sequence", 0):
        return None
    return {
        "gross_minor": totals.get("gross_minor", 0) + entry.gross_minor,
        "fee_minor": totals.get("fee_minor", 0) + entry.fee_minor,
        "net_minor": totals.get("net_minor", 0) + entry.net_minor,
        "entry_count": totals.get("entry_count", 0) + 1,
        "sequence": sequence,
    }


def running_totals(entry: SettlementEntry, totals: Totals, window_seconds: int) -> SettlementWindow:
    """The record that shows a window's totals as they stand."""
    window = window_of(entry.occurred_at, window_seconds)
    return SettlementWindow(
        account=entry.account,
        recipient_type=entry.recipient_type,
        recipient_id=entry.recipient_id,
        currency=entry.currency,
        window_start=window.start,
        window_end=window.end,
        **totals,
    )


def window_key(value: SettlementWindow) -> str:
    """The key of the running totals."""
    recipient = Recipient(value.account, value.recipient_type, value.recipient_id, value.currency)
    return f"{recipient.key}:{value.window_start.isoformat()}"


class TotalsView:
    """Keeps the windowed table and publishes each change on the windows topic."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, window_seconds: int) -> None:
        self._producer = producer
        self._topic = topic
        self._window_seconds = window_seconds

    async def take_in(self, table: Any, record: Record) -> None:
        """Add one entry to its window in the table; must be called while the table's stream is at that record."""
        entry = SettlementEntry.model_validate_json(record.value)
        key = table_key(entry)
        totals = add_to_totals(table[key].value(), entry, record.sequence)
        if totals is not None:
            table[key] = totals
            await self.publish(running_totals(entry, totals, self._window_seconds))

    async def publish(self, value: SettlementWindow) -> None:
        """Send running totals, without waiting: the next change or the closing of the window brings them again."""
        key = window_key(value)
        sent = await self._producer.send(
            self._topic,
            key=key.encode(),
            value=value.model_dump_json().encode(),
            partition=shard_of(key),
            headers=_window_event(value, key).headers(),
        )
        sent.add_done_callback(_log_failure)


def table_key(entry: SettlementEntry) -> str:
    """The table's key: the same as the stream's, so that a key's rows and records share a partition."""
    return Recipient(entry.account, entry.recipient_type, entry.recipient_id, entry.currency).key


def event_time(event: Any) -> float:
    """The event time of a settlement entry, in seconds since the epoch; windows are cut by it, not by arrival."""
    text = header(event.message.headers, "ce_time")
    return datetime.fromisoformat(text).timestamp() if text is not None else float(event.message.timestamp)


def closed_totals(window: WindowRow) -> SettlementWindow:
    """The totals a window closed at, as PostgreSQL has them."""
    recipient = window.recipient
    return SettlementWindow(
        account=recipient.account,
        recipient_type=recipient.recipient_type,
        recipient_id=recipient.recipient_id,
        currency=recipient.currency,
        window_start=window.window.start,
        window_end=window.window.end,
        gross_minor=window.gross_minor,
        fee_minor=window.fee_minor,
        net_minor=window.net_minor,
        entry_count=window.entry_count,
        sequence=window.sequence,
    )


def _window_event(value: SettlementWindow, key: str) -> CloudEvent:
    return CloudEvent(
        id=f"{key}:{value.sequence}",
        type="paystream.settlement.window",
        source=f"/accounts/{value.account}",
        subject=key,
        time=value.window_end,
    )


def _log_failure(sent: asyncio.Future[object]) -> None:
    if not sent.cancelled() and (error := sent.exception()) is not None:
        _log.warning("running totals not published", error=repr(error))
