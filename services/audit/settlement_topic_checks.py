"""The settlement topics say what the tables say."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncResult

from domain.settlement import BatchStatus, Recipient
from services.audit.report import CheckName, CheckResult, Findings
from services.audit.topic_reader import Topics
from topics.catalog import PAYOUT_BATCHES, SETTLEMENT_ENTRIES, SETTLEMENT_WINDOWS
from topics.spec import TopicSpec

ENTRIES_ON_TOPIC = CheckName("entries_on_topic", "The settlement entries on the topic are those of the table.")
BATCHES_ON_TOPIC = CheckName("batches_on_topic", "The newest record of each payout batch is the batch as it stands.")
LIVE_WINDOWS = CheckName("live_windows", "The live totals of each window are those PostgreSQL counted.")


class _Entry(BaseModel, frozen=True):
    """The field of a settlement entry that matters here."""

    entry_id: uuid.UUID


class _Batch(BaseModel, frozen=True):
    """The fields of a payout batch that are compared."""

    status: BatchStatus
    net_minor: int
    bank_reference: str | None = None


class _Window(BaseModel, frozen=True):
    """The fields of a window that are compared. What has a default is not told by older records."""

    gross_minor: int
    fee_minor: int
    net_minor: int
    entry_count: int
    captures_minor: int | None = None
    refunds_minor: int | None = None
    disputes_minor: int | None = None
    reversals_minor: int | None = None
    capture_count: int | None = None
    refund_count: int | None = None
    dispute_count: int | None = None
    reversal_count: int | None = None
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None


Value = TypeVar("Value", bound=BaseModel)

_ENTRIES = text("select id, recorded_at from settlement_entries")
_BATCHES = text("select id, status, net_minor, bank_reference from payout_batches")
_WINDOWS = text(
    f"select account, recipient_type, recipient_id, currency, window_start, {', '.join(_Window.model_fields)}"  # noqa: S608
    " from settlement_windows"
)


async def check_entries_on_topic(topics: Topics, connection: AsyncConnection, now: datetime) -> CheckResult:
    """Compare the ids. An entry older than the topic's retention may be gone from it."""
    findings = Findings(ENTRIES_ON_TOPIC)
    seen: set[bytes] = set()
    async for chunk in topics.chunks(SETTLEMENT_ENTRIES):
        for record in chunk:
            try:
                seen.add(_Entry.model_validate_json(record.value or b"").entry_id.bytes)
            except ValidationError:
                findings.add(f"partition {record.partition} offset {record.offset}", "cannot be read")
    kept_since = now - timedelta(days=SETTLEMENT_ENTRIES.retention_days)
    async for row in await _stream(connection, _ENTRIES):
        findings.examined += 1
        if row.id.bytes in seen:
            seen.discard(row.id.bytes)
        elif row.recorded_at >= kept_since:
            findings.add(str(row.id), "is not on the topic")
    for entry_id in seen:
        findings.add(str(uuid.UUID(bytes=entry_id)), "is on the topic and not in the table")
    return findings.result()


async def check_batches_on_topic(topics: Topics, connection: AsyncConnection, _: datetime) -> CheckResult:
    """Compare status, net amount and bank reference."""
    findings = Findings(BATCHES_ON_TOPIC)
    newest = await _newest(topics, PAYOUT_BATCHES, _Batch, findings)
    async for row in await _stream(connection, _BATCHES):
        stored = _Batch(status=row.status, net_minor=row.net_minor, bank_reference=row.bank_reference)
        _compare(findings, str(row.id), newest.pop(str(row.id), None), stored)
    for batch_id in newest:
        findings.add(batch_id, "is on the topic and not in the table")
    return findings.result()


async def check_live_windows(topics: Topics, connection: AsyncConnection, _: datetime) -> CheckResult:
    """Compare amounts, counts and times. A window without entries need not have been published."""
    findings = Findings(LIVE_WINDOWS)
    newest = await _newest(topics, SETTLEMENT_WINDOWS, _Window, findings)
    async for row in await _stream(connection, _WINDOWS):
        key = _window_key(row)
        published = newest.pop(key, None)
        told = _Window.model_fields if published is None else published.model_dump(exclude_none=True)
        stored = _Window.model_validate({name: getattr(row, name) for name in {*told, "entry_count"}})
        if published is not None or stored.entry_count:
            _compare(findings, key, published, stored)
        else:
            findings.examined += 1
    for key in newest:
        findings.add(key, "is on the topic and not in the table")
    return findings.result()


def _compare(findings: Findings, subject: str, published: BaseModel | None, stored: BaseModel) -> None:
    findings.examined += 1
    if published is None:
        findings.add(subject, "is not on the topic")
    elif published != stored:
        findings.add(subject, f"the topic says {published}, the table says {stored}")


async def _newest(topics: Topics, spec: TopicSpec, model: type[Value], findings: Findings) -> dict[str, Value]:
    """The newest value of each key of a compacted topic; what was taken off it is gone."""
    newest: dict[str, Value] = {}
    async for chunk in topics.chunks(spec):
        for record in chunk:
            key = (record.key or b"").decode(errors="replace")
            if record.value is None:
                newest.pop(key, None)
                continue
            try:
                newest[key] = model.model_validate_json(record.value)
            except ValidationError:
                findings.add(key, f"cannot be read (partition {record.partition} offset {record.offset})")
    return newest


def _window_key(row: Row[Any]) -> str:
    recipient = Recipient(row.account, row.recipient_type, row.recipient_id, row.currency)
    return f"{recipient.key}:{row.window_start.astimezone(UTC).isoformat()}"


async def _stream(connection: AsyncConnection, statement: TextClause) -> AsyncResult[Any]:
    return await connection.stream(statement, execution_options={"yield_per": 1_000})
