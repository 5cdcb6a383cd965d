"""Processor time of the processes that take part in a side: what a callback costs, whatever else the machine does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping

import psutil

from devstack.stack import Stack

INTERVAL_SECONDS = 0.1


class ProcessorTime:
    """Samples of what named processes, with all their children, have used so far."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = processes
        self._samples: list[tuple[float, dict[str, float]]] = []

    @contextlib.asynccontextmanager
    async def sampled(self) -> AsyncIterator[None]:
        """Take samples while the block runs."""
        sampling = asyncio.create_task(self._sample())
        try:
            yield
        finally:
            sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sampling
            self._samples.append((time.time(), self._read()))

    def between(self, started_at: float, ended_at: float) -> dict[str, float]:
        """Seconds used by each between two moments, given as time since the epoch."""
        first, last = self._nearest(started_at), self._nearest(ended_at)
        return {name: last[name] - first[name] for name in self._processes}

    def _nearest(self, moment: float) -> dict[str, float]:
        return min(self._samples, key=lambda sample: abs(sample[0] - moment))[1]

    async def _sample(self) -> None:
        while True:
            self._samples.append((time.time(), self._read()))
            await asyncio.sleep(INTERVAL_SECONDS)

    def _read(self) -> dict[str, float]:
        return {name: _used_seconds(process_id) for name, process_id in self._processes.items()}


def servers_of(stack: Stack) -> dict[str, int]:
    """The process ids of the broker and the database that run on this machine."""
    servers = {"kafka": stack.broker_server, "postgres": stack.postgres_server}
    return {name: server.process.pid for name, server in servers.items() if server is not None}


def _used_seconds(process_id: int) -> float:
    """Of the process, its children that are there, and those that ended and were waited for; 0 when it is gone."""
    used = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(process_id)
        times = process.cpu_times()
        used = times.user + times.system + times.children_user + times.children_system
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                own = child.cpu_times()
                used += own.user + own.system
    return float(used)
