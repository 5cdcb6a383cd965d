"""An agent's records in batches, taken from Faust's queue all at once.

Faust's own `take_events` moves every record through several coroutines, and only while no batch is being processed:
what arrives meanwhile has to be moved afterwards, while the agent waits. Here a batch is whatever lies in the queue by
the time the one before it is done, so batches grow with the load by themselves.

The order of things is Faust's, and its promises are kept: records of a former assignment are passed over; records under
way are known to the consumer, which waits for them before it gives partitions back; a batch is acknowledged when its
body has ended, and never when it raised. An agent that uses this runs with `concurrency=1`.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any


async def batches(stream: Any, size: int, wait_seconds: float) -> AsyncGenerator[list[Any], None]:
    """Yield Faust's events, at least one and at most `size` at a time.

    `wait_seconds` is how long the first event of a batch that is not full may wait for company.
    """
    queue = stream.channel.queue
    await stream.maybe_start()
    while not stream.should_stop:
        try:
            first = await queue.get()
        except StopAsyncIteration:
            # Faust's way of saying that nothing will come any more.
            return
        if queue.qsize() + 1 < size:
            await _wait_for_company(queue, first, wait_seconds)
        events = _take(stream.app, queue, first, size)
        # Faust knows what is under way by weak references. It waits for a record that another agent has not seen, and
        # never will because its queue was emptied, for as long as anybody holds it: so nothing of a batch is kept here.
        del first
        if events:
            _note_start(stream, events)
            yield events
            _acknowledge(events)


def _take(app: Any, queue: Any, first: Any, size: int) -> list[Any]:
    """What lies in the queue, without what belongs to a former assignment."""
    taken = [first]
    while len(taken) < size and not queue.empty():
        taken.append(queue.get_nowait())
    return [event for event in taken if _is_current(app, event)]


def _acknowledge(events: list[Any]) -> None:
    """Acknowledge a batch and empty the list, which whoever got it holds too."""
    for event in events:
        event.ack()
    events.clear()


async def _wait_for_company(queue: Any, first: Any, wait_seconds: float) -> None:
    try:
        await asyncio.sleep(wait_seconds)
    except asyncio.CancelledError:
        # Nobody has seen it yet: whoever iterates next must find it where it was.
        queue._queue.appendleft(first)  # noqa: SLF001 - asyncio's queue cannot be given something back
        raise


def _is_current(app: Any, event: Any) -> bool:
    """Whether the event's partition is still ours; if not, its record is on its way to whoever has it now."""
    return bool(app.flow_control.is_active() and event.message.generation_id == app.consumer_generation_id)


def _note_start(stream: Any, events: list[Any]) -> None:
    """Tell the consumer what is under way, and the monitor that looks for standstill which partitions move."""
    for event in events:
        event.message.tracked = True
    stream.app.consumer.unacked.update(event.message for event in events)
    latest = {event.message.tp: event for event in events}
    for tp, event in latest.items():
        offset = event.message.offset
        state = stream.app.sensors.on_stream_event_in(tp, offset, stream, event)
        stream.app.sensors.on_stream_event_out(tp, offset, stream, event, state)
