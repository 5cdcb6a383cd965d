"""Batches: what is in one, which partition it goes to, and what happens to records that nobody waits for any more."""

import asyncio

from aiokafka.errors import KafkaConnectionError, ProducerClosed

from tests.unit.webhook_ingress.stand_ins import StandInProducer, until
from webhook_ingress.batches import Batches, Outcome


def add(batches: Batches, value: bytes = b"v") -> Outcome:
    return batches.add(key=b"00", value=value, headers=[])


def sent_values(producer: StandInProducer) -> list[bytes]:
    return [record.value for record in producer.sent]


async def test_records_of_one_turn_of_the_loop_travel_together() -> None:
    producer = StandInProducer()
    batches = Batches(producer, "raw")
    outcomes = [add(batches, b"%d" % number) for number in range(5)]
    assert await asyncio.gather(*outcomes) == [None] * 5
    assert producer.batches == [5]
    assert {record.topic for record in producer.sent} == {"raw"}


async def test_what_comes_while_a_batch_is_on_its_way_makes_the_next_one() -> None:
    producer = StandInProducer(hangs=True)
    batches = Batches(producer, "raw")
    first = add(batches)
    await until(lambda: producer.waiting)
    others = [add(batches) for _ in range(3)]
    producer.acknowledge()
    await first
    await until(lambda: len(producer.waiting) == 2)
    producer.acknowledge()
    assert await asyncio.gather(*others) == [None] * 3
    assert producer.batches == [1, 3]


async def test_a_full_batch_does_not_wait_for_the_one_before() -> None:
    producer = StandInProducer(hangs=True, room=2)
    batches = Batches(producer, "raw")
    outcomes = [add(batches, b"%d" % number) for number in range(5)]
    await until(lambda: len(producer.sent) == 5)
    assert producer.batches == [2, 2, 1]
    producer.acknowledge()
    await asyncio.gather(*outcomes)
    assert sent_values(producer) == [b"0", b"1", b"2", b"3", b"4"]


async def test_batches_go_round_the_partitions() -> None:
    producer = StandInProducer(partitions=frozenset({0, 1, 4}))
    batches = Batches(producer, "raw")
    for _ in range(7):
        await add(batches)
    assert [record.partition for record in producer.sent] == [0, 1, 4, 0, 1, 4, 0]


async def test_a_partition_that_does_not_answer_holds_up_only_what_it_was_given() -> None:
    producer = StandInProducer(hangs=True, partitions=frozenset({0, 1}))
    batches = Batches(producer, "raw")
    stuck = add(batches)
    await until(lambda: producer.waiting)
    producer.hangs = False
    for _ in range(4):
        assert await add(batches) is None
    assert [record.partition for record in producer.sent] == [0, 1, 1, 1, 1]
    assert not stuck.done()


async def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    producer = StandInProducer(hangs=True, partitions=frozenset({0}), room=2)
    batches = Batches(producer, "raw")
    on_its_way = add(batches, b"on its way")
    await until(lambda: producer.waiting)
    given_up = [add(batches, b"given up") for _ in range(6)]
    for outcome in given_up:
        outcome.set_result(TimeoutError())
    waited_for = add(batches, b"waited for")
    producer.hangs = False
    producer.acknowledge()
    assert [await on_its_way, await waited_for] == [None, None]
    assert sent_values(producer) == [b"on its way", b"waited for"]


async def test_everybody_in_a_failed_batch_hears_why_and_the_next_batch_is_sent() -> None:
    error = KafkaConnectionError("gone")
    producer = StandInProducer(error=error)
    batches = Batches(producer, "raw")
    outcomes = [add(batches), add(batches)]
    assert await asyncio.gather(*outcomes) == [error, error]
    producer.error = None
    assert await add(batches) is None


async def test_a_mistake_of_the_driver_is_no_acknowledgement() -> None:
    producer = StandInProducer(error=AssertionError("a bug"))
    assert isinstance(await add(Batches(producer, "raw")), AssertionError)


async def test_closing_delivers_what_is_waited_for_and_then_disconnects() -> None:
    producer = StandInProducer(hangs=True, partitions=frozenset({0}))
    batches = Batches(producer, "raw")
    outcomes = [add(batches, b"first")]
    await until(lambda: producer.waiting)
    outcomes.append(add(batches, b"second"))
    closing = asyncio.create_task(batches.close())
    await asyncio.sleep(0)
    assert not producer.stopped
    producer.hangs = False
    producer.acknowledge()
    await closing
    assert await asyncio.gather(*outcomes) == [None, None]
    assert producer.stopped


async def test_closing_that_is_given_up_tells_those_who_wait() -> None:
    producer = StandInProducer(hangs=True)
    batches = Batches(producer, "raw")
    outcome = add(batches)
    closing = asyncio.create_task(batches.close())
    await until(lambda: producer.waiting)
    closing.cancel()
    await asyncio.wait([closing])
    assert isinstance(await outcome, ProducerClosed)


async def test_nothing_goes_out_before_the_partitions_are_known() -> None:
    producer = StandInProducer(knows_no_partitions=True)
    batches = Batches(producer, "raw")
    outcome = add(batches)
    await asyncio.sleep(0.01)
    assert producer.sent == []
    assert not outcome.done()
    closing = asyncio.create_task(batches.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
