"""The books in the shadow: payments as they were created, and facts, applied by the code that applies live ones."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime

from sqlalchemy import text

from services.apply_events import ReceivedFact, apply_facts
from services.audit.topic_reader import Position
from services.create_payment import CREATED
from services.messages import payment_event
from services.replay.live_books import LiveBooks
from storage.unit_of_work import Database
from topics.gateway_events import GatewayEvent

CHUNK_SIZE = 500

WORK_TABLES = """
-- Facts that the live books know from another callback than this one: applied last, as repeats.
create table replay_deferred (
    id bigint generated always as identity primary key,
    raw_partition integer not null,
    raw_offset bigint not null,
    fact text not null
);
-- Callbacks that are not proven any more, and what was said of them when they came.
create table replay_unproven (
    raw_partition integer not null,
    raw_offset bigint not null,
    fate text,
    primary key (raw_partition, raw_offset)
);
"""
"""What a replay keeps on disk rather than in memory, however much there is of it."""

_SEED_PAYMENTS = text(
    "insert into payments select * from jsonb_populate_recordset(null::payments, cast(:rows as jsonb))"
    " on conflict do nothing returning id"
)
_SEED_REFERENCES = text(
    "insert into payment_references select * from"
    " jsonb_populate_recordset(null::payment_references, cast(:rows as jsonb)) on conflict do nothing"
)
_HAS = text("select id from payments where id = any(:ids)")
_DEFER = text(
    "insert into replay_deferred (raw_partition, raw_offset, fact) select * from"
    " unnest(cast(:partitions as integer[]), cast(:offsets as bigint[]), cast(:facts as text[]))"
)
_DEFERRED = text("select * from replay_deferred where id > :after order by id limit :limit")
_NOTE_UNPROVEN = text(
    "insert into replay_unproven (raw_partition, raw_offset) select * from"
    " unnest(cast(:partitions as integer[]), cast(:offsets as bigint[])) on conflict do nothing"
)
_SAY_FATE = text(
    "update replay_unproven set fate = :fate from unnest(cast(:partitions as integer[]), cast(:offsets as bigint[]))"
    " as said (number, place) where raw_partition = said.number and raw_offset = said.place"
    " and (fate is null or fate = :fate) returning raw_partition, raw_offset"
)
_UNEXPLAINED = text(
    "select raw_partition, raw_offset from replay_unproven where fate is null"
    " and (raw_partition, raw_offset) > (:partition, :offset) order by raw_partition, raw_offset limit :limit"
)
_FATES = text("select fate, count(*)::bigint as count from replay_unproven where fate is not null group by fate")


class ShadowBooks:
    """Writes to the shadow, a transaction for each chunk."""

    def __init__(self, database: Database, live: LiveBooks, clock: Callable[[], datetime]) -> None:
        self.database = database
        self._live = live
        self._clock = clock
        self.payments = 0
        self.stored_facts = 0

    async def seed(self, payment_ids: Collection[str]) -> None:
        """Record payments that are not there yet, as they were created, and apply what no callback will bring."""
        new = await self._missing(payment_ids)
        if not new:
            return
        rows, references = await self._live.blank_payments(new), await self._live.references(new)
        async with self.database.transaction() as transaction:
            seeded = list(await transaction.connection.scalars(_SEED_PAYMENTS, {"rows": rows}))
            await transaction.connection.execute(_SEED_REFERENCES, {"rows": references})
            created = await transaction.payments.lock(seeded)
            events = [payment_event(one, CREATED, 1, one.created_at)[1] for one in created.values()]
            await transaction.movements.add_events(events, self._clock())
        self.payments += len(seeded)
        stored = await self._live.stored_facts(seeded)
        self.stored_facts += len(stored)
        await self.apply(stored)

    async def apply(self, facts: Sequence[ReceivedFact]) -> None:
        """Apply facts as the live pipeline does."""
        for start in range(0, len(facts), CHUNK_SIZE):
            async with self.database.transaction() as transaction:
                await apply_facts(transaction, facts[start : start + CHUNK_SIZE], self._clock())

    async def defer(self, facts: Sequence[ReceivedFact]) -> None:
        """Keep facts to be applied after all others."""
        values = {
            "partitions": [one.raw_partition for one in facts],
            "offsets": [one.raw_offset for one in facts],
            "facts": [GatewayEvent.from_fact(one.fact).model_dump_json() for one in facts],
        }
        async with self.database.transaction() as transaction:
            await transaction.connection.execute(_DEFER, values)

    async def apply_deferred(self) -> None:
        """Apply what was kept, in the order in which it came."""
        after = 0
        while True:
            async with self.database.transaction() as transaction:
                rows = (await transaction.connection.execute(_DEFERRED, {"after": after, "limit": CHUNK_SIZE})).all()
            if not rows:
                return
            after = rows[-1].id
            await self.apply(
                [
                    ReceivedFact(
                        fact=GatewayEvent.model_validate_json(row.fact).to_fact(),
                        raw_partition=row.raw_partition,
                        raw_offset=row.raw_offset,
                    )
                    for row in rows
                ]
            )

    async def note_unproven(self, positions: Sequence[Position]) -> None:
        """Keep the positions of callbacks that cannot be proven now."""
        async with self.database.transaction() as transaction:
            await transaction.connection.execute(_NOTE_UNPROVEN, _columns(positions))

    async def say_fate(self, positions: Sequence[Position], fate: str) -> set[Position]:
        """Note what was said of callbacks when they came; returns those of them that are unproven now."""
        async with self.database.transaction() as transaction:
            rows = await transaction.connection.execute(_SAY_FATE, {**_columns(positions), "fate": fate})
            return {(row.raw_partition, row.raw_offset) for row in rows}

    async def unexplained(self) -> AsyncIterator[list[Position]]:
        """Yield unproven callbacks of which nothing was found said, a page at a time."""
        last = (-1, -1)
        while True:
            values = {"partition": last[0], "offset": last[1], "limit": CHUNK_SIZE}
            async with self.database.transaction() as transaction:
                rows = await transaction.connection.execute(_UNEXPLAINED, values)
                page = [(row.raw_partition, row.raw_offset) for row in rows]
            if not page:
                return
            yield page
            last = page[-1]

    async def fates(self) -> Counter[str]:
        """How many unproven callbacks had each fate."""
        async with self.database.transaction() as transaction:
            return Counter({row.fate: row.count for row in await transaction.connection.execute(_FATES)})

    async def _missing(self, payment_ids: Collection[str]) -> list[str]:
        wanted = sorted(payment_ids)
        if not wanted:
            return []
        async with self.database.transaction() as transaction:
            there = set(await transaction.connection.scalars(_HAS, {"ids": wanted}))
        return [payment_id for payment_id in wanted if payment_id not in there]


def _columns(positions: Sequence[Position]) -> dict[str, list[int]]:
    return {"partitions": [each[0] for each in positions], "offsets": [each[1] for each in positions]}
