"""Batches: what is in one, which partition it goes to, and what happens to records that nobody waits for any more."""

import asyncio

from aiokafka.errors import KafkaConnectionError, ProducerClosed

from tests.unit.webhook_ingress.stand_ins import StandInProducer, until
from webhook_ingress.batches import Batches, Outcome

TIMEOUT_SECONDS = 5.0


def add(batches: Batches, value: bytes = b"v") -> Outcome:
    outcome = Outcome()
    batches.add(key=b"00", value=value, headers=[], tell=outcome.tell)
    return outcome


def sent_values(producer: StandInProducer) -> list[bytes]:
    return [record.value for record in producer.sent]


async def test_records_of_one_turn_of_the_loop_travel_together() -> None:
    producer = StandInProducer()
    batches = Batches(producer, "raw", TIMEOUT_SECONDS)
    outcomes = [add(batches, b"%d" % number) for number in range(5)]
    assert await asyncio.gather(*outcomes) == [None] * 5
    assert producer.batches == [5]
    assert {record.topic for record in producer.sent} == {"raw"}


async def test_what_comes_while_a_batch_is_on_its_way_makes_the_next_one() -> None:
    producer = StandInProducer(hangs=True)
    batches = Batches(producer, "raw", TIMEOUT_SECONDS)
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
    batches = Batches(producer, "raw", TIMEOUT_SECONDS)
    outcomes = [add(batches, b"%d" % number) for number in range(5)]
    await until(lambda: len(producer.sent) == 5)
    assert producer.batches == [2, 2, 1]
    producer.acknowledge()
    await asyncio.gather(*outcomes)
    assert sent_values(producer) == [b"0", b"1", b"2", b"3", b"4"]


async def test_batches_go_round_the_partitions() -> None:
    producer = StandInProducer(partitions=frozenset({0, 1, 4}))
    batches = Batches(producer, "raw", TIMEOUT_SECONDS)
    for _ in range(7):
        await add(batches)
    assert [record.partition for record in producer.sent] == [0, 1, 4, 0, 1, 4, 0]


async def test_a_partition_that_does_not_answer_holds_up_only_what_it_was_given() -> None:
    producer = StandInProducer(hangs=True, partitions=frozenset({0, 1}))
    batches = Batches(producer, "raw", TIMEOUT_SECONDS)
    stuck = add(batches)
    await until(lambda: producer.waiting)
    producer.hangs = False
    for _ in range(4):
        assert await add(batches) is None
    assert [record.partition for record in producer.sent] == [0, 1, 1, 1, 1]
    assert not stuck.done()


async def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    producer = StandInProducer(hangs=True, partitions=frozenset({0}), room=2)
    batches = Batches(producer, "raw", timeout_seconds=0.3)
    on_its_way = add(batches, b"on its way")
    await until(lambda: producer.waiting)
    given_up = [add(batches, b"given up") for _ in range(6)]
    assert [type(result) for result in await asyncio.gather(on_its_way, *given_up)] == [TimeoutError] * 7
    waited_for = add(batches, b"waited for")
    producer.hangs = False
    producer.acknowledge()
    assert await waited_for is None
    assert sent_values(producer) == [b"on its way", b"waited for"]


async def test_each_waits_its_own_time_also_in_one_batch() -> None:
    producer = StandInProducer(hangs=True, partitions=frozenset({0}))
    batches = Batches(producer, "raw", timeout_seconds=0.3)
    add(batches)
    await until(lambda: producer.waiting)
    early = add(batches)
    await asyncio.sleep(0.15)
    late = add(batches)
    assert isinstance(await early, TimeoutError)
    assert not late.done()
    assert isinstance(await late, TimeoutError)
    after_everybody = add(batches)
    assert isinstance(await after_everybody, TimeoutError)


async def test_one_who_cannot_be_told_keeps_nobody_waiting() -> None:
    def tell(_error: Exception | None) -> None:
        raise ZeroDivisionError

    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    batches = Batches(StandInProducer(), "raw", TIMEOUT_SECONDS)
    batches.add(key=b"00", value=b"v", headers=[], tell=tell)
    assert await add(batches) is None
    assert [type(error) for error in told] == [ZeroDivisionError]


async def test_everybody_in_a_failed_batch_hears_why_and_the_next_batch_is_sent() -> None:
    error = KafkaConnectionError("gone")
    producer = StandInProducer(error=error)
    batches = Batches(producer, "raw", TIMEOUT_SECONDS)
    outcomes = [add(batches), add(batches)]
    assert await asyncio.gather(*outcomes) == [error, error]
    producer.error = None
    assert await add(batches) is None


async def test_a_mistake_of_the_driver_is_no_acknowledgement() -> None:
    producer = StandInProducer(error=AssertionError("a bug"))
    assert isinstance(await add(Batches(producer, "raw", TIMEOUT_SECONDS)), AssertionError)


async def test_closing_delivers_what_is_waited_for_and_then_disconnects() -> None:
    producer = StandInProducer(hangs=True, partitions=frozenset({0}))
    batches = Batches(producer, "raw", TIMEOUT_SECONDS)
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
    batches = Batches(producer, "raw", TIMEOUT_SECONDS)
    outcome = add(batches)
    closing = asyncio.create_task(batches.close())
    await until(lambda: producer.waiting)
    closing.cancel()
    await asyncio.wait([closing])
    assert isinstance(await outcome, ProducerClosed)


async def test_nothing_goes_out_before_the_partitions_are_known() -> None:
    producer = StandInProducer(knows_no_partitions=True)
    batches = Batches(producer, "raw", TIMEOUT_SECONDS)
    outcome = add(batches)
    await asyncio.sleep(0.01)
    assert producer.sent == []
    assert not outcome.done()
    closing = asyncio.create_task(batches.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
