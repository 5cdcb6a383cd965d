"""The outbox: messages written with the effect they report, and the relay's bookkeeping over them."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.bulk import BulkInsert

SHARDS = 8
"""Shards are the partitions of every relayed topic: a record's shard is the partition it is published to."""

CHANNEL = "paystream_outbox"
"""Channel on which writers wake the relay."""


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
_WAKE = text("select pg_notify(:channel, '')")
_LOCK_SHARDS = text(
    "select shard, last_sequence, pending_ids from relay_shards where shard = any(:shards) order by shard for update"
)
_NEXT = text(
    "select id, shard from outbox where shard = any(:shards)"
    " and transaction_id < pg_snapshot_xmin(pg_current_snapshot())"
    " order by transaction_id, id limit :limit"
)
_PLAN = text("update relay_shards set pending_ids = cast(:ids as bigint[]) where shard = :shard")
_MESSAGES = text("select id, aggregatetype, aggregateid, type, payload, headers from outbox where id = any(:ids)")
_FINISH = text(
    "with advanced as (update relay_shards set last_sequence = last_sequence + cardinality(pending_ids),"
    " pending_ids = '{}' where shard = :shard and pending_ids = cast(:ids as bigint[]) returning shard)"
    " delete from outbox where id = any(:ids) and exists (select from advanced)"
)
_WAITING = text(
    "select extract(epoch from clock_timestamp() - created_at) from outbox order by transaction_id, id limit 1"
)
_COUNT = text("select count(*)::bigint from outbox")


class Outbox:
    """Writes messages for the relay and keeps the relay's plan."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, messages: Sequence[OutboxMessage]) -> None:
        """Write messages and wake the relay when the transaction commits."""
        if not messages:
            return
        rows = [(shard_of(m.key), m.topic, m.key, m.type, m.payload, json.dumps(m.headers)) for m in messages]
        await _INSERT.execute(self._connection, rows)
        await self._connection.execute(_WAKE, {"channel": CHANNEL})

    async def plan(self, shards: Sequence[int], limit: int) -> list[PlannedMessage]:
        """Fix the sequence numbers of the next messages, in commit order; a plan that was made is kept until done.

        Only messages of transactions older than every running one are taken, so that no earlier commit can still
        appear behind them. Commit the transaction before publishing.
        """
        states = list(await self._connection.execute(_LOCK_SHARDS, {"shards": list(shards)}))
        planned = {row.shard: list(row.pending_ids) for row in states}
        idle = [shard for shard, ids in planned.items() if not ids]
        if idle:
            for row in await self._connection.execute(_NEXT, {"shards": idle, "limit": limit}):
                planned[row.shard].append(row.id)
            for shard in idle:
                if planned[shard]:
                    await self._connection.execute(_PLAN, {"shard": shard, "ids": planned[shard]})
        return await self._load(planned, {row.shard: row.last_sequence for row in states})

    async def finish(self, messages: Sequence[PlannedMessage]) -> None:
        """Forget published messages and move their shards on; a plan that is no longer ours is left alone."""
        planned: dict[int, list[int]] = {}
        for message in messages:
            planned.setdefault(message.shard, []).append(message.id)
        for shard in sorted(planned):
            await self._connection.execute(_FINISH, {"shard": shard, "ids": planned[shard]})

    async def waiting_seconds(self) -> float:
        """How long the oldest message has waited to be published; 0 where none waits."""
        return float((await self._connection.execute(_WAITING)).scalar() or 0.0)

    async def count(self) -> int:
        """How many messages wait."""
        return int((await self._connection.execute(_COUNT)).scalar_one())

    async def _load(self, planned: dict[int, list[int]], last: dict[int, int]) -> list[PlannedMessage]:
        ids = [message_id for ids in planned.values() for message_id in ids]
        if not ids:
            return []
        rows = {row.id: row for row in await self._connection.execute(_MESSAGES, {"ids": ids})}
        return [
            PlannedMessage(
                id=message_id,
                shard=shard,
                sequence=last[shard] + position,
                message=OutboxMessage(
                    topic=rows[message_id].aggregatetype,
                    key=rows[message_id].aggregateid,
                    type=rows[message_id].type,
                    payload=rows[message_id].payload,
                    headers=tuple((name, value) for name, value in rows[message_id].headers),
                ),
            )
            for shard, ids in planned.items()
            for position, message_id in enumerate(ids, start=1)
        ]
