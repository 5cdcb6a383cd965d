"""The proxy misbehaves as told, and behaves again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chaos.proxy import Proxy
from devstack.ports import LOOPBACK, free_port

PATIENCE_SECONDS = 10.0
MOMENT_SECONDS = 0.2


class Talk:
    """A connection through the proxy to a server that sends back what it hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, text: bytes) -> bytes:
        self.writer.write(text)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.read(100)


@pytest.fixture
async def heard() -> asyncio.Queue[bytes]:
    return asyncio.Queue()


@pytest.fixture
async def proxy(heard: asyncio.Queue[bytes]) -> AsyncIterator[Proxy]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            heard.put_nowait(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, LOOPBACK, 0)
    proxy = Proxy("link", server.sockets[0].getsockname()[1], free_port())
    await proxy.start()
    yield proxy
    await proxy.close()
    server.close()


async def talk(proxy: Proxy) -> Talk:
    return Talk(*await asyncio.open_connection(LOOPBACK, proxy.port))


async def test_it_passes_both_directions_on(proxy: Proxy) -> None:
    talking = await talk(proxy)
    assert await talking.say(b"hello") == b"hello"
    talking.writer.close()


async def test_a_cut_drops_what_is_open_and_what_comes_until_it_is_healed(proxy: Proxy) -> None:
    before = await talk(proxy)
    assert await before.say(b"hello") == b"hello"
    proxy.cut()
    assert await _end(before) == b""
    during = await talk(proxy)
    assert await _end(during) == b""
    proxy.heal()
    after = await talk(proxy)
    assert await after.say(b"again") == b"again"
    after.writer.close()


async def test_silence_holds_back_and_loses_nothing(proxy: Proxy, heard: asyncio.Queue[bytes]) -> None:
    talking = await talk(proxy)
    assert await talking.say(b"one") == b"one"
    proxy.silence()
    talking.writer.write(b"two")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(MOMENT_SECONDS):
            await talking.reader.read(100)
    assert (heard.get_nowait(), heard.empty()) == (b"one", True)
    proxy.heal()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await talking.reader.read(100) == b"two"
    talking.writer.close()


async def test_swallowed_answers_were_heard_and_their_connection_is_dropped(
    proxy: Proxy, heard: asyncio.Queue[bytes]
) -> None:
    talking = await talk(proxy)
    assert await talking.say(b"one") == b"one"
    proxy.swallow_answers()
    talking.writer.write(b"charge")
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await heard.get() == b"one"
        assert await heard.get() == b"charge"
    proxy.heal()
    assert await _end(talking) == b""


async def _end(talking: Talk) -> bytes:
    """What comes before the connection ends, which a reset may tell as an error."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await talking.reader.read()
    except ConnectionResetError:
        return b""
    finally:
        talking.writer.close()
