"""A server that fails in a chosen way, to prove what the connectors make of it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]

READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Received:
    """A request that reached the server."""

    method: str
    path: str
    body: bytes = b""


class FaultServer:
    """Answers every request with a fault; `reads` and `writes` are the requests that came, in order.

    Calls that come before the one that matters (`preliminary`, by path prefix) succeed and are not counted.
    """

    def __init__(
        self,
        fault: Fault,
        on_read: Fault,
        preliminary: Mapping[str, object],
        read_paths: tuple[str, ...],
        read_forms: tuple[str, ...],
    ) -> None:
        self.url = ""
        self.reads: list[Received] = []
        self.writes: list[Received] = []
        self._fault = fault
        self._on_read = on_read
        self._preliminary = {prefix: answers(200, body) for prefix, body in preliminary.items()}
        self._read_paths = read_paths
        self._read_forms = [form.encode() for form in read_forms]
        self._connections: set[asyncio.Task[object]] = set()

    @property
    def requests(self) -> list[Received]:
        """Everything that counts."""
        return [*self.reads, *self.writes]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request as a whole and let it fail."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._take(await _read_request(reader), writer)
        writer.close()

    async def drop_connections(self) -> None:
        """End what still waits."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _take(self, request: Received, writer: asyncio.StreamWriter) -> None:
        for prefix, answer in self._preliminary.items():
            if request.path.startswith(prefix):
                await answer(writer)
                return
        by_form = any(form in request.body for form in self._read_forms)
        if request.method in READS or request.path.startswith(self._read_paths) or by_form:
            self.reads.append(request)
            await self._on_read(writer)
        else:
            self.writes.append(request)
            await self._fault(writer)


@asynccontextmanager
async def fault_server(
    fault: Fault,
    *,
    on_get: Fault | None = None,
    preliminary: Mapping[str, object] | None = None,
    read_paths: tuple[str, ...] = (),
    read_forms: tuple[str, ...] = (),
) -> AsyncIterator[FaultServer]:
    """Serve the fault until the test is over.

    `on_get` answers look-ups: GET, and requests to `read_paths` or with one of `read_forms` in their body. Prefixes of
    paths begin with a slash.
    """
    server = FaultServer(fault, on_get or fault, preliminary or {}, read_paths, read_forms)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        await server.drop_connections()
        await listener.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lengths = [line.partition(":")[2] for line in head.lower().splitlines() if line.startswith("content-length:")]
    body = await reader.readexactly(int(lengths[0]) if lengths else 0)
    method, path, _ = head.split(" ", 2)
    return Received(method, path, body)


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
