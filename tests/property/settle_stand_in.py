"""The settle process over a broker in memory: its own code, killed between any two things that it does.

A kill is an exception at a statement, a commit or a send. The database rolls back what was not committed; of the
records that the broker had not acknowledged, each partition keeps a random beginning; the positions go back to where
they were last committed. What the process has in memory is built anew from the changelog, as Faust does.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Any

from sqlalchemy import event

from agents.records import Record
from agents.settle import SettleAgent, TotalsView, totals_of
from bootstrap.settings import KafkaSettings
from domain.window_totals import WindowTotals
from services.settle import SettlementRules, catch_up, close_windows, load_windows
from storage.outbox import SHARDS, PlannedMessage
from storage.unit_of_work import Database
from topics.catalog import SETTLEMENT_CHANGELOG, SETTLEMENT_ENTRIES, SETTLEMENT_WINDOWS
from topics.message import SEQUENCE_HEADER
from topics.settlement import SettlementWindow

KAFKA = KafkaSettings(bootstrap_servers="memory:0")
COUNTING, SHOWING = "settle", "totals"

Positions = dict[int, int]


class Killed(RuntimeError):
    """The process died here."""


class Fuse:
    """Burns by one with each statement, commit and send, and kills the process at its end."""

    def __init__(self, database: Database) -> None:
        self._left: int | None = None
        for name in ("before_cursor_execute", "commit"):
            event.listen(database.engine.sync_engine, name, self.burn)

    @contextmanager
    def lit(self, length: int | None) -> Iterator[None]:
        """Let the process live for so many steps; None lets it live."""
        self._left = length
        try:
            yield
        finally:
            self._left = None

    def burn(self, *_: object) -> None:
        """One step nearer to the end."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                self._left = None
                raise Killed


class MemoryBroker:
    """Topics as lists of keys and values; what is not acknowledged may be lost, from some record of a partition on."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self._stored: dict[str, dict[bytes, bytes | None]] = defaultdict(dict)
        self._in_flight: list[tuple[str, int, bytes, bytes | None]] = []
        self.entries: dict[int, list[Record]] = {shard: [] for shard in range(SHARDS)}

    async def send(
        self, topic: str, *, key: bytes, value: bytes | None, partition: int, headers: object = None
    ) -> asyncio.Future[None]:
        """Take a record."""
        del headers
        self._fuse.burn()
        self._in_flight.append((topic, partition, key, value))
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged

    def acknowledge(self) -> None:
        """Store everything that was sent."""
        for topic, _, key, value in self._in_flight:
            self._stored[topic][key] = value
        self._in_flight.clear()

    def lose(self, chance: Random) -> None:
        """Of what was sent and not acknowledged, store a random beginning of each partition."""
        by_partition: dict[tuple[str, int], list[tuple[str, int, bytes, bytes | None]]] = defaultdict(list)
        for sent in self._in_flight:
            by_partition[sent[:2]].append(sent)
        self._in_flight = [one for sent in by_partition.values() for one in sent[: chance.randint(0, len(sent))]]
        self.acknowledge()

    def newest(self, topic: str) -> dict[bytes, bytes]:
        """The newest value of each key, as compaction leaves it."""
        return {key: value for key, value in self._stored[topic].items() if value is not None}

    def publish(self, planned: Sequence[PlannedMessage]) -> None:
        """Do the relay's work: append the settlement entries, with their sequence numbers."""
        for one in planned:
            if one.message.topic == SETTLEMENT_ENTRIES.name:
                partition = self.entries[one.shard]
                partition.append(
                    Record(
                        topic=one.message.topic,
                        partition=one.shard,
                        offset=len(partition),
                        key=one.message.key.encode(),
                        value=one.message.payload.encode(),
                        headers=((SEQUENCE_HEADER, str(one.sequence).encode()),),
                    )
                )


class SettleStandIn:
    """The agents of the settle app, and the job that closes windows."""

    def __init__(self, database: Database, rules: SettlementRules, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock
        self.fuse = Fuse(database)
        self.broker = MemoryBroker(self.fuse)
        self._positions: dict[str, Positions] = {name: dict.fromkeys(range(SHARDS), 0) for name in (COUNTING, SHOWING)}
        self._committed = {name: dict(positions) for name, positions in self._positions.items()}
        self.view: TotalsView | None = None
        self.kills = 0

    async def work(self, what: str, size: int, chance: Random, dies_after: int | None) -> None:
        """Do one of its jobs, and perhaps die in it; a dead process is started anew at once."""
        jobs: dict[str, Callable[[], Any]] = {
            COUNTING: lambda: self._consume(COUNTING, size, chance),
            SHOWING: lambda: self._consume(SHOWING, size, chance),
            "catch_up": lambda: catch_up(self._database, self._rules, self._clock()),
            "close": lambda: close_windows(self._database, self._rules, self._clock()),
        }
        try:
            with self.fuse.lit(dies_after):
                await jobs[what]()
        except Killed:
            await self.restart(chance)

    async def restart(self, chance: Random) -> None:
        """Begin again with what the broker has kept."""
        self.kills += 1
        self.broker.lose(chance)
        self._positions = {name: dict(positions) for name, positions in self._committed.items()}
        self.view = None

    async def read_schedules(self) -> None:
        """Read the schedules, as the process does every few moments, and so before any of them begins to count."""
        if self.view is not None:
            self.view.windows = await load_windows(self._database, self._rules)

    async def finish(self, chance: Random) -> None:
        """Process everything there is."""
        for name in (COUNTING, SHOWING):
            while any(self._positions[name][shard] < len(self.broker.entries[shard]) for shard in range(SHARDS)):
                await self._consume(name, 100, chance)
        await catch_up(self._database, self._rules, self._clock())

    def published(self) -> dict[str, WindowTotals]:
        """The totals of each window on the windows topic."""
        return self._totals(KAFKA.topic(SETTLEMENT_WINDOWS), lambda key: key.decode())

    def logged(self) -> dict[str, WindowTotals]:
        """The totals of each window in the table's changelog."""
        return self._totals(KAFKA.topic(SETTLEMENT_CHANGELOG), json.loads)

    def _totals(self, topic: str, read_key: Callable[[bytes], str]) -> dict[str, WindowTotals]:
        found = self.broker.newest(topic).items()
        return {read_key(key): totals_of(SettlementWindow.model_validate_json(value)) for key, value in found}

    async def _consume(self, name: str, size: int, chance: Random) -> None:
        """Take records of some partitions, in the order of each, and acknowledge them once they are processed."""
        positions = self._positions[name]
        records: list[Record] = []
        for shard in chance.sample(range(SHARDS), SHARDS):
            taken = self.broker.entries[shard][positions[shard] : positions[shard] + max(0, size - len(records))]
            records += taken
        if records:
            process = SettleAgent(self._database, self._rules, self._clock).process
            if name == SHOWING:
                process = (await self._view()).process
            await process(records)
            self.broker.acknowledge()
        for record in records:
            positions[record.partition] = record.offset + 1
        if chance.randint(0, 2) == 0:
            self._committed[name] = dict(positions)

    async def _view(self) -> TotalsView:
        if self.view is None:
            logged = self.broker.newest(KAFKA.topic(SETTLEMENT_CHANGELOG)).items()
            rows: dict[str, Any] = {json.loads(key): json.loads(value) for key, value in logged}
            producer: Any = self.broker
            windows = await load_windows(self._database, self._rules)
            self.view = TotalsView(rows, producer, KAFKA, windows, self._clock)
        return self.view
