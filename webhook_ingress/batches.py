"""Collects callbacks into batches and hands each batch to a partition that is free.

A record of its own costs the driver more than everything else the ingress does; a batch costs little more than a
record. So a batch collects whatever arrives while the one before it is on its way, and goes to the next partition that
waits for nothing. Nobody needs equal callbacks in one partition: duplicates are recognized by the inbox. And a
partition whose leader is away holds up the one batch it was given, and no other.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, cast

from aiokafka.errors import KafkaError, ProducerClosed

from topics.message import RecordHeaders

LINGER_SECONDS = 0.01
"""How long a record waits at most for the batch before it; while nothing is on its way, records do not wait."""

Tell = Callable[[Exception | None], None]
"""Called once, in time, with what became of a record: None when the broker has stored it, else why it may not have."""


class Outcome(asyncio.Future[Exception | None]):
    """What became of a record, for those who would rather wait than be called."""

    def tell(self, error: Exception | None) -> None:
        """Say what became of it; nobody may wait any more."""
        if not self.done():
            self.set_result(error)


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
    """Records that travel together, and those who still wait for them, each with a deadline, the earliest first."""

    __slots__ = ("builder", "waiting")

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.waiting: deque[tuple[float, Tell]] = deque()

    def tell(self, result: Exception | None) -> None:
        """Tell everybody."""
        while self.waiting:
            self._tell_first(result)

    def expire(self, now: float) -> float | None:
        """Tell those whose time is over; return the next deadline, or None when nobody waits any more."""
        while self.waiting and self.waiting[0][0] <= now:
            self._tell_first(TimeoutError())
        return self.waiting[0][0] if self.waiting else None

    def _tell_first(self, result: Exception | None) -> None:
        _, tell = self.waiting.popleft()
        try:
            tell(result)
        except Exception as error:  # noqa: BLE001 - one's mistake must not keep the others waiting
            context = {"message": "who waited for a record could not be told", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)


class Batches:
    """The batches of one producer and one topic. It holds no more than its callers wait for.

    What nobody waits for any more when its turn comes is dropped unsent: its sender was told to send it again.
    """

    def __init__(self, producer: Producer, topic: str, timeout_seconds: float) -> None:
        self.producer = producer
        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._open: _Batch | None = None
        self._full: deque[_Batch] = deque()
        self._timer: asyncio.Handle | None = None
        self._waited_for: dict[_Batch, None] = {}
        self._deadline: asyncio.TimerHandle | None = None
        self._partitions: list[int] = []
        self._last_partition = -1
        self._on_their_way: dict[asyncio.Task[None], int | None] = {}
        self.failed = False
        """Whether the broker or the driver has refused a batch, after which the producer is of no use."""

    def add(self, *, key: bytes, value: bytes, headers: RecordHeaders, tell: Tell) -> None:
        """Take a record; `tell` is called with what becomes of it, or with TimeoutError when that takes too long."""
        batch = self._open
        if batch is None or batch.builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
            batch = self._begin()
            batch.builder.append(timestamp=None, key=key, value=value, headers=headers)
        deadline = self._loop.time() + self._timeout_seconds
        if not batch.waiting:
            self._watch(batch, deadline)
        batch.waiting.append((deadline, tell))

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
            while self._full and not self._full[0].waiting:
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
            if batch.waiting:
                task = self._loop.create_task(self._deliver(batch), name="ingress-batch")
                self._on_their_way[task] = None
                task.add_done_callback(self._delivered)

    def _next(self) -> _Batch | None:
        if self._full:
            return self._full.popleft()
        batch, self._open = self._open, None
        return batch

    def _watch(self, batch: _Batch, deadline: float) -> None:
        """See to it that everybody in the batch is told in time; the earliest deadlines are in the oldest batch."""
        self._waited_for[batch] = None
        if self._deadline is None:
            self._deadline = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        """Tell those who have waited too long, and sleep until the next deadline."""
        self._deadline = None
        for batch in list(self._waited_for):
            deadline = batch.expire(self._loop.time())
            if deadline is not None:
                self._deadline = self._loop.call_at(deadline, self._expire)
                return
            del self._waited_for[batch]

    def _end(self, batch: _Batch, result: Exception | None) -> None:
        self._waited_for.pop(batch, None)
        batch.tell(result)

    async def _deliver(self, batch: _Batch) -> None:
        try:
            known, self._partitions = self._partitions, sorted(await self.producer.partitions_for(self._topic))
            partition = self._free_partition()
            if len(known) < len(self._partitions):
                self._send()
            await (await self.producer.send_batch(batch.builder, self._topic, partition=partition))
        except asyncio.CancelledError:
            self._end(batch, ProducerClosed())
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody who waits may hear that theirs is stored
            self.failed = self.failed or isinstance(error, KafkaError)
            self._end(batch, error)
        else:
            self._end(batch, None)

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
