import asyncio
import threading
from collections.abc import Iterator

import pytest

from connectors.sdk_threads import SdkThreads
from domain.errors import GatewayUnavailable, OutcomeUnknown


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What blocked calls wait for; opened at the end, so that no thread outlives its test."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def threads(gate: threading.Event) -> Iterator[SdkThreads]:
    threads = SdkThreads("Razorpay", max_threads=2)
    yield threads
    threads.shutdown()


async def test_a_call_runs_in_a_thread_of_the_gateway(threads: SdkThreads) -> None:
    name = await threads.run(lambda: threading.current_thread().name, timeout_seconds=5)

    assert name.startswith("razorpay-sdk")


async def test_the_calls_own_error_is_raised(threads: SdkThreads) -> None:
    def call() -> None:
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        await threads.run(call, timeout_seconds=5)


async def test_no_more_calls_run_at_once_than_there_are_threads(threads: SdkThreads) -> None:
    together = threading.Barrier(2)
    running = []

    def call() -> None:
        running.append(1)
        together.wait(timeout=5)
        assert len(running) - len(finished) <= 2
        finished.append(1)

    finished: list[int] = []
    await asyncio.gather(*(threads.run(call, timeout_seconds=5) for _ in range(6)))

    assert len(finished) == 6


async def test_a_call_that_runs_out_of_time_is_unknown(threads: SdkThreads, gate: threading.Event) -> None:
    with pytest.raises(OutcomeUnknown):
        await threads.run(gate.wait, timeout_seconds=0.05)


async def test_a_call_that_never_got_a_thread_had_no_effect(threads: SdkThreads, gate: threading.Event) -> None:
    began = threading.Event()
    busy = [asyncio.create_task(threads.run(gate.wait, timeout_seconds=5)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(GatewayUnavailable):
        await threads.run(began.set, timeout_seconds=0.05)
    gate.set()
    await asyncio.gather(*busy)

    assert not began.is_set()


async def test_a_late_error_of_an_abandoned_call_disturbs_nobody(threads: SdkThreads, gate: threading.Event) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def call() -> None:
        gate.wait()
        raise LookupError("too late")

    try:
        with pytest.raises(OutcomeUnknown):
            await threads.run(call, timeout_seconds=0.05)
        gate.set()
        await threads.run(lambda: None, timeout_seconds=5)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)

    assert complaints == []


async def test_a_cancelled_wait_takes_a_waiting_call_back(threads: SdkThreads, gate: threading.Event) -> None:
    began = threading.Event()
    busy = [asyncio.create_task(threads.run(gate.wait, timeout_seconds=5)) for _ in range(2)]
    waiting = asyncio.create_task(threads.run(began.set, timeout_seconds=5))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.set()
    await asyncio.gather(*busy)
    await threads.run(lambda: None, timeout_seconds=5)

    assert not began.is_set()
