"""A running ingress and clients that mean it ill: it answers or hangs up, stays small, and goes on serving others."""

import asyncio
import random
import resource
import secrets
from collections.abc import AsyncIterator

import pytest

from devstack.stack import Stack
from tests.integration.webhook_ingress.served import URL, Served, served

pytestmark = pytest.mark.integration

MEBIBYTE = 1_048_576
GROWTH_BYTES = 80 * MEBIBYTE
SLOW_CONNECTIONS = 10_000
OWN_FILES = 500
"""Files that this process needs besides its connections."""
ANSWER_SECONDS = 20.0

HEAD = f"POST {URL} HTTP/1.1\r\nhost: h\r\nstripe-signature: t=1\r\n".encode()
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
LIVE = b"GET /livez HTTP/1.1\r\nhost: h\r\n\r\n"


@pytest.fixture(scope="module")
async def ingress(stack: Stack) -> AsyncIterator[Served]:
    """One process for every attack: what one leaves behind would show in the next."""
    prefix = f"t{secrets.token_hex(4)}."
    async with served(stack, prefix, rate_limit_per_second=100_000, rate_limit_burst=1_000_000) as running:
        yield running


async def send(ingress: Served, *parts: bytes, ends: bool = True, patience_seconds: float = ANSWER_SECONDS) -> bytes:
    """Send bytes on a connection of their own; return what came until the server hung up, or we did."""
    url = ingress.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    answer = bytearray()
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if ends:
            writer.write_eof()
        async with asyncio.timeout(patience_seconds):
            while piece := await reader.read(65_536):
                answer += piece
    except OSError:  # the connection is broken, or patience is at its end
        pass
    finally:
        writer.close()
    return bytes(answer)


