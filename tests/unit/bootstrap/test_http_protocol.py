"""What the server refuses before the application sees a request."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from bootstrap.http_protocol import BoundedConfig, BoundedProtocol, ConnectionLimits
from bootstrap.settings import IngressSettings
from tests.unit.webhook_ingress.stand_ins import until
from webhook_ingress.server import server_config

LIMITS = ConnectionLimits(max_header_bytes=2_000, arrival_seconds=0.3, max_connections=3)


class Application:
    """Reads a body and tells its length, or answers what it is given; it can be `hasty` and not read, or wait."""

    def __init__(self, *, hasty: bool = False, waits: bool = False, answer: bytes | None = None) -> None:
        self.hasty = hasty
        self.answer = answer
        self.waiting = 0
        self.may_answer = asyncio.Event()
        if not waits:
            self.may_answer.set()
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", not self.hasty
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(body)
        self.waiting += 1
        await self.may_answer.wait()
        told = str(len(body)).encode() if self.answer is None else self.answer
        headers = [(b"content-length", str(len(told)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})


class Listener:
    """A server of one application on a port of its own."""

    def __init__(self, port: int, state: ServerState) -> None:
        self.port = port
        self.state = state

    async def ask(self, *parts: bytes, pause_seconds: float = 0.0) -> bytes:
        """Send the parts with pauses between them and read until the server closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_seconds)
            return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def listening(application: Application, limits: ConnectionLimits = LIMITS) -> AsyncIterator[Listener]:
    config = server_config(application, IngressSettings())
    assert isinstance(config, BoundedConfig)
    config.limits = limits
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedProtocol(config, state, {}, loop), "127.0.0.1", 0)
    try:
        yield Listener(server.sockets[0].getsockname()[1], state)
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.close()
        await until(lambda: not state.connections)
        await server.wait_closed()


