"""What was decided about dead letters and rejected callbacks. The records themselves lie on Kafka."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, and_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.api_tables import DEAD_LETTER_DECISIONS
from storage.tables import ACCOUNTS

DecisionKind = Literal["retried", "replayed", "discarded"]
RecordPlace = tuple[str, int, int]
"""(topic, partition, offset)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about a record, by whom and when; and where it was put, if it was put back."""

    topic: str
    partition: int
    offset: int
    account: str | None
    kind: DecisionKind
    reason: str | None
    body_digest: str
    decided_by: str
    decided_at: datetime
    sent_topic: str | None = None
    sent_partition: int | None = None
    sent_offset: int | None = None

    @property
    def place(self) -> RecordPlace:
        """Where the record lies that it is about."""
        return (self.topic, self.partition, self.offset)


_PLACE = tuple_(*DEAD_LETTER_DECISIONS.primary_key)


class DeadLetterDecisions:
    """Reads and writes decisions."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def decide(self, decision: Decision) -> bool:
        """Record a decision; False when it is too late for it.

        A record is put back once and discarded once; what was discarded may still be put back. Whoever decides about
        the same record at the same time waits until this transaction has ended.
        """
        values = {
            "topic": decision.topic,
            "record_partition": decision.partition,
            "record_offset": decision.offset,
            "account": decision.account,
            "decision": decision.kind,
            "reason": decision.reason,
            "body_digest": decision.body_digest,
            "decided_by": decision.decided_by,
            "decided_at": decision.decided_at,
        }
        new = insert(DEAD_LETTER_DECISIONS).values(values)
        changed = {name: new.excluded[name] for name in ("decision", "reason", "decided_by", "decided_at")}
        known = DEAD_LETTER_DECISIONS.c.decision
        statement = new.on_conflict_do_update(
            index_elements=list(DEAD_LETTER_DECISIONS.primary_key),
            set_=changed,
            where=and_(known == "discarded", new.excluded.decision != "discarded"),
        ).returning(known)
        return (await self._connection.execute(statement)).first() is not None

    async def note_sent(self, place: RecordPlace, topic: str, partition: int, offset: int) -> None:
        """Record where a record was put."""
        values = {"sent_topic": topic, "sent_partition": partition, "sent_offset": offset}
        await self._connection.execute(update(DEAD_LETTER_DECISIONS).where(_PLACE.in_([place])).values(values))

    async def of(self, places: Collection[RecordPlace]) -> dict[RecordPlace, Decision]:
        """Return what was decided about records, for those that something was decided about."""
        if not places:
            return {}
        rows = await self._connection.execute(select(DEAD_LETTER_DECISIONS).where(_PLACE.in_(places)))
        found = [_decision(row) for row in rows]
        return {decision.place: decision for decision in found}

    async def account_names(self) -> frozenset[str]:
        """The accounts that there are."""
        return frozenset(await self._connection.scalars(select(ACCOUNTS.c.id)))


def _decision(row: Row[Any]) -> Decision:
    return Decision(
        topic=row.topic,
        partition=row.record_partition,
        offset=row.record_offset,
        account=row.account,
        kind=row.decision,
        reason=row.reason,
        body_digest=row.body_digest,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        sent_topic=row.sent_topic,
        sent_partition=row.sent_partition,
        sent_offset=row.sent_offset,
    )