def statuses(answer: bytes) -> list[int]:
    """The statuses of all answers on a connection."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def posted(body: bytes, *headers: bytes) -> bytes:
    """A callback that is in order."""
    return HEAD + b"".join(header + b"\r\n" for header in headers) + b"content-length: %d\r\n\r\n" % len(body) + body


async def bodies_on_the_topic(ingress: Served) -> set[bytes]:
    return {record.value for record in await ingress.records()}


async def assert_serves(ingress: Served) -> None:
    """Whatever happened: the process is there, well, and takes a callback."""
    assert ingress.process.returncode is None
    assert (await ingress.client.get("/livez")).status_code == 200
    assert await ingress.post(secrets.token_bytes(8)) == 200


AMBIGUOUS = {
    "length and chunked": b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"content-length: 4\r\ncontent-length: 40\r\n\r\nabcd",
    "the same length twice": b"content-length: 4\r\ncontent-length: 4\r\n\r\nabcd",
    "a list of lengths": b"content-length: 4, 40\r\n\r\nabcd",
    "a signed length": b"content-length: +4\r\n\r\nabcd",
    "a length below zero": b"content-length: -4\r\n\r\nabcd",
    "a length in hexadecimal": b"content-length: 0x4\r\n\r\nabcd",
    "a length beyond 64 bits": b"content-length: 18446744073709551620\r\n\r\nabcd",
    "a length of other digits": b"content-length: \xd9\xa4\r\n\r\nabcd",
    "a length in two words": b"content-length: 4 0\r\n\r\nabcd",
    "an empty length": b"content-length: \r\n\r\nabcd",
    "nearly chunked": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked, then not": b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"transfer-encoding : chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "a folded header": b"transfer-encoding:\r\n chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "a bare line feed": b"x: y\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "a bare carriage return": b"x: y\rtransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "NUL in a header": b"x: y\x00z\r\ncontent-length: 4\r\n\r\nabcd",
    "a chunk's size below zero": b"transfer-encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "a chunk's size beyond 64 bits": b"transfer-encoding: chunked\r\n\r\n1000000000000000f\r\nx\r\n0\r\n\r\n",
    "a chunk longer than its size": b"transfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
}
"""Requests that two servers may end in different places. Behind each goes another, which may be taken for its body."""

OTHER_FORMS = {
    "nothing": b"",
    "line ends": b"\r\n" * 1_000,
    "no version": b"POST " + URL.encode() + b"\r\n\r\n",
    "version 0.9": b"GET /\r\n",
    "version 3": HEAD.replace(b"HTTP/1.1", b"HTTP/3.0") + b"\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "a method that is none": b"POST\x00 / HTTP/1.1\r\nhost: h\r\n\r\n",
    "a proxy's method": b"CONNECT evil:443 HTTP/1.1\r\nhost: evil\r\n\r\n",
    "a long method": b"A" * 100_000,
    "a long target": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: h\r\n\r\n",
    "a whole URL": b"POST http://evil" + URL.encode() + b" HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab",
    "dots": b"POST /webhooks/../metrics HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab",
    "escapes": b"POST /webhooks/stripe%2fshop HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab",
    "half an escape": b"POST /webhooks/stripe/shop%e2%82 HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab",
    "a target beyond ASCII": b"POST /webhooks/stripe/\xff\xfe HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab",
    "a header without an end": HEAD + b"x: " + b"a" * (2 * MEBIBYTE),
    "headers without an end": HEAD + b"x: y\r\n" * 50_000,
    "headers in hundreds": posted(b"headers in hundreds", *(b"x%d: y" % number for number in range(3_000))),
    "a name without an end": HEAD + b"a" * (2 * MEBIBYTE),
    "less than declared": HEAD + b"content-length: 100\r\n\r\nless than declared",
    "far more declared than allowed": HEAD + b"content-length: 99999999999\r\n\r\nfar more",
    "chunks beyond the limit": HEAD
    + b"transfer-encoding: chunked\r\n\r\n"
    + (b"8000\r\n" + b"x" * 32_768 + b"\r\n") * 40,
    "chunks without an end": HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000,
    "a long extension of a chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n1;" + b"a" * (2 * MEBIBYTE),
    "trailers without an end": HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 50_000,
    "a wait for a go": HEAD + b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    "another protocol": HEAD + b"connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nab",
}


@pytest.mark.parametrize("shape", AMBIGUOUS)
async def test_a_request_whose_end_is_ambiguous_hides_no_other(ingress: Served, shape: str) -> None:
    hidden = b"hidden behind: " + shape.encode()
    answer = await send(ingress, HEAD + AMBIGUOUS[shape] + posted(hidden), ends=False)
    assert len(statuses(answer)) == 1
    assert statuses(answer)[0] in {400, 413}
    assert b"connection: close" in answer.lower() or statuses(answer) == [413]
    assert hidden not in await bodies_on_the_topic(ingress)
    await assert_serves(ingress)


@pytest.mark.parametrize("form", OTHER_FORMS)
async def test_a_request_of_any_form_is_answered_or_hung_up_on(ingress: Served, form: str) -> None:
    answer = await send(ingress, OTHER_FORMS[form])
    assert all(status in {200, 400, 401, 404, 405, 408, 413, 431} or status == 100 for status in statuses(answer))
    await assert_serves(ingress)


async def test_pipelined_callbacks_are_answered_in_order_and_each_is_stored(ingress: Served) -> None:
    bodies = [b"pipelined %d" % number for number in range(200)]
    requests = [posted(body) if number % 2 else LIVE for number, body in enumerate(bodies)]
    answer = await send(ingress, *requests, posted(b"pipelined last", b"connection: close"), ends=False)
    assert statuses(answer) == [200] * 201
    assert {body for number, body in enumerate(bodies) if number % 2} <= await bodies_on_the_topic(ingress)


async def test_what_was_answered_with_200_is_stored_whatever_else_comes_on_the_connection(ingress: Served) -> None:
    """A seeded storm: requests in order, cut, joined and damaged, on many connections."""
    dice = random.Random(20_260_102)  # noqa: S311 - the same storm every time
    sources = [posted(b"storm"), LIVE, *(HEAD + shape for shape in AMBIGUOUS.values()), *OTHER_FORMS.values()]
    sources = [source[:4_000] for source in sources]
    await ingress.post(b"before the storm")
    before_bytes = ingress.resident_bytes()
    stored_before = len(await ingress.records())
    accepted = 0
    for _ in range(20):
        attacks = [storm(dice, sources) for _ in range(25)]
        answers = await asyncio.gather(*(send(ingress, attack, ends=False, patience_seconds=0.2) for attack in attacks))
        told = [status for answer in answers for status in statuses(answer)]
        assert 500 not in told
        # An answer to a probe says so; every other 200 is a callback's.
        accepted += told.count(200) - sum(answer.count(b'"status"') for answer in answers)
    assert accepted > 0
    # A callback may be stored although the client was gone before it could be told.
    assert len(await ingress.records()) - stored_before >= accepted
    assert ingress.resident_bytes() - before_bytes < GROWTH_BYTES
    await assert_serves(ingress)


def storm(dice: random.Random, sources: list[bytes]) -> bytes:
    """One connection's worth of damage."""
    parts = []
    for _ in range(dice.randint(1, 4)):
        part = bytearray(dice.choice(sources))
        for _ in range(dice.choice([0, 0, 1, 3])):
            if part:
                part[dice.randrange(len(part))] = dice.randrange(256)
        parts.append(bytes(part[: dice.choice([len(part), dice.randint(0, len(part))])]))
    return b"".join(parts)


async def test_ten_thousand_slow_connections_keep_nobody_out(ingress: Served) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65_536, hard))
    count = min(SLOW_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OWN_FILES)
    url = ingress.client.base_url
    before_bytes = ingress.resident_bytes()
    writers: list[asyncio.StreamWriter] = []
    try:
        for begun in range(0, count, 200):
            opened = await asyncio.gather(
                *(asyncio.open_connection(url.host, url.port) for _ in range(min(200, count - begun)))
            )
            for _, writer in opened:
                writer.write(HEAD + b"content-length: 1000\r\n")
                writers.append(writer)
            # Each comes on a new connection, as a gateway's first does.
            if begun % 2_000 == 0:
                assert statuses(await send(ingress, posted(b"among", b"connection: close"), ends=False)) == [200]
        for number in range(20):
            body = b"beside the slow %d" % number
            assert statuses(await send(ingress, posted(body, b"connection: close"), ends=False)) == [200]
        assert (await ingress.client.get("/readyz")).status_code == 200
        assert (ingress.resident_bytes() - before_bytes) / count < 30_000
    finally:
        for writer in writers:
            writer.transport.abort()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await assert_serves(ingress)
