"""Every raw callback is accounted for: it became facts, or was refused, or is a dead letter; exactly one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import Fact
from services.audit.dead_letters import dead_letter_positions
from services.audit.report import CheckName, CheckResult, Findings
from services.audit.topic_reader import Position, TopicRecord, Topics, position_in
from services.recorded_facts import as_recorded, conflict_event_id
from storage.inbox import FactKey, key_of
from topics.catalog import GATEWAY_EVENTS, RAW_WEBHOOKS, REJECTED_WEBHOOKS
from topics.gateway_events import GatewayEvent
from topics.message import header

RAW_ACCOUNTED = CheckName(
    "raw_accounted", "Every raw callback became facts that are in the inbox, or was rejected, or is a dead letter."
)


class Fate(IntEnum):
    """What became of a callback; of several facts, the fate of the highest number is the callback's."""

    DUPLICATES = 1
    IGNORED = 2
    ORPHANED = 3
    APPLIED = 4
    DEAD_LETTERED = 5
    LOST = 6


_FIGURES = ("raw", "applied", "duplicates", "ignored", "orphaned", "rejected", "dead_lettered")


@dataclass(frozen=True, slots=True)
class _Known:
    """A fact of the inbox."""

    digest: str
    disposition: str
    raw_position: Position | None


_INBOX = text(
    "select gateway, account, gateway_event_id, digest, disposition, raw_partition, raw_offset from inbox join"
    " unnest(cast(:gateways as text[]), cast(:accounts as text[]), cast(:event_ids as text[]))"
    " as wanted (gateway, account, gateway_event_id) using (gateway, account, gateway_event_id)"
)


async def check_raw(topics: Topics, connection: AsyncConnection, now: datetime) -> CheckResult:
    """Follow every raw record that is younger than the retention of what came of it."""
    findings = Findings(RAW_ACCOUNTED)
    findings.figures.update(dict.fromkeys(_FIGURES, 0))
    forwarded, lost = await _forwarded(topics, connection)
    rejected = await _rejected(topics)
    buried = await dead_letter_positions(topics, RAW_WEBHOOKS)
    kept_since = now - timedelta(days=min(GATEWAY_EVENTS.retention_days, REJECTED_WEBHOOKS.retention_days))
    async for chunk in topics.chunks(RAW_WEBHOOKS):
        for record in chunk:
            if record.written_at < kept_since:
                continue
            found = {
                "became facts": forwarded.get(record.position),
                "was rejected": rejected.get(record.position),
                "is a dead letter": Fate.DEAD_LETTERED if record.position in buried else None,
            }
            _judge(findings, record, {said: fate for said, fate in found.items() if fate is not None}, lost)
    return findings.result()


def _judge(
    findings: Findings, record: TopicRecord, found: Mapping[str, Fate | str], lost: Mapping[Position, str]
) -> None:
    findings.examined += 1
    findings.figures["raw"] += 1
    problem = None
    if not found:
        problem = "nothing came of it"
    elif len(found) > 1:
        problem = f"it {' and '.join(found)}"
    elif record.position in lost:
        problem = f"its event {lost[record.position]} is neither in the inbox nor a dead letter"
    if problem is None:
        _count(findings, next(iter(found.values())))
    else:
        callback = header(record.headers, "ce_id") or "without id"
        findings.add(f"partition {record.partition} offset {record.offset}", f"callback {callback}: {problem}")


def _count(findings: Findings, fate: Fate | str) -> None:
    """Count a callback under its fate, or under the reason it was rejected for."""
    if isinstance(fate, Fate):
        findings.figures[fate.name.lower()] += 1
    else:
        findings.figures["rejected"] += 1
        findings.figures[f"rejected:{fate}"] += 1


async def _forwarded(topics: Topics, connection: AsyncConnection) -> tuple[dict[Position, Fate], dict[Position, str]]:
    """What became of the facts of each raw position; and, where one is lost, which."""
    buried = await dead_letter_positions(topics, GATEWAY_EVENTS)
    fates: dict[Position, Fate] = {}
    lost: dict[Position, str] = {}
    async for chunk in topics.chunks(GATEWAY_EVENTS):
        facts = [_fact(record) for record in chunk]
        known = await _inbox(connection, [fact for fact in facts if fact is not None])
        for record, fact in zip(chunk, facts, strict=True):
            position = position_in(record.headers, "ps_raw")
            if position is None:
                continue
            fate = Fate.DEAD_LETTERED if record.position in buried else _fate(fact, position, known)
            fates[position] = max(fate, fates.get(position, fate))
            if fate is Fate.LOST:
                lost[position] = _name(record, fact)
    return fates, lost


def _name(record: TopicRecord, fact: Fact | None) -> str:
    return f"at partition {record.partition} offset {record.offset}" if fact is None else ":".join(key_of(fact))


def _fact(record: TopicRecord) -> Fact | None:
    try:
        return as_recorded(GatewayEvent.model_validate_json(record.value or b"").to_fact())
    except ValidationError:
        return None


def _fate(fact: Fact | None, position: Position, known: dict[FactKey, _Known]) -> Fate:
    if fact is None:
        return Fate.LOST
    stored = known.get(key_of(fact))
    if stored is None or stored.digest != fact.content_digest():
        stored = known.get(_conflict_key(fact))
    if stored is None:
        return Fate.LOST
    return Fate[stored.disposition.upper()] if stored.raw_position == position else Fate.DUPLICATES


def _conflict_key(fact: Fact) -> FactKey:
    """The key under which a fact is recorded whose event id was used before with other content."""
    gateway, account, _ = key_of(fact)
    return (gateway, account, conflict_event_id(fact))


async def _inbox(connection: AsyncConnection, facts: Sequence[Fact]) -> dict[FactKey, _Known]:
    keys = {key for fact in facts for key in (key_of(fact), _conflict_key(fact))}
    if not keys:
        return {}
    gateways, accounts, event_ids = map(list, zip(*keys, strict=True))
    rows = await connection.execute(_INBOX, {"gateways": gateways, "accounts": accounts, "event_ids": event_ids})
    return {
        (row.gateway, row.account, row.gateway_event_id): _Known(
            row.digest,
            row.disposition,
            None if row.raw_partition is None else (row.raw_partition, row.raw_offset),
        )
        for row in rows
    }


async def _rejected(topics: Topics) -> dict[Position, str]:
    """The reason for which each raw position was refused."""
    reasons: dict[Position, str] = {}
    async for chunk in topics.chunks(REJECTED_WEBHOOKS):
        for record in chunk:
            position = position_in(record.headers, "ps_raw")
            if position is not None:
                reasons[position] = header(record.headers, "ps_reason") or "without_reason"
    return reasons
