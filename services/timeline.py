"""The timeline of a payment: everything that is recorded of it, as one ordered list.

It leads from the raw callback over the fact and what the fact changed to the settlement window and the payout batch, so
that every minor unit can be explained. It is read in one snapshot and in a fixed number of statements.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from domain.errors import NotFound
from storage.unit_of_work import Database
from topics.catalog import RAW_WEBHOOKS


class TimelineKind(StrEnum):
    """What an entry tells of. The order is the sense of the lifecycle: what follows from what."""

    COMMAND = "command"
    MANUAL_PAYMENT = "manual_payment"
    PAYMENT_LINK = "payment_link"
    CALLBACK = "callback"
    FACT = "fact"
    TRANSITION = "transition"
    LEDGER = "ledger"
    REFUND = "refund"
    DISPUTE = "dispute"
    EVENT = "event"
    SETTLEMENT_ENTRY = "settlement_entry"
    COMMAND_RESULT = "command_result"
    RECONCILIATION_CASE = "reconciliation_case"
    WINDOW = "window"
    PAYOUT_BATCH = "payout_batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that was recorded: when, of which kind, in one line, and in full as values of JSON."""

    at: datetime
    kind: TimelineKind
    title: str
    details: dict[str, Any]


_Placed = tuple[datetime, int, datetime, int, TimelineEntry]
"""An entry and its place: recorded when, in which phase, about which time, of which rank."""

_RANKS = {kind: rank for rank, kind in enumerate(TimelineKind)}
_FIRST, _CAUSED, _LAST = range(3)
_PHASES = {
    TimelineKind.COMMAND: _FIRST,
    TimelineKind.MANUAL_PAYMENT: _FIRST,
    TimelineKind.PAYMENT_LINK: _FIRST,
    TimelineKind.COMMAND_RESULT: _LAST,
    TimelineKind.RECONCILIATION_CASE: _LAST,
    TimelineKind.WINDOW: _LAST,
    TimelineKind.PAYOUT_BATCH: _LAST,
}
"""A batch of facts is recorded at one time. Within it a fact's effects stay together, by the time the fact is about;
what asked for them comes before all of them, and what sums them up after."""

_TIMES_OF_CHANGES = ("updated_at", "paid_at", "approved_at", "decided_at", "resolved_at")
_TIMES_OF_INSERTS = ("updated_at", "submitted_at", "opened_at", "created_at")


async def timeline(database: Database, account: str, payment_id: str) -> tuple[TimelineEntry, ...]:
    """Everything recorded of an account's payment, oldest first. Raises NotFound when it has none of that id."""
    async with database.snapshot() as transaction:
        payment = await transaction.payments.get(payment_id)
        if payment is None or payment.terms.account != account:
            raise NotFound(f"account {account!r} has no payment {payment_id!r}", field="payment_id")
        recorded = transaction.timeline
        facts = await recorded.facts(payment_id)
        placed = [
            *_facts(facts),
            *_transitions(await recorded.transitions(payment_id)),
            *_ledger(await recorded.ledger(payment_id)),
            *_events(await recorded.events(payment_id)),
            *_commands(await recorded.commands(payment_id)),
            *_entries(await recorded.entries(payment_id)),
            *_changes(await recorded.changes(payment_id), {fact.gateway_event_id: fact.occurred_at for fact in facts}),
        ]
    # Sorting keeps the order in which the rows of one kind and time were read.
    return tuple(entry for *_, entry in sorted(placed, key=lambda item: item[:4]))


def _facts(rows: Iterable[Row[Any]]) -> Iterator[_Placed]:
    for row in rows:
        if row.raw_partition is not None:
            position = {"topic": RAW_WEBHOOKS.name, "partition": row.raw_partition, "offset": row.raw_offset}
            yield _place(
                TimelineKind.CALLBACK,
                row,
                f"{row.gateway} called back, verified as {row.gateway_event_id}",
                {"gateway": row.gateway, "gateway_event_id": row.gateway_event_id, **position},
            )
        amount = _amount(row.amount_minor, row.currency)
        reason = None if row.reason is None else f"({row.reason})"
        yield _place(
            TimelineKind.FACT,
            row,
            _line(row.gateway, "said", row.kind, amount, row.movement_reference, "·", row.disposition, reason),
            {
                "gateway": row.gateway,
                "gateway_event_id": row.gateway_event_id,
                "kind": row.kind,
                "disposition": row.disposition,
                "reason": row.reason,
                "provider_reference": row.provider_reference,
                "movement_reference": row.movement_reference,
                "amount_minor": row.amount_minor,
                "currency": row.currency,
                "evidence_due_at": row.evidence_due_at,
                "occurred_at": row.occurred_at,
            },
        )


def _transitions(rows: Iterable[Row[Any]]) -> Iterator[_Placed]:
    for row in rows:
        details = {"from_status": row.from_status, "to_status": row.to_status, "gateway_event_id": row.gateway_event_id}
        yield _place(TimelineKind.TRANSITION, row, f"{row.from_status} → {row.to_status}", details)


