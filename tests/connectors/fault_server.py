"""A server that fails in a chosen way, to prove what the connectors make of it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]


class FaultServer:
    """Answers every request with the fault of its method; `requests` counts them by method."""

    def __init__(self, faults: Mapping[str, Fault]) -> None:
        self.faults = faults
        self.url = ""
        self.requests: dict[str, int] = {}
        self._connections: set[asyncio.Task[object]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request as a whole and let it fail."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            lengths = [line.partition(":")[2] for line in head.splitlines() if line.startswith("content-length:")]
            await reader.readexactly(int(lengths[0]) if lengths else 0)
            method = head.partition(" ")[0].upper()
            self.requests[method] = self.requests.get(method, 0) + 1
            await self.faults[method](writer)
        writer.close()

    async def drop_connections(self) -> None:
        """End what still waits."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


@asynccontextmanager
async def fault_server(fault: Fault, *, on_get: Fault | None = None) -> AsyncIterator[FaultServer]:
    """Serve the fault until the test is over; `on_get` answers look-ups."""
    server = FaultServer({"GET": on_get or fault, "POST": fault})
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        await server.drop_connections()
        await listener.wait_closed()


def answers(status_code: int, body: object) -> Fault:
    """Answer with a status and a body: JSON, unless it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def fault(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status_code} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + content)
        await writer.drain()

    return fault


def answers_in_turn(*bodies: object) -> Fault:
    """Answer one request after the other with a success."""
    faults = [answers(200, body) for body in bodies]

    async def fault(writer: asyncio.StreamWriter) -> None:
        await faults.pop(0)(writer)

    return fault


async def is_silent(_: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def hangs_up(_: asyncio.StreamWriter) -> None:
    """Close the connection instead of answering."""


async def breaks_off(writer: asyncio.StreamWriter) -> None:
    """Close the connection in the middle of an answer."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()


async def drips(writer: asyncio.StreamWriter) -> None:
    """Answer so slowly that no single read takes long, and never come to an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)
