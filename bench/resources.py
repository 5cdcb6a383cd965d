"""What this process and the database's processes take: the most memory at a time, and processor time.

On a machine that others use too, processor time says more than the clock.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

INTERVAL_SECONDS = 1.0
MEBIBYTE = 2**20


@dataclass(slots=True)
class Resources:
    """Memory in MiB, processor time in seconds; the database's are 0 where it cannot be seen.

    - `process_before`: what this process had at first; `process` and `database` are the most there was.
    - `database`: the sum over its processes of what each has for itself and of its part of what they share.
    """

    process_before: float = 0.0
    process: float = 0.0
    database: float = 0.0
    process_seconds: float = 0.0
    database_seconds: float = 0.0


@asynccontextmanager
async def resources_watched(database_process: int | None) -> AsyncIterator[Resources]:
    """Watch until the block ends; `database_process` is the id of the database's first process, if it is ours."""
    own = psutil.Process()
    peak = Resources(process_before=own.memory_info().rss / MEBIBYTE)
    busy, database_busy = time.process_time(), _database_seconds(database_process)

    async def watch() -> None:
        while True:
            peak.process = max(peak.process, own.memory_info().rss / MEBIBYTE)
            peak.database = max(peak.database, await asyncio.to_thread(_database_mebibytes, database_process))
            await asyncio.sleep(INTERVAL_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        yield peak
    finally:
        peak.process = max(peak.process, own.memory_info().rss / MEBIBYTE)
        peak.process_seconds = time.process_time() - busy
        peak.database_seconds = _database_seconds(database_process) - database_busy
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


def _database_mebibytes(process_id: int | None) -> float:
    if process_id is None:
        return 0.0
    total = 0
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(process_id)
        for process in [first, *first.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total / MEBIBYTE


def _database_seconds(process_id: int | None) -> float:
    """What the processes that run have taken, and those that have ended under the first one."""
    if process_id is None:
        return 0.0
    total = 0.0
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(process_id)
        times = first.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for process in first.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
    return total
