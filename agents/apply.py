"""Facts in; one PostgreSQL transaction per batch."""

from collections.abc import Sequence

from agents.metrics import FACTS
from agents.records import Record
from bootstrap.clock import Clock
from services.apply_events import ReceivedFact, apply_events
from storage.unit_of_work import Database
from topics.gateway_events import GatewayEvent


class ApplyAgent:
    """Applies batches of facts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def process(self, records: Sequence[Record]) -> None:
        """Decode and apply a batch; returns when it has committed."""
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
