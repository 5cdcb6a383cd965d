"""A server that fails in a chosen way, to prove what the connectors make of it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class FaultServer:
    """Answers every request with the fault of its method; `requests` counts them by method."""

    faults: Mapping[str, Fault]
    url: str = ""
    requests: dict[str, int] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request as a whole and let it fail."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            lengths = [line.partition(":")[2] for line in head.splitlines() if line.startswith("content-length:")]
            await reader.readexactly(int(lengths[0]) if lengths else 0)
            method = head.partition(" ")[0].upper()
            self.requests[method] = self.requests.get(method, 0) + 1
            await self.faults[method](writer)
        writer.close()


@asynccontextmanager
async def fault_server(fault: Fault, **by_method: Fault) -> AsyncIterator[FaultServer]:
    """Serve the fault, or that of a request's method, until the test is over."""
    server = FaultServer({"GET": fault, "POST": fault} | by_method)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = "http://127.0.0.1:{}".format(listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        for client in asyncio.all_tasks():
            if client.get_coro().__qualname__ == FaultServer.serve.__qualname__:
                client.cancel()
        await listener.wait_closed()
