"""A callback that has arrived whole is taken without a task, and nobody could tell by its answer or its record."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from uvicorn.server import ServerState

from bootstrap.http_protocol import BoundedProtocol
from bootstrap.settings import IngressSettings
from tests.unit.webhook_ingress.stand_ins import URL, Door, StandInProducer, open_door, until
from webhook_ingress.server import server_config

SIGNATURE = "stripe-signature: t=1,v1=00"
BODY = b'{"id":"evt_1"}'
HEAD_END = b"\r\n\r\n"


class Client:
    """A connection to a running ingress, and what its server knows."""

    def __init__(
        self, door: Door, state: ServerState, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        self.door = door
        self.state = state
        self.reader, self.writer = streams

    async def send(self, *pieces: bytes) -> None:
        """Send pieces that arrive one by one."""
        for piece in pieces:
            self.writer.write(piece)
            await asyncio.sleep(0.01)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer: status, headers, body."""
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(HEAD_END)).decode()
            status, *lines = head.strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(status.split(" ")[1]), headers, body

    @property
    def connection(self) -> BoundedProtocol:
        """The server's side of the connection."""
        (connection,) = self.state.connections
        assert isinstance(connection, BoundedProtocol)
        return connection

    async def in_flight(self) -> float | None:
        return await self.door.metric("paystream_ingress_in_flight")

    async def outcome(self, name: str) -> float | None:
        return await self.door.metric(f'paystream_ingress_requests_total{{gateway="stripe",outcome="{name}"}}')


@asynccontextmanager
async def connected(
    producer: StandInProducer | None = None, ingress: IngressSettings | None = None
) -> AsyncIterator[Client]:
    async with open_door(ingress, producer=producer) as door:
        config = server_config(door.app, ingress or IngressSettings())
        config.load()
        state = ServerState()
        state.default_headers = [(b"date", b"today")]
        loop = asyncio.get_running_loop()
        protocol = config.http_protocol_class
        assert issubclass(protocol, BoundedProtocol)
        server = await loop.create_server(lambda: protocol(config, state, {}, loop), "127.0.0.1", 0)
        streams = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            yield Client(door, state, streams)
        finally:
            streams[1].close()
            server.close()
            for connection in list(state.connections):
                assert isinstance(connection, BoundedProtocol)
                connection.transport.abort()
            await until(lambda: not state.connections)
            await server.wait_closed()


def head(*lines: str, url: str = URL, method: str = "POST", version: str = "1.1") -> bytes:
    return "\r\n".join((f"{method} {url} HTTP/{version}", "host: ingress", *lines, "", "")).encode()


def post(*lines: str, url: str = URL, body: bytes = BODY) -> bytes:
    return head(SIGNATURE, f"content-length: {len(body)}", *lines, url=url) + body


async def test_a_whole_callback_needs_no_task_and_is_answered_when_it_is_stored() -> None:
    async with connected(StandInProducer(hangs=True)) as client:
        await client.send(post())
        await until(lambda: client.door.producer.waiting)
        assert not client.state.tasks
        assert await client.in_flight() == 1
        client.door.producer.acknowledge()
        status, headers, body = await client.answer()
        assert (status, body) == (200, b"")
        assert headers["date"] == "today"
        assert headers["x-content-type-options"] == "nosniff"
        assert await client.in_flight() == 0
        assert await client.outcome("accepted") == 1


@pytest.mark.parametrize("url", [URL, f"{URL}?a=b&c=%2F", f"{URL}?"])
async def test_whole_and_in_pieces_it_leaves_the_same_record(url: str) -> None:
    async with connected() as client:
        request = post("x-twice: 1", "X-Twice: 2", url=url)
        await client.send(request)
        whole = await client.answer()
        await client.send(request[:-5], request[-5:])
        assert await client.answer() == whole
        first, second = (record.webhook for record in client.door.producer.sent)
        assert first == replace(second, id=first.id)
        assert first.id != second.id
        assert first.path == (URL if url.endswith("?") else url)
        assert first.remote_address == "127.0.0.1"
        assert first.body == BODY
        assert [value for name, value in first.http_headers if name == "x-twice"] == ["1", "2"]


REFUSED = {
    "unsigned": head("content-length: 2") + b"{}",
    "unknown": post(url="/webhooks/stripe/nobody"),
    "too large": post(body=b"x" * 33),
    "too large without length": head(SIGNATURE, "transfer-encoding: chunked")
    + b"21\r\n"
    + b"x" * 33
    + b"\r\n0\r\n\r\n",
    "encoded": post("content-encoding: gzip"),
    "empty": post(body=b""),
}


@pytest.mark.parametrize("request_bytes", REFUSED.values(), ids=REFUSED)
async def test_whole_and_in_pieces_it_is_refused_alike(request_bytes: bytes) -> None:
    async with connected(ingress=IngressSettings(max_body_bytes=32)) as client:
        await client.send(request_bytes)
        whole = await client.answer()
        cut = request_bytes.index(b"\r\n\r\n") + 3
        await client.send(request_bytes[:cut], request_bytes[cut:])
        assert await client.answer() == whole
        assert 400 <= whole[0] < 500
        assert json.loads(whole[2])["error"]["code"]
        assert await client.in_flight() == 0
        assert client.door.producer.sent == []


