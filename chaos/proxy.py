"""A TCP proxy of ours, between the application and what it depends on, that can misbehave on request."""

import asyncio
from contextlib import suppress

from devstack.ports import LOOPBACK

CHUNK_BYTES = 65_536


class Proxy:
    """Forwards bytes between clients and one server on this machine."""

    def __init__(self, name: str, server_port: int, port: int) -> None:
        self.name = name
        self.port = port
        self._server_port = server_port
        self._server: asyncio.Server | None = None
        self._talking = asyncio.Event()
        self._talking.set()
        self._refuses = False
        self._swallows = False
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def close(self) -> None:
        """Stop listening and drop everything."""
        if self._server is not None:
            self._server.close()
        self.drop_connections()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Drop every connection, and every new one until `heal`."""
        self._refuses = True
        self.drop_connections()

    def silence(self) -> None:
        """Let nothing pass in either direction until `heal`; connections stay open and what comes waits."""
        self._talking.clear()

    def swallow_answers(self) -> None:
        """Pass on what clients say, and lose what the server answers, until `heal`."""
        self._swallows = True

    def heal(self) -> None:
        """Behave again. Where answers were lost, connections are dropped: half an answer is none."""
        if self._swallows:
            self.drop_connections()
        self._refuses = self._swallows = False
        self._talking.set()

    def drop_connections(self) -> None:
        """Break off every connection there is, without a goodbye."""
        for writer in self._open:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        server_writer: asyncio.StreamWriter | None = None
        try:
            server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self._server_port)
            self._open.add(server_writer)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, server_writer, is_answer=False))
                pumps.create_task(self._pump(server_reader, writer, is_answer=True))
        except* OSError:
            pass
        finally:
            for each in (writer, server_writer):
                if each is not None:
                    self._open.discard(each)
                    with suppress(OSError, RuntimeError):
                        each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._talking.wait()
            if is_answer and self._swallows:
                continue
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("one side has closed, so the other is closed too")
