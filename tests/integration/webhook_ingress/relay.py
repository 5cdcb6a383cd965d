"""A relay in front of the broker that can fall silent, as a stopped broker or a broken network does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Relay:
    """Forwards bytes both ways; silent, it takes connections and bytes and passes nothing on."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._talking = asyncio.Event()
        self._talking.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def fall_silent(self) -> None:
        self._talking.clear()

    def talk(self) -> None:
        self._talking.set()

    def cut(self) -> None:
        """Break every connection there is; new ones are taken."""
        for task in self._tasks:
            task.cancel()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_writer: asyncio.StreamWriter | None = None
        try:
            broker_reader, broker_writer = await asyncio.open_connection(*self._address)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, broker_writer))
                pumps.create_task(self._pump(broker_reader, writer))
        except* OSError:
            pass
        finally:
            for open_writer in (writer, broker_writer):
                if open_writer is not None:
                    open_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._talking.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("one side has closed, so the other is closed too")


@asynccontextmanager
async def relay_to(bootstrap_servers: str) -> AsyncIterator[Relay]:
    """Run a relay to the first of the brokers."""
    host, _, port = bootstrap_servers.split(",", maxsplit=1)[0].rpartition(":")
    relay = Relay(host, int(port))
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        await relay.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await server.wait_closed()
