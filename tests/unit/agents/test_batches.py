"""Batches are whatever waits, are acknowledged after their body, and never hold what is no longer ours."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest
from faust.types import TP
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from agents.batches import batches

NO_WAIT = 0.0


class FakeEvent:
    """One event, which remembers whether it was acknowledged."""

    def __init__(self, offset: int, generation: int = 1) -> None:
        self.message = FakeMessage(offset, generation)
        self.acked = False

    def ack(self) -> None:
        self.acked = True


class FakeMessage:
    """As much of a message as is asked for."""

    def __init__(self, offset: int, generation: int) -> None:
        self.offset = offset
        self.tp = TP("topic", 0)
        self.generation_id = generation
        self.tracked = False


class FakeStream:
    """As much of a stream as is asked for, on Faust's own queue."""

    def __init__(self) -> None:
        self.flow = FlowControlEvent()
        self.flow.resume()
        self.should_stop = False
        self.unacked: WeakSet[FakeMessage] = WeakSet()
        self.channel = SimpleNamespace(queue=ThrowableQueue(maxsize=100, flow_control=self.flow))
        sensors = SimpleNamespace(on_stream_event_in=lambda *_: None, on_stream_event_out=lambda *_: None)
        self.app = SimpleNamespace(
            flow_control=self.flow,
            consumer_generation_id=1,
            consumer=SimpleNamespace(unacked=self.unacked),
            sensors=sensors,
        )

    async def maybe_start(self) -> None:
        """Start."""

    def put(self, *events: FakeEvent) -> None:
        for event in events:
            self.channel.queue.force_put_nowait(event)


@pytest.fixture
def stream() -> FakeStream:
    return FakeStream()


async def take(iterator: AsyncIterator[list[Any]]) -> list[int]:
    async with asyncio.timeout(5):
        return [event.message.offset for event in await anext(iterator)]


async def test_a_batch_is_everything_that_waits_up_to_its_size(stream: FakeStream) -> None:
    stream.put(*(FakeEvent(offset) for offset in range(5)))
    iterator = batches(stream, 3, NO_WAIT)
    assert await take(iterator) == [0, 1, 2]
    stream.put(FakeEvent(5))
    assert await take(iterator) == [3, 4, 5]


async def test_a_batch_is_acknowledged_when_the_next_one_is_asked_for(stream: FakeStream) -> None:
    first, second = FakeEvent(0), FakeEvent(1)
    stream.put(first)
    iterator = batches(stream, 3, NO_WAIT)
    await take(iterator)
    assert not first.acked
    stream.put(second)
    await take(iterator)
    assert (first.acked, second.acked) == (True, False)


async def test_a_batch_whose_body_raised_is_never_acknowledged(stream: FakeStream) -> None:
    event = FakeEvent(0)
    stream.put(event)
    iterator = batches(stream, 3, NO_WAIT)
    await take(iterator)
    with pytest.raises(ValueError, match="the body"):
        await iterator.athrow(ValueError("the body"))
    assert not event.acked


async def test_the_consumer_knows_what_is_under_way(stream: FakeStream) -> None:
    event, waiting = FakeEvent(0), FakeEvent(1)
    stream.put(event, waiting)
    await take(batches(stream, 1, NO_WAIT))
    assert set(stream.unacked) == {event.message}
    assert (event.message.tracked, waiting.message.tracked) == (True, False)


async def test_records_of_a_former_assignment_are_passed_over_and_not_acknowledged(stream: FakeStream) -> None:
    stale, current = FakeEvent(0, generation=0), FakeEvent(1)
    stream.put(stale, current)
    iterator = batches(stream, 3, NO_WAIT)
    assert await take(iterator) == [1]
    assert not stale.acked
    assert stale.message not in stream.unacked


async def test_nothing_is_taken_while_partitions_are_given_back(stream: FakeStream) -> None:
    event = FakeEvent(0)
    stream.flow.suspend()
    stream.put(event)
    waiting = asyncio.ensure_future(anext(batches(stream, 3, NO_WAIT)))
    await asyncio.wait({waiting}, timeout=0.05)
    assert not waiting.done()
    assert not event.message.tracked
    waiting.cancel()


async def test_an_event_that_waited_for_company_when_it_was_cancelled_is_still_there(stream: FakeStream) -> None:
    stream.put(FakeEvent(0))
    waiting = asyncio.ensure_future(anext(batches(stream, 3, 60.0)))
    await asyncio.wait({waiting}, timeout=0.05)
    stream.put(FakeEvent(1))
    waiting.cancel()
    await asyncio.wait({waiting})
    assert await take(batches(stream, 3, NO_WAIT)) == [0, 1]


async def test_a_full_batch_waits_for_nobody(stream: FakeStream) -> None:
    stream.put(FakeEvent(0), FakeEvent(1))
    assert await take(batches(stream, 2, 60.0)) == [0, 1]


async def test_when_the_stream_ends_so_do_its_batches(stream: FakeStream) -> None:
    event = FakeEvent(0)
    stream.put(event)
    iterator = batches(stream, 3, NO_WAIT)
    await take(iterator)
    waiting = asyncio.ensure_future(anext(iterator, None))
    await asyncio.wait({waiting}, timeout=0.05)
    await stream.channel.queue.throw(StopAsyncIteration())
    assert await waiting is None
    assert event.acked


@pytest.mark.parametrize("generation", [1, 2])
async def test_a_record_that_is_done_or_no_longer_ours_is_held_by_nobody(stream: FakeStream, generation: int) -> None:
    """Else Faust waits for ever for another agent of the topic, whose queue a rebalance has emptied."""

    async def body() -> None:
        async for _events in batches(stream, 3, NO_WAIT):
            pass

    event = FakeEvent(0, generation)
    gone = asyncio.Event()
    weakref.finalize(event.message, gone.set)
    stream.put(event)
    del event
    at_work = asyncio.create_task(body())
    async with asyncio.timeout(5):
        await gone.wait()

    at_work.cancel()
    await asyncio.wait([at_work])
    assert not stream.unacked
