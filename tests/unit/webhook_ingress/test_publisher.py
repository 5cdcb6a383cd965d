"""The publisher keeps a usable producer at hand and promises nothing that the broker has not said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import KafkaConnectionError, OutOfOrderSequenceNumber

from tests.unit.webhook_ingress.stand_ins import StandInProducer, until
from webhook_ingress.batches import Outcome, Producer
from webhook_ingress.publisher import NotAcknowledged, Publisher


class Workshop:
    """Builds the producers it was given, then plain ones, and remembers all of them."""

    def __init__(self, *producers: StandInProducer) -> None:
        self.planned = list(producers)
        self.built: list[StandInProducer] = []

    def build(self) -> StandInProducer:
        producer = self.planned.pop(0) if self.planned else StandInProducer()
        self.built.append(producer)
        return producer


async def probe(_producer: Producer) -> bool:
    return True


@asynccontextmanager
async def publishing(workshop: Workshop, timeout_seconds: float = 0.05) -> AsyncIterator[Publisher]:
    publisher = Publisher(
        build=workshop.build,
        probe=probe,
        topic="raw",
        acknowledge_timeout_seconds=timeout_seconds,
        retry_seconds=0.01,
    )
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def publish(publisher: Publisher, value: bytes = b"v") -> None:
    outcome = Outcome()
    publisher.publish(key=b"00", value=value, headers=[], tell=outcome.tell)
    publisher.check(await outcome)


async def test_it_connects_again_until_a_broker_answers() -> None:
    unreachable = [StandInProducer(start_errors=[KafkaConnectionError("nobody there")]) for _ in range(2)]
    workshop = Workshop(*unreachable)
    async with publishing(workshop) as publisher:
        assert not await publisher.ready()
        with pytest.raises(NotAcknowledged):
            await publish(publisher)
        await until(lambda: len(workshop.built) == 3 and workshop.built[2].started)
        await publish(publisher)
        assert await publisher.ready()
    assert all(producer.stopped for producer in workshop.built)


async def test_a_producer_whose_batch_failed_is_replaced_once_and_stopped() -> None:
    broken = StandInProducer(error=OutOfOrderSequenceNumber())
    workshop = Workshop(broken)
    async with publishing(workshop) as publisher:
        await until(lambda: broken.started)
        for outcome in await asyncio.gather(*(publish(publisher) for _ in range(5)), return_exceptions=True):
            assert isinstance(outcome, NotAcknowledged)
        await until(lambda: broken.stopped)
        await publish(publisher, b"after")
        await asyncio.sleep(0.05)
        assert len(workshop.built) == 2
        assert [record.value for record in workshop.built[1].sent] == [b"after"]


async def test_the_broken_producer_serves_until_its_successor_is_connected() -> None:
    broken = StandInProducer(error=OutOfOrderSequenceNumber())
    unreachable = StandInProducer(start_errors=[KafkaConnectionError("nobody there")])
    workshop = Workshop(broken, unreachable)
    async with publishing(workshop) as publisher:
        await until(lambda: broken.started)
        with pytest.raises(NotAcknowledged):
            await publish(publisher)
        await until(lambda: unreachable.stopped)
        broken.error = None
        await publish(publisher, b"another partition")
        assert broken.sent[-1].value == b"another partition"


async def test_a_late_answer_is_no_reason_to_replace_the_producer() -> None:
    slow = StandInProducer(hangs=True)
    workshop = Workshop(slow)
    async with publishing(workshop, timeout_seconds=0.02) as publisher:
        await until(lambda: slow.started)
        with pytest.raises(NotAcknowledged):
            await publish(publisher)
        slow.acknowledge()
        slow.hangs = False
        await publish(publisher)
        await asyncio.sleep(0.05)
        assert workshop.built == [slow]


async def test_stopping_while_no_broker_answers_ends_at_once() -> None:
    class NeverStarts(StandInProducer):
        async def start(self) -> None:
            await asyncio.Event().wait()

    never = NeverStarts()
    workshop = Workshop(never)
    async with asyncio.timeout(2):
        async with publishing(workshop):
            await until(lambda: workshop.built)
            await asyncio.sleep(0)
    assert never.stopped


async def test_each_waits_its_own_time_and_no_longer() -> None:
    slow = StandInProducer(hangs=True)
    async with publishing(Workshop(slow), timeout_seconds=0.2) as publisher:
        await until(lambda: slow.started)
        early = asyncio.create_task(publish(publisher))
        await until(lambda: slow.waiting)
        await asyncio.sleep(0.1)
        late = asyncio.create_task(publish(publisher))
        with pytest.raises(NotAcknowledged):
            await early
        assert not late.done()
        await until(lambda: len(slow.waiting) == 2)
        slow.acknowledge()
        await late
