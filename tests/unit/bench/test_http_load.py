"""The benchmark's clients: what they count, what they take for an error, and that they keep the pace."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from bench.http_load import close_connections, open_connections, pace, press, send_on_time
from devstack.errors import StackFailed

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers every line it reads; yields its port and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked.append(line.strip())
            # In two parts, as a network may bring it.
            writer.write(answer[:20])
            await asyncio.sleep(0)
            writer.write(answer[20:])
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], asked


async def test_every_request_is_sent_once_and_timed() -> None:
    requests = [b"%d\n" % number for number in range(20)]
    async with server(OK) as (port, asked):
        connections = await open_connections(port, 3)
        taken = await send_on_time(connections, requests, per_second=2_000)
        close_connections(connections)
        assert sorted(asked, key=int) == [b"%d" % number for number in range(20)]
        assert len(taken) == 20
        assert min(taken) > 0


async def test_a_pace_gives_figures_of_all_requests() -> None:
    async with server(OK) as (port, asked):
        load = await pace(port, psutil.Process(), [b"x\n"] * 10, connections=2, per_second=1_000)
        assert len(asked) == 10
        assert load.p99_milliseconds >= load.p50_milliseconds > 0
        assert load.per_second > 0


async def test_pressing_ends_when_the_time_is_over() -> None:
    async with server(OK) as (port, asked):
        requests = iter(lambda: b"x\n", b"")
        load = await press(port, psutil.Process(), requests, connections=2, seconds=0.05)
        assert len(asked) > 2
        assert load.per_second > 0


async def test_what_is_not_a_success_ends_the_measurement() -> None:
    async with server(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n") as (port, _):
        connections = await open_connections(port, 1)
        with pytest.raises(StackFailed, match="503"):
            await connections[0].ask(b"x\n")
        close_connections(connections)


async def test_a_server_that_hangs_up_ends_the_measurement() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    listening = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with listening:
        (connection,) = await open_connections(listening.sockets[0].getsockname()[1], 1)
        with pytest.raises(StackFailed, match="closed"):
            await connection.ask(b"x\n")
        connection.close()