async def test_a_whole_callback_in_chunks_holds_what_it_turned_out_to_have() -> None:
    async with connected() as client:
        await client.send(head(SIGNATURE, "transfer-encoding: chunked") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert (await client.answer())[0] == 200
        assert [record.value for record in client.door.producer.sent] == [b"abcde"]
        assert await client.in_flight() == 0


async def test_callbacks_in_one_piece_are_answered_in_their_order() -> None:
    async with connected(StandInProducer(hangs=True)) as client:
        await client.send(post() + post(url="/webhooks/stripe/nobody") + post(body=b"third"))
        await until(lambda: client.door.producer.waiting)
        client.door.producer.hangs = False
        client.door.producer.acknowledge()
        assert [(await client.answer())[0] for _ in range(3)] == [200, 404, 200]
        assert [record.value for record in client.door.producer.sent] == [BODY, b"third"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (head(SIGNATURE, "content-length: 2", version="1.0") + b"{}", 200),
        (post(url="/webhooks/str%69pe/shop"), 200),
        (post(url=f"{URL}#part"), 200),
        (head(SIGNATURE, method="GET"), 405),
    ],
    ids=["HTTP/1.0", "escaped path", "fragment", "GET"],
)
async def test_what_is_no_plain_callback_goes_the_usual_way(request_bytes: bytes, status: int) -> None:
    async with connected() as client:
        await client.send(request_bytes)
        assert (await client.answer())[0] == status


async def test_a_client_of_the_old_protocol_is_hung_up_on_also_when_it_would_stay() -> None:
    async with connected() as client:
        await client.send(head(SIGNATURE, "content-length: 2", "connection: keep-alive", version="1.0") + b"{}")
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.reader.read() == b""


async def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    async with connected() as client:
        await client.send(head(SIGNATURE, "content-length: 2", "expect: 100-continue"))
        assert (await client.answer())[0] == 100
        await client.send(b"{}")
        assert (await client.answer())[0] == 200


async def test_a_client_that_leaves_while_its_callback_is_stored_takes_nothing_with_it() -> None:
    async with connected(StandInProducer(hangs=True)) as client:
        await client.send(post())
        await until(lambda: client.door.producer.waiting)
        client.writer.transport.abort()
        await until(lambda: not client.state.connections)
        client.door.producer.acknowledge()
        await until(lambda: client.state.total_requests)
        assert await client.in_flight() == 0
        assert await client.outcome("accepted") == 1


async def test_a_server_that_stops_gives_the_answer_it_owes_and_hangs_up() -> None:
    async with connected(StandInProducer(hangs=True)) as client:
        await client.send(post())
        await until(lambda: client.door.producer.waiting)
        client.connection.shutdown()
        client.door.producer.acknowledge()
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.reader.read() == b""


async def test_a_client_that_wants_no_more_is_answered_and_hung_up_on() -> None:
    async with connected() as client:
        await client.send(post("connection: close"))
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.reader.read() == b""


async def test_nothing_is_taken_after_the_last_answer() -> None:
    async with connected() as client:
        await client.send(head("content-length: 2", "connection: close") + b"{}" + post())
        assert (await client.answer())[0] == 401
        assert await client.reader.read() == b""
        assert client.door.producer.sent == []


async def test_a_client_that_does_not_read_gets_no_further_answer_until_it_does() -> None:
    async with connected() as client:
        await client.send(post())
        await client.answer()
        client.connection.pause_writing()
        await client.send(post(body=b"second"))
        await until(lambda: len(client.door.producer.sent) == 2)
        assert client.state.total_requests == 1
        client.connection.resume_writing()
        assert (await client.answer())[0] == 200


async def test_a_request_that_turns_out_to_be_none_leaves_nothing() -> None:
    async with connected() as client:
        await client.send(head(SIGNATURE, "transfer-encoding: chunked") + b"zz\r\nabc")
        assert (await client.answer())[0] == 400
        await until(lambda: not client.state.connections)
        assert await client.outcome("client_gone") is None
        assert client.door.producer.sent == []
        assert await client.in_flight() == 0


async def test_our_own_mistakes_are_told_without_their_traces_and_only_to_who_met_them() -> None:
    async with connected(StandInProducer(error=ZeroDivisionError("secret"))) as client:
        await client.send(post())
        status, _, body = await client.answer()
        assert (status, json.loads(body)["error"]["code"]) == (500, "internal_error")
        assert b"secret" not in body
        assert await client.outcome("internal_error") == 1
        client.door.producer.error = None
        await client.send(post())
        assert (await client.answer())[0] == 200
        assert await client.in_flight() == 0
