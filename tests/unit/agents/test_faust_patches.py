"""The patches hold for the pinned versions, and say so loudly when a pin moves."""

import asyncio
from importlib.metadata import version

import pytest
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode.services import Service

from agents import faust_patches
from agents.faust_patches import PINNED, apply_patches, seek_back, within


@pytest.fixture(autouse=True)
def _patched() -> None:
    apply_patches()


def test_the_installed_versions_are_the_ones_the_patches_were_written_for() -> None:
    assert {name: version(name) for name in PINNED} == PINNED


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(faust_patches.PINNED, "faust-streaming", "0.0.0")
    with pytest.raises(RuntimeError, match=r"was written for 0\.0\.0"):
        apply_patches()


def test_every_patch_is_in_place() -> None:
    assert Consumer.wait_first is not Service.wait_first
    assert Consumer.wait_first.__module__ == faust_patches.__name__
    assert AIOKafkaConsumerThread._create_worker_consumer.__module__ == faust_patches.__name__
    assert Recovery.on_recovery_completed.__module__ == faust_patches.__name__
    assert AIOKafkaConsumerThread.seek_to_committed.__module__ == faust_patches.__name__
    assert Consumer.wait_empty.__module__ == faust_patches.__name__


class SeekingConsumer:
    """As much of a consumer as seeking needs; like aiokafka's, it leaves partitions alone that nobody has committed."""

    def __init__(self, committed: dict[str, int | None], taken_away: str = "") -> None:
        self.committed = committed
        self.taken_away = taken_away
        self.begun: list[str] = []

    def assignment(self) -> set[str]:
        return self.committed.keys() - {self.taken_away}

    async def seek_to_committed(self) -> dict[str, int | None]:
        return self.committed

    async def seek_to_beginning(self, *partitions: str) -> None:
        self.begun.extend(partitions)


async def test_a_partition_of_which_nothing_is_committed_is_read_from_its_beginning() -> None:
    committed = {"new": None, "at the start": 0, "unknown": -1, "read": 7}
    consumer = SeekingConsumer(committed)
    assert await seek_back(consumer) == committed
    assert consumer.begun == ["new", "at the start", "unknown"]


async def test_a_partition_that_was_taken_away_meanwhile_is_left_alone() -> None:
    consumer = SeekingConsumer({"mine": None, "another's": None}, taken_away="another's")
    await seek_back(consumer)
    assert consumer.begun == ["mine"]


async def test_partitions_that_were_all_read_stay_where_their_group_stands() -> None:
    consumer = SeekingConsumer({"one": 1, "two": 22})
    await seek_back(consumer)
    assert consumer.begun == []


class FakeConsumer(Service):
    """As much of a consumer as `wait_first` needs."""

    def __init__(self) -> None:
        super().__init__()
        self.suspend_flow = asyncio.Event()


async def wait_first(consumer: FakeConsumer, callback: object) -> object:
    result = await Consumer.wait_first(consumer, callback, consumer.suspend_flow.wait())
    return result.results


async def test_a_callback_that_does_not_wait_starts_no_task() -> None:
    tasks = len(asyncio.all_tasks())
    seen = []

    async def callback() -> str:
        seen.append(len(asyncio.all_tasks()))
        return "done"

    assert await wait_first(FakeConsumer(), callback()) == ["done"]
    assert seen == [tasks]


async def test_a_callback_that_waits_is_carried_to_its_end() -> None:
    gate = asyncio.Event()

    async def callback() -> str:
        await gate.wait()
        await asyncio.sleep(0)
        return "done"

    asyncio.get_running_loop().call_later(0.01, gate.set)
    assert await wait_first(FakeConsumer(), callback()) == ["done"]


async def test_an_error_of_the_callback_is_raised_whether_it_waited_or_not() -> None:
    async def at_once() -> None:
        raise ValueError("at once")

    async def later() -> None:
        await asyncio.sleep(0)
        raise ValueError("later")

    with pytest.raises(ValueError, match="at once"):
        await wait_first(FakeConsumer(), at_once())
    with pytest.raises(ValueError, match="later"):
        await wait_first(FakeConsumer(), later())


async def test_a_suspended_flow_still_interrupts_a_waiting_callback() -> None:
    consumer = FakeConsumer()

    async def callback() -> None:
        await asyncio.sleep(60)

    asyncio.get_running_loop().call_later(0.01, consumer.suspend_flow.set)
    assert await asyncio.wait_for(wait_first(consumer, callback()), 5) == [True]


async def test_records_in_hand_that_end_are_waited_for() -> None:
    stopped: list[str] = []
    await within(60, asyncio.sleep(0), lambda reason, _: stopped.append(reason))
    assert stopped == []


async def test_records_in_hand_that_never_end_stop_the_process() -> None:
    stopped: list[str] = []
    await within(0, _never(), lambda reason, _: stopped.append(reason))
    assert stopped == ["the records in hand did not end within 0 s, and their partitions wait for them"]


async def test_a_timeout_of_the_broker_while_waiting_is_not_taken_for_that() -> None:
    async def commit() -> None:
        raise TimeoutError("the broker did not answer")

    with pytest.raises(TimeoutError, match="broker"):
        await within(60, commit(), lambda reason, _: pytest.fail(reason))


async def _never() -> None:
    await asyncio.Event().wait()