def _ledger(rows: Iterable[Row[Any]]) -> Iterator[_Placed]:
    for row in rows:
        moved = sum(posting["amount_minor"] for posting in row.postings if posting["amount_minor"] > 0)
        yield _place(
            TimelineKind.LEDGER,
            row,
            _line("posted", row.cause, _amount(moved, row.currency), row.reference),
            {
                "transaction_id": row.id,
                "cause": row.cause,
                "reference": row.reference,
                "currency": row.currency,
                "postings": row.postings,
            },
        )


def _events(rows: Iterable[Row[Any]]) -> Iterator[_Placed]:
    for row in rows:
        details = {"sequence": row.sequence, "event_id": row.event_id, "type": row.type, "event": row.payload}
        yield _place(TimelineKind.EVENT, row, f"told {row.type} as number {row.sequence}", details)


def _commands(rows: Iterable[Row[Any]]) -> Iterator[_Placed]:
    for row in rows:
        command = {"command_id": row.id, "command": row.kind, "actor": row.actor}
        asked = {**command, "state": row.state, "amount_minor": row.amount_minor}
        yield _placed(TimelineKind.COMMAND, row.started_at, f"{row.actor} asked to {row.kind}", asked)
        if row.result is None:
            continue
        result = {name: row.result.get(name) for name in ("outcome", "status", "amount_minor", "code", "message")}
        title = _line(row.kind, result["outcome"], result["code"] and f"({result['code']})")
        yield _placed(TimelineKind.COMMAND_RESULT, row.finished_at, title, command | result)


def _entries(rows: Iterable[Row[Any]]) -> Iterator[_Placed]:
    told: set[object] = set()
    for row in rows:
        recipient = f"{row.recipient_type} {row.recipient_id}"
        if row.id not in told:
            told.add(row.id)
            yield _place(
                TimelineKind.SETTLEMENT_ENTRY,
                row,
                f"{row.cause}: {recipient} is owed {_amount(row.net_minor, row.currency)}",
                {
                    "entry_id": row.id,
                    "recipient_type": row.recipient_type,
                    "recipient_id": row.recipient_id,
                    "cause": row.cause,
                    "gross_minor": row.gross_minor,
                    "fee_minor": row.fee_minor,
                    "net_minor": row.net_minor,
                    "currency": row.currency,
                    "counted": row.counted,
                    "payout_batch_id": row.payout_batch_id,
                },
            )
        window = (recipient, row.window_start, row.window_end)
        if row.window_start is not None and window not in told:
            told.add(window)
            yield _window(row, recipient)


def _window(row: Row[Any], recipient: str) -> _Placed:
    state = "is open" if row.closed_at is None else "closed"
    return _placed(
        TimelineKind.WINDOW,
        row.closed_at or row.recorded_at,
        f"window of {recipient} from {row.window_start:%Y-%m-%d %H:%M:%S} {state}",
        {
            "recipient_type": row.recipient_type,
            "recipient_id": row.recipient_id,
            "currency": row.currency,
            "window_start": row.window_start,
            "window_end": row.window_end,
            "closed_at": row.closed_at,
            "payout_batch_id": row.window_batch_id,
        },
    )


def _changes(rows: Iterable[Row[Any]], times_of_facts: Mapping[str, datetime]) -> Iterator[_Placed]:
    for row in rows:
        kind = TimelineKind(row.subject_type)
        after = row.after or {}
        subject = row.subject_id.rsplit(":", 1)[-1]
        status = after.get("status") or ("created" if row.action == "insert" else "changed")
        yield _placed(
            kind,
            _time_of(row.action, after) or row.recorded_at,
            f"{kind.replace('_', ' ')} {subject}: {status}",
            {
                "subject_id": row.subject_id,
                "action": row.action,
                "actor": row.actor,
                "request_id": row.request_id,
                "before": row.before,
                "after": row.after,
            },
            about=times_of_facts.get(row.request_id),
        )


def _time_of(action: str, after: Mapping[str, Any]) -> datetime | None:
    """The time the writer gave the change; the audit log's own clock may be another one's."""
    names = _TIMES_OF_INSERTS if action == "insert" else _TIMES_OF_CHANGES
    found = next((after[name] for name in names if after.get(name) is not None), None)
    return None if found is None else datetime.fromisoformat(found)


def _place(kind: TimelineKind, row: Row[Any], title: str, details: Mapping[str, Any]) -> _Placed:
    return _placed(kind, row.recorded_at, title, details, about=row.occurred_at)


def _placed(
    kind: TimelineKind, at: datetime, title: str, details: Mapping[str, Any], *, about: datetime | None = None
) -> _Placed:
    entry = TimelineEntry(
        at=at, kind=kind, title=title, details={name: _json_value(value) for name, value in details.items()}
    )
    return (at, _PHASES.get(kind, _CAUSED), about or at, _RANKS[kind], entry)


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, (str, int, list, dict)) else str(value)


def _amount(amount_minor: int | None, currency: str | None) -> str | None:
    return None if amount_minor is None else f"{amount_minor} {currency or 'of no currency'}"


def _line(*words: object) -> str:
    return " ".join(str(word) for word in words if word)