def post(length: int, *headers: str) -> bytes:
    lines = ["POST /x HTTP/1.1", "host: h", f"content-length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def refusal(answer: bytes) -> tuple[bytes, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"content-type: application/json" in head
    return head.split(b" ", 2)[1], json.loads(body)["error"]["code"]


async def test_requests_follow_each_other_on_one_connection() -> None:
    application = Application()
    async with listening(application) as listener:
        last = post(3, "connection: close") + b"abc"
        answer = await listener.ask(post(2), b"ab", last, pause_seconds=0.05)
    assert application.bodies == [b"ab", b"abc"]
    assert answer.count(b"HTTP/1.1 200") == 2


async def test_a_head_in_one_piece_may_be_as_large_as_the_limit_and_no_larger() -> None:
    application = Application()
    async with listening(application) as listener:
        room = LIMITS.max_header_bytes - len("/xhosthcontent-length0connectionclosepadding")
        fits = post(0, "connection: close", f"padding: {'x' * room}")
        assert (await listener.ask(fits)).startswith(b"HTTP/1.1 200")
        too_large = post(0, "connection: close", f"padding: {'x' * (room + 1)}")
        assert refusal(await listener.ask(too_large)) == (b"431", "headers_too_large")
    assert len(application.bodies) == 1


async def test_a_header_that_never_ends_is_cut_off() -> None:
    application = Application()
    async with listening(application) as listener:
        pieces = [b"POST /x HTTP/1.1\r\nendless: ", *[b"x" * 500] * 6]
        assert refusal(await listener.ask(*pieces, pause_seconds=0.01)) == (b"431", "headers_too_large")
    assert application.bodies == []


async def test_a_large_body_is_no_large_head() -> None:
    application = Application()
    async with listening(application) as listener:
        answer = await listener.ask(post(100_000, "connection: close"), *[b"x" * 10_000] * 10)
    assert answer.startswith(b"HTTP/1.1 200")
    assert application.bodies == [b"x" * 100_000]


@pytest.mark.parametrize("parts", [(b"POST /x HTTP/1.1\r\nhost:",), (post(5), b"ab")])
async def test_a_request_that_does_not_arrive_in_time_is_refused(parts: tuple[bytes, ...]) -> None:
    application = Application()
    async with listening(application) as listener, asyncio.timeout(3):
        assert refusal(await listener.ask(*parts)) == (b"408", "too_slow")
    assert application.bodies == []


async def test_a_client_that_says_nothing_is_left_without_a_word() -> None:
    async with listening(Application()) as listener, asyncio.timeout(3):
        assert await listener.ask() == b""


async def test_dripping_does_not_stop_the_clock() -> None:
    application = Application()
    async with listening(application) as listener, asyncio.timeout(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(post(1_000_000))
        answer = asyncio.create_task(reader.readline())
        while not answer.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        assert (await answer).startswith(b"HTTP/1.1 408")
        writer.close()
    assert application.bodies == []


async def test_what_still_comes_after_an_early_answer_is_not_read_for_long() -> None:
    async with listening(Application(hasty=True)) as listener, asyncio.timeout(3):
        answer = await listener.ask(post(1_000_000), b"x")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"408" not in answer


async def test_an_answer_may_take_longer_than_a_request() -> None:
    class Thoughtful(Application):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.sleep(LIMITS.arrival_seconds * 2)
            await super().__call__(scope, receive, send)

    async with listening(Thoughtful()) as listener:
        answer = await listener.ask(post(2, "connection: close") + b"ab")
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"NONSENSE\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ],
)
async def test_what_is_no_request_is_refused_in_the_usual_shape(request_bytes: bytes) -> None:
    application = Application()
    async with listening(application) as listener:
        assert refusal(await listener.ask(request_bytes)) == (b"400", "malformed")
    assert application.bodies == []


@pytest.mark.parametrize("length", ["content-length: 2", "transfer-encoding: chunked"])
async def test_a_request_that_offers_another_protocol_is_refused_rather_than_read_without_its_body(length: str) -> None:
    application = Application()
    offer = ["POST /x HTTP/1.1", "host: h", length, "connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "", "ab"]
    async with listening(application) as listener:
        answer = await listener.ask("\r\n".join(offer).encode())
    assert refusal(answer) == (b"400", "upgrade_unsupported")
    assert application.bodies == []


async def test_for_one_connection_too_many_another_is_closed_that_nobody_uses() -> None:
    async with listening(Application(), replace(LIMITS, arrival_seconds=60)) as listener:
        unused = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(LIMITS.max_connections)]
        await until(lambda: len(listener.state.connections) == LIMITS.max_connections)
        assert (await listener.ask(post(2, "connection: close") + b"ab")).startswith(b"HTTP/1.1 200")
        await until(lambda: len(listener.state.connections) == LIMITS.max_connections - 1)
        for _, writer in unused:
            writer.close()


async def test_a_connection_that_is_being_answered_is_not_closed_for_another() -> None:
    application = Application(waits=True)
    async with listening(application) as listener:
        busy = [asyncio.create_task(listener.ask(post(0, "connection: close"))) for _ in range(LIMITS.max_connections)]
        await until(lambda: application.waiting == LIMITS.max_connections)
        async with asyncio.timeout(LIMITS.arrival_seconds / 2):
            assert await listener.ask() == b""
        application.may_answer.set()
        assert all([(await answer).startswith(b"HTTP/1.1 200") for answer in busy])


async def test_a_client_that_does_not_read_its_answers_is_cut_off() -> None:
    async with listening(Application(answer=b"x" * 1_000_000)) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=1_000)
        writer.write(post(0) * 20)
        await until(lambda: len(listener.state.connections) == 1)
        await until(lambda: not listener.state.connections)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    "behind",
    [b"no request at all\r\n\r\n", post(0) + b"\x00\x00\r\n\r\n", post(0, "padding: " + "x" * 3_000), post(0)[:-9]],
)
async def test_a_refusal_is_never_taken_for_the_answer_to_an_earlier_request(behind: bytes) -> None:
    application = Application(waits=True)
    async with listening(application) as listener:
        asking = asyncio.create_task(listener.ask(post(2) + b"ab" + behind))
        await until(lambda: application.waiting == 1)
        await asyncio.sleep(2 * LIMITS.arrival_seconds)
        application.may_answer.set()
        assert (await asking).startswith(b"HTTP/1.1 200")
        assert application.bodies[0] == b"ab"
