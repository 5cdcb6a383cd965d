"""Facts in; one PostgreSQL transaction for a batch, and a few at a time when more than one batch is waiting."""

import asyncio
from collections.abc import Sequence

from agents.metrics import FACTS
from agents.records import Record
from bootstrap.clock import Clock
from services.apply_events import ReceivedFact, apply_events
from storage.unit_of_work import Database
from topics.gateway_events import GatewayEvent


class ApplyAgent:
    """Applies facts, up to `batch_size` in one transaction and up to `lanes` transactions at a time.

    While PostgreSQL works for one of them, this process works for another. The facts of one Kafka partition stay in one
    transaction, and so a payment's facts at its gateway stay together.
    """

    def __init__(self, database: Database, clock: Clock, *, batch_size: int = 500, lanes: int = 1) -> None:
        self._database = database
        self._clock = clock
        self._batch_size = batch_size
        self._lanes = lanes

    async def process(self, records: Sequence[Record]) -> None:
        """Decode and apply facts; returns when all have committed.

        When it raises, some of them may have: they are duplicates the next time.
        """
        lanes = min(self._lanes, -(-len(records) // self._batch_size))
        parts: list[list[Record]] = [[] for _ in range(lanes)]
        for record in records:
            parts[record.partition % lanes].append(record)
        # All are waited for, also when one fails: whoever tries again must not meet one that is still at work.
        outcomes = await asyncio.gather(*map(self._apply, filter(None, parts)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _apply(self, records: Sequence[Record]) -> None:
        report = await apply_events(self._database, [_received(record) for record in records], self._clock())
        FACTS.labels(outcome="applied").inc(report.applied)
        FACTS.labels(outcome="duplicate").inc(report.duplicates)
        FACTS.labels(outcome="ignored").inc(report.ignored)
        FACTS.labels(outcome="orphaned").inc(report.orphaned)
        FACTS.labels(outcome="conflict").inc(report.conflicts)


def _received(record: Record) -> ReceivedFact:
    fact = GatewayEvent.model_validate_json(record.value).to_fact()
    position = record.raw_position
    if position is None:
        return ReceivedFact(fact=fact)
    return ReceivedFact(fact=fact, raw_partition=position.partition, raw_offset=position.offset)
