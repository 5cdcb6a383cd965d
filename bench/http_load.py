"""Clients that press an HTTP server: as fast as it answers, or at a given rate whether it answers or not."""

import asyncio
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import psutil

from devstack.errors import StackFailed

HEAD_END = b"\r\n\r\n"
CONTENT_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Load:
    """One round: answers per second, milliseconds to an answer, and the server's processor time for each."""

    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    processor_microseconds: float


class Connection(asyncio.Protocol):
    """One keep-alive connection that has one request under way at a time. What is not a 2xx is an error."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._received += data
        if self._answer is None or not _is_complete(self._received):
            return
        answer, self._answer = self._answer, None
        if self._received.startswith(b"HTTP/1.1 2"):
            answer.set_result(None)
        else:
            answer.set_exception(StackFailed(f"the server answered {self._received[:200]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits, when the server hung up first."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(StackFailed(f"the server closed the connection: {exc!r}"))

    async def ask(self, request: bytes) -> None:
        """Send a request and return when its answer is complete."""
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        cast("asyncio.Transport", self._transport).write(request)
        await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def press(
    port: int, process: psutil.Process, requests: Iterator[bytes], *, connections: int, seconds: float
) -> Load:
    """Let each connection ask again as soon as it has an answer, and measure the server's process meanwhile."""
    opened = await open_connections(port, connections)
    taken: list[float] = []
    before, started = processor_seconds(process), time.perf_counter()

    async def keep_asking(connection: Connection) -> None:
        while (asked := time.perf_counter()) < started + seconds:
            await connection.ask(next(requests))
            taken.append(time.perf_counter() - asked)

    try:
        await asyncio.gather(*map(keep_asking, opened))
    finally:
        close_connections(opened)
    return _summary(taken, time.perf_counter() - started, processor_seconds(process) - before)


async def pace(
    port: int, process: psutil.Process, requests: Iterable[bytes], *, connections: int, per_second: float
) -> Load:
    """Ask at a steady rate. A request waits for a free connection where there is none, and that counts as its time."""
    opened = await open_connections(port, connections)
    waiting = list(requests)
    before, started = processor_seconds(process), time.perf_counter()
    try:
        taken = await send_on_time(opened, waiting, per_second)
    finally:
        close_connections(opened)
    return _summary(taken, time.perf_counter() - started, processor_seconds(process) - before)


async def send_on_time(connections: Sequence[Connection], requests: Sequence[bytes], per_second: float) -> list[float]:
    """Send each request when it is due; return the seconds from then to its answer, in the order of the requests."""
    started = time.perf_counter()
    due = [started + number / per_second for number in range(len(requests))]
    taken = [0.0] * len(requests)
    numbers = iter(range(len(requests)))

    async def serve(connection: Connection) -> None:
        for number in numbers:
            ahead = due[number] - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
            # The loop may wake up a little early; what is sent late counts from when it was due.
            begun = min(due[number], time.perf_counter())
            await connection.ask(requests[number])
            taken[number] = time.perf_counter() - begun

    await asyncio.gather(*map(serve, connections))
    return taken


async def open_connections(port: int, count: int) -> list[Connection]:
    """Connect so many times to a port of this machine."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(count)]


def close_connections(connections: Iterable[Connection]) -> None:
    """Hang up on all of them."""
    for connection in connections:
        connection.close()


def processor_seconds(process: psutil.Process) -> float:
    """What a process has used of processors so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _summary(taken: Sequence[float], seconds: float, used_seconds: float) -> Load:
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return Load(len(taken) / seconds, cuts[49] * 1e3, cuts[98] * 1e3, used_seconds / len(taken) * 1e6)


def _is_complete(received: bytes) -> bool:
    head, end, body = received.partition(HEAD_END)
    if not end:
        return False
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(CONTENT_LENGTH):
            return len(body) >= int(line[len(CONTENT_LENGTH) :])
    return True
