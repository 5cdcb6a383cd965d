"""Collects callbacks into batches and hands each batch to a partition that is free.

A record of its own costs the driver more than everything else the ingress does; a batch costs little more than a
record. So a batch collects whatever arrives while the one before it is on its way, and goes to the next partition that
waits for nothing. Nobody needs equal callbacks in one partition: duplicates are recognized by the inbox. And a
partition whose leader is away holds up the one batch it was given, and no other.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Protocol, cast

from aiokafka.errors import KafkaError, ProducerClosed

from topics.message import RecordHeaders

LINGER_SECONDS = 0.01
"""How long a record waits at most for the batch before it; while nothing is on its way, records do not wait."""

Outcome = asyncio.Future[Exception | None]
"""Done when the broker has spoken: None when the record is stored, else why it may not be."""


class Builder(Protocol):
    """The part of aiokafka's BatchBuilder that is used here."""

    def append(
        self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> object | None:
        """Add a record; None when there is no room for it."""
        ...


class Producer(Protocol):
    """The part of AIOKafkaProducer that is used here."""

    async def start(self) -> None:
        """Connect; raises KafkaError when no broker answers."""
        ...

    async def stop(self) -> None:
        """Deliver what waits and disconnect."""
        ...

    async def partitions_for(self, topic: str) -> set[int]:
        """The topic's partitions, waiting for them where they are not known yet."""
        ...

    def create_batch(self) -> Builder:
        """Begin a batch; its first record always has room."""
        ...

    async def send_batch(self, batch: Builder, topic: str, *, partition: int) -> Awaitable[object]:
        """Queue a batch; the result is done when the broker has stored it."""
        ...


class _Batch:
    """Records that travel together, and those who wait for them."""

    __slots__ = ("builder", "outcomes")

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.outcomes: list[Outcome] = []

    def is_abandoned(self) -> bool:
        """Say whether everybody has been told that theirs was not stored."""
        return all(outcome.done() for outcome in self.outcomes)

    def tell(self, result: Exception | None) -> None:
        for outcome in self.outcomes:
            if not outcome.done():
                outcome.set_result(result)


class Batches:
    """The batches of one producer and one topic. It holds no more than its callers wait for.

    What nobody waits for any more when its turn comes is dropped unsent: its sender was told to send it again.
    """

    def __init__(self, producer: Producer, topic: str) -> None:
        self.producer = producer
        self._topic = topic
        self._loop = asyncio.get_running_loop()
        self._open: _Batch | None = None
        self._full: deque[_Batch] = deque()
        self._timer: asyncio.Handle | None = None
        self._partitions: list[int] = []
        self._last_partition = -1
        self._on_their_way: dict[asyncio.Task[None], int | None] = {}
        self.failed = False
        """Whether the broker or the driver has refused a batch, after which the producer is of no use."""

    def add(self, *, key: bytes, value: bytes, headers: RecordHeaders) -> Outcome:
        """Take a record; the result is what becomes of it."""
        batch = self._open
        if batch is None or batch.builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
            batch = self._begin()
            batch.builder.append(timestamp=None, key=key, value=value, headers=headers)
        outcome: Outcome = self._loop.create_future()
        batch.outcomes.append(outcome)
        return outcome

    async def close(self) -> None:
        """Deliver what is still waited for, and disconnect."""
        try:
            self._send()
            while self._on_their_way:
                await asyncio.wait(self._on_their_way)
        except asyncio.CancelledError:
            for task in self._on_their_way:
                task.cancel()
            raise
        await self.producer.stop()

    def _begin(self) -> _Batch:
        if self._open is not None:
            self._full.append(self._open)
            while self._full and self._full[0].is_abandoned():
                self._full.popleft()
        self._open = _Batch(self.producer.create_batch())
        if self._timer is None:
            # With nothing on its way a record goes at once, with all others that come in the same turn of the loop.
            waits = bool(self._on_their_way)
            self._timer = (
                self._loop.call_later(LINGER_SECONDS, self._send) if waits else self._loop.call_soon(self._send)
            )
        return self._open

    def _send(self) -> None:
        """Give each free partition a batch, as far as there are batches."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while len(self._on_their_way) < max(1, len(self._partitions)):
            batch = self._next()
            if batch is None:
                break
            if not batch.is_abandoned():
                task = self._loop.create_task(self._deliver(batch), name="ingress-batch")
                self._on_their_way[task] = None
                task.add_done_callback(self._delivered)

    def _next(self) -> _Batch | None:
        if self._full:
            return self._full.popleft()
        batch, self._open = self._open, None
        return batch

    async def _deliver(self, batch: _Batch) -> None:
        try:
            known, self._partitions = self._partitions, sorted(await self.producer.partitions_for(self._topic))
            partition = self._free_partition()
            if len(known) < len(self._partitions):
                self._send()
            await (await self.producer.send_batch(batch.builder, self._topic, partition=partition))
        except asyncio.CancelledError:
            batch.tell(ProducerClosed())
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody who waits may hear that theirs is stored
            self.failed = self.failed or isinstance(error, KafkaError)
            batch.tell(error)
        else:
            batch.tell(None)

    def _free_partition(self) -> int:
        """The next partition after the last one that has no batch on its way; there always is one."""
        taken = set(self._on_their_way.values())
        count = len(self._partitions)
        start = bisect_right(self._partitions, self._last_partition)
        in_turn = (self._partitions[(start + step) % count] for step in range(count))
        self._last_partition = next(partition for partition in in_turn if partition not in taken)
        self._on_their_way[cast("asyncio.Task[None]", asyncio.current_task())] = self._last_partition
        return self._last_partition

    def _delivered(self, task: asyncio.Task[None]) -> None:
        del self._on_their_way[task]
        self._send()
