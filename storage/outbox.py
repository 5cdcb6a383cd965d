"""The outbox: messages written with the effect they report, and the relay's bookkeeping over them."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvariantViolated
from storage.bulk import BulkInsert
from storage.json_columns import write_json

SHARDS = 8
"""Shards are the partitions of every relayed topic: a record's shard is the partition it is published to."""

CHANNEL = "paystream_outbox"
"""Channel on which the database wakes the relay when messages were written."""


def shard_of(key: str) -> int:
    """The partition of a key: CRC-32 modulo the number of partitions, which is librdkafka's consistent partitioner."""
    return zlib.crc32(key.encode()) % SHARDS


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """A message to publish: topic, key, CloudEvents type, JSON value and record headers."""

    topic: str
    key: str
    type: str
    payload: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMessage:
    """A message with the sequence number it will always have."""

    id: int
    shard: int
    sequence: int
    message: OutboxMessage


_INSERT = BulkInsert(
    "outbox",
    {
        "shard": "smallint",
        "aggregatetype": "text",
        "aggregateid": "text",
        "type": "text",
        "payload": "text",
        "headers": "text > jsonb",
    },
)
_LOCK_SHARDS = text(
    "select shard, last_sequence, pending_ids from relay_shards where shard = any(:shards) order by shard for update"
)
_COLUMNS = "id, shard, aggregatetype, aggregateid, type, payload, headers"
_PLAN = text(
    f"with next as (select {_COLUMNS} from outbox where shard = any(:shards) order by id limit :limit),"  # noqa: S608
    " planned as (update relay_shards set pending_ids = chosen.ids"
    " from (select shard, array_agg(id order by id) as ids from next group by shard) as chosen"
    " where relay_shards.shard = chosen.shard)"
    f" select {_COLUMNS} from next order by id"
)
_PENDING = text(
    f"select {_COLUMNS} from unnest(cast(:ids as bigint[])) with ordinality as pending (id, place)"  # noqa: S608
    " join outbox using (id) order by place"
)
_FINISH = text(
    "with published as (select shard, id, place from unnest(cast(:shards as smallint[]), cast(:ids as bigint[]))"
    " with ordinality as listed (shard, id, place)),"
    " advanced as (update relay_shards set last_sequence = last_sequence + cardinality(pending_ids), pending_ids = '{}'"
    " from (select shard, array_agg(id order by place) as ids from published group by shard) as done"
    " where relay_shards.shard = done.shard and relay_shards.pending_ids = done.ids returning relay_shards.shard)"
    " delete from outbox using published join advanced using (shard) where outbox.id = published.id"
)
_WAITING = text("select extract(epoch from clock_timestamp() - created_at) from outbox order by id limit 1")
_COUNT = text("select count(*)::bigint from outbox")


class Outbox:
    """Writes messages for the relay and keeps the relay's plan."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, messages: Sequence[OutboxMessage]) -> None:
        """Write messages; the database wakes the relay when the transaction commits."""
        rows = [(shard_of(m.key), m.topic, m.key, m.type, m.payload, write_json(m.headers)) for m in messages]
        await _INSERT.execute(self._connection, rows)

    async def plan(self, shards: Sequence[int], limit: int) -> list[PlannedMessage]:
        """Fix the sequence numbers of the next messages; a plan that was made is kept until it is done.

        Messages of one key are planned in the order in which they were written. Whoever writes of a payment holds its
        lock, so the earlier writer has committed by then: ids rise in that order, and whoever sees the later message
        sees the earlier one. (Transaction ids do not: a transaction gets its own before it waits for the lock.) Commit
        the transaction before publishing.
        """
        # A statement of its own: what is planned must be read after the shards are ours.
        states = list(await self._connection.execute(_LOCK_SHARDS, {"shards": list(shards)}))
        pending = [message_id for state in states for message_id in state.pending_ids]
        idle = [state.shard for state in states if not state.pending_ids]
        rows = list(await self._connection.execute(_PENDING, {"ids": pending})) if pending else []
        if len(rows) != len(pending):
            raise InvariantViolated(f"of {len(pending)} messages planned only {len(rows)} are in the outbox")
        if idle:
            rows += await self._connection.execute(_PLAN, {"shards": idle, "limit": limit})
        last = {state.shard: state.last_sequence for state in states}
        planned = []
        for row in rows:
            last[row.shard] += 1
            planned.append(_planned(row, last[row.shard]))
        return planned

    async def finish(self, messages: Sequence[PlannedMessage]) -> None:
        """Forget published messages and move their shards on; a plan that is no longer ours is left alone."""
        values = {"shards": [message.shard for message in messages], "ids": [message.id for message in messages]}
        await self._connection.execute(_FINISH, values)

    async def waiting_seconds(self) -> float:
        """How long the oldest message has waited to be published; 0 where none waits."""
        return float((await self._connection.execute(_WAITING)).scalar() or 0.0)

    async def count(self) -> int:
        """How many messages wait."""
        return int((await self._connection.execute(_COUNT)).scalar_one())


def _planned(row: Row[Any], sequence: int) -> PlannedMessage:
    headers = tuple(map(tuple, row.headers))
    return PlannedMessage(
        id=row.id,
        shard=row.shard,
        sequence=sequence,
        message=OutboxMessage(
            topic=row.aggregatetype, key=row.aggregateid, type=row.type, payload=row.payload, headers=headers
        ),
    )
