"""Threads for the SDKs that block, a bounded number per gateway, behind an asyncio timeout.

A thread cannot be stopped. A call that ran out of time goes on in its thread, and its outcome is unknown; a call that
never got a thread certainly had no effect. The SDK's own socket timeouts end the thread itself.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from domain.errors import GatewayUnavailable, OutcomeUnknown

Answer = TypeVar("Answer")


class SdkThreads:
    """A gateway's threads. They are started when the first call needs them."""

    def __init__(self, gateway: str, *, max_threads: int) -> None:
        self._gateway = gateway
        self._pool = ThreadPoolExecutor(max_threads, thread_name_prefix=f"{gateway.lower()}-sdk")

    async def run(self, call: Callable[[], Answer], *, timeout_seconds: float) -> Answer:
        """Run a blocking call in a thread and return its answer or raise its error.

        Raises OutcomeUnknown when the call ran out of time, GatewayUnavailable when it never began.
        """
        running = self._pool.submit(call)
        waiting = asyncio.wrap_future(running)
        waiting.add_done_callback(_take_error)
        try:
            done, _ = await asyncio.wait({waiting}, timeout=timeout_seconds)
        except asyncio.CancelledError:
            running.cancel()
            raise
        if done:
            return waiting.result()
        raise self._out_of_time(running, timeout_seconds)

    def shutdown(self) -> None:
        """Take no more calls; the ones under way end by their own timeouts."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _out_of_time(self, running: "Future[Answer]", timeout_seconds: float) -> GatewayUnavailable | OutcomeUnknown:
        if running.cancel():
            return GatewayUnavailable(f"no thread for {self._gateway} was free within {timeout_seconds:g} s")
        return OutcomeUnknown(f"{self._gateway} gave no answer within {timeout_seconds:g} s")


def _take_error(waiting: "asyncio.Future[Answer]") -> None:
    # asyncio complains about errors nobody looks at; after a timeout nobody will.
    if not waiting.cancelled():
        waiting.exception()
