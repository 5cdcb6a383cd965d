"""Patches of Faust's private parts, for exactly the versions pinned here. A test fails when a pin moves.

- `wait_first` starts four asyncio tasks for every message, although the message's callback almost always finishes at
  once. We step it once first, and only wait the long way when it really has to wait.
- `fetch_max_wait_ms` is written into the driver as 1500, which is half a second of latency on an idle topic.
- After a table's recovery the partitions are resumed before the consumer seeks back (faust-streaming issue 596), so
  that each partition skipped events. The flow is suspended until Faust itself resumes it behind the seek.
- Seeking back to what is committed leaves a partition alone of which nothing was committed yet. What was fetched of it
  before a rebalance and thrown away was then never read again, and the next commit passed it for good. Such a partition
  is read from its beginning.
- Before it gives partitions back, and before it ends, a consumer waits for the records in hand, however long they take.
  Meanwhile nobody reads those partitions. After a time that only a defect takes, the process stops and says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from importlib.metadata import version
from typing import Any

from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode.services import WaitResults

from agents.guard import stop_process

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1"}
FETCH_MAX_WAIT_MILLISECONDS = 50
IN_HAND_SECONDS = 300.0
"""Several times what the slowest gateway may take. What was in hand is not acknowledged and comes again."""

_CALLBACK_AND_SUSPENSION = ("callback", "suspend_flow")
"""What the consumer waits for at the one call that is made for every message."""


class _Started(Awaitable[Any]):
    """The rest of a coroutine that was stepped once and is waiting for a future."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        waits_for = self._waits_for
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - whatever is thrown in belongs to the coroutine
                step: Callable[[Any], Any] = self._coroutine.throw
                argument: Any = error
            else:
                step, argument = self._coroutine.send, sent
            try:
                waits_for = step(argument)
            except StopIteration as stop:
                return stop.value


def apply_patches() -> None:
    """Patch Faust once per process. Raises RuntimeError when another version is installed than was patched for."""
    for distribution, pinned in PINNED.items():
        if (installed := version(distribution)) != pinned:
            raise RuntimeError(
                f"{distribution} is {installed}, but agents/faust_patches.py was written for {pinned}:"
                " read its notes against the new version, run its tests, then move the pin"
            )
    if getattr(Consumer, "_paystream_patched", False):
        return
    Consumer._paystream_patched = True
    _patch_wait_first()
    _patch_fetch_wait()
    _patch_recovery()
    _patch_seek()
    _patch_wait_empty()


def _patch_wait_first() -> None:
    original = Consumer.wait_first

    async def wait_first(self: Any, *coros: Any, timeout: Any = None) -> WaitResults:
        is_message = timeout is None and len(coros) == len(_CALLBACK_AND_SUSPENSION) and hasattr(coros[0], "send")
        if not is_message or self.suspend_flow.is_set():
            return await original(self, *coros, timeout=timeout)
        try:
            waits_for = coros[0].send(None)
        except StopIteration as stop:
            coros[1].close()
            return WaitResults([coros[0]], [stop.value], stopped=False)
        except BaseException:
            coros[1].close()
            raise
        return await original(self, _Started(coros[0], waits_for), coros[1])

    Consumer.wait_first = wait_first


def _patch_fetch_wait() -> None:
    original = AIOKafkaConsumerThread._create_worker_consumer

    def create_worker_consumer(self: Any, transport: Any) -> Any:
        consumer = original(self, transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MILLISECONDS
        return consumer

    AIOKafkaConsumerThread._create_worker_consumer = create_worker_consumer


def _patch_recovery() -> None:
    original = Recovery.on_recovery_completed

    async def on_recovery_completed(self: Any, generation_id: int = 0) -> None:
        self.app.flow_control.suspend()
        self.app.consumer.stop_flow()
        await original(self, generation_id)

    Recovery.on_recovery_completed = on_recovery_completed


def _patch_seek() -> None:
    async def seek_to_committed(self: Any) -> Mapping[Any, int | None]:
        offsets: Mapping[Any, int | None] = await self.call_thread(seek_back, self._ensure_consumer())
        return offsets

    AIOKafkaConsumerThread.seek_to_committed = seek_to_committed


def _patch_wait_empty() -> None:
    original = Consumer.wait_empty

    async def wait_empty(self: Any) -> None:
        await within(IN_HAND_SECONDS, original(self))

    Consumer.wait_empty = wait_empty


async def within(
    seconds: float, waiting: Awaitable[None], stop: Callable[[str, BaseException | None], None] = stop_process
) -> None:
    """Wait for records in hand to end; stop the process when they take longer."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await waiting
    except TimeoutError as error:
        if not limit.expired():
            raise
        stop(f"the records in hand did not end within {seconds:g} s, and their partitions wait for them", error)


async def seek_back(consumer: Any) -> Mapping[Any, int | None]:
    """Seek every partition to where its group stands, also to the very beginning; returns what is committed."""
    committed: Mapping[Any, int | None] = await consumer.seek_to_committed()
    # Partitions may have been taken away while the broker was asked.
    assigned = consumer.assignment()
    unread = [each for each, offset in committed.items() if (not offset or offset < 0) and each in assigned]
    if unread:
        await consumer.seek_to_beginning(*unread)
    return committed
