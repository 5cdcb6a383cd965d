"""Granian and uvicorn, each serving a bare `200` and the whole ingress on a real broker: speeds and ratios.

Run it on a machine with a broker:

    python -m bench.ingress_servers --bootstrap-servers 127.0.0.1:9092

The bare application is the roof: no ingress on that server can be faster. Rounds are interleaved and the best of each
candidate counts, because a busy machine only ever adds; compare ratios, not absolute numbers. The broker and the client
run on the same machine: where there are few processors, processor time says more than requests per second. Granian is
left out where it is missing.
"""

import argparse
import asyncio
import itertools
import os
import signal
import socket
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any, cast

import psutil
import uvicorn
import uvloop
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from starlette.types import ASGIApp, Receive, Scope, Send

from bootstrap.settings import KafkaSettings, Settings
from connectors.base import Registration
from topics.catalog import RAW_WEBHOOKS
from webhook_ingress.app import create_app
from webhook_ingress.server import server_config, tune_garbage_collection

PATH = "/webhooks/stripe/bench"
BODY = b'{"id":"evt_%012d","object":"event","type":"payment_intent.succeeded"}'.ljust(1_200)
HEAD = "\r\n".join(
    (
        f"POST {PATH} HTTP/1.1",
        "host: bench",
        "user-agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "accept: */*; q=0.5, application/xml",
        "cache-control: no-cache",
        "content-type: application/json; charset=utf-8",
        f"stripe-signature: t=1700000000,v1={'5' * 64}",
        "x-forwarded-for: 203.0.113.7",
        f"content-length: {len(BODY % 0)}",
        "\r\n",
    )
)
REQUEST = HEAD.encode() + BODY
"""Every body is another one, as in life: their digests spread over the partitions."""

APPLICATIONS = ("bare", "ingress")
START_SECONDS = 20


class EveryAccount:
    """Takes every account, so that the ingress alone is measured."""

    def knows(self, gateway: str, account: str) -> bool:
        """Always."""
        return bool(gateway and account)

    def ready(self) -> bool:
        """Always."""
        return True

    async def start(self) -> None:
        """Nothing to read."""

    async def stop(self) -> None:
        """Nothing to close."""


def registration_of(gateway: str) -> Registration:
    """Answer a gateway like any other, without loading its SDK."""
    return Registration(
        key=gateway,
        display_name=gateway,
        description="for the benchmark",
        capabilities=frozenset(),
        currencies=frozenset(),
        countries=frozenset(),
        payment_methods=(),
        credentials=cast("Any", None),
        factory=lambda _: None,
        required_headers=("stripe-signature",),
    )


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Read a request and say 200: the least an ASGI application can do."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": message["type"] + ".complete"})
        return
    await receive()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def serve_uvicorn(application: ASGIApp, settings: Settings) -> None:
    """Serve as the ingress is served, whatever the application."""
    uvicorn.Server(server_config(application, settings.ingress)).run()


def serve_granian(application: ASGIApp, settings: Settings) -> None:
    """Serve with Granian's embedded server: the one that takes an application object."""
    # Granian is no dependency: it is here only where somebody has installed it to compare.
    interfaces, embed = import_module("granian.constants").Interfaces, import_module("granian.server.embed")

    async def main() -> None:
        server = embed.Server(
            application,
            address=settings.ingress.host,
            port=settings.ingress.port,
            interface=interfaces.ASGI,
            websockets=False,
            log_enabled=False,
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
        await server.serve()

    uvloop.run(main())


SERVERS: dict[str, Callable[[ASGIApp, Settings], None]] = {"uvicorn": serve_uvicorn, "granian": serve_granian}


@dataclass(frozen=True, slots=True)
class Result:
    """One round: requests per second, latencies in milliseconds, processor time per request in microseconds."""

    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    processor_microseconds: float


class Client(asyncio.Protocol):
    """One keep-alive connection: the next request goes out when the answer to the last is complete."""

    _transport: asyncio.Transport

    def __init__(self, until: float, latencies: list[float], numbers: Iterator[int]) -> None:
        self._until = until
        self._numbers = numbers
        self._latencies = latencies
        self._received = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Take an answer, which has no body, and ask again until the time is over."""
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        if not self._received.startswith(b"HTTP/1.1 200"):
            self._finish(RuntimeError(f"not a 200: {self._received[:200]!r}"))
            return
        now = time.perf_counter()
        self._latencies.append(now - self._sent_at)
        if now < self._until:
            self._ask()
        else:
            self._finish(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail when the server hung up first."""
        self._finish(exc or ConnectionError("the server closed the connection"))

    def _ask(self) -> None:
        self._received = b""
        self._sent_at = time.perf_counter()
        self._transport.write(REQUEST % next(self._numbers))

    def _finish(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        self._transport.close()


async def load(port: int, process: psutil.Process, connections: int, seconds: float) -> Result:
    """Send as fast as `connections` clients get answers."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    numbers = itertools.count()
    before, started = sum(process.cpu_times()[:2]), time.perf_counter()
    clients = [
        (await loop.create_connection(lambda: Client(started + seconds, latencies, numbers), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for client in clients))
    took, used = time.perf_counter() - started, sum(process.cpu_times()[:2]) - before
    cuts = statistics.quantiles(latencies, n=100)
    return Result(len(latencies) / took, cuts[49] * 1e3, cuts[98] * 1e3, used / len(latencies) * 1e6)


async def wait_until_ready(port: int, application: str) -> None:
    """Wait until the server takes requests and, for the ingress, is connected to the broker."""
    path = "/readyz" if application == "ingress" else "/"
    answer = b""
    async with asyncio.timeout(START_SECONDS):
        while not answer.startswith(b"HTTP/1.1 200"):
            await asyncio.sleep(0.1)
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n".encode())
                answer = await reader.read(15)
                writer.close()


async def measure(server: str, application: str, options: SimpleNamespace) -> Result:
    """Start one candidate, warm it up, measure it, stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PAYSTREAM_INGRESS__PORT": str(port),
        "PAYSTREAM_INGRESS__RATE_LIMIT_PER_SECOND": "1e9",
        "PAYSTREAM_INGRESS__RATE_LIMIT_BURST": "1000000000",
        "PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS": options.bootstrap_servers,
        "PAYSTREAM_KAFKA__TOPIC_PREFIX": options.topic_prefix,
    }
    command = [sys.executable, "-m", "bench.ingress_servers", "--serve", f"{server}:{application}"]
    child = await asyncio.create_subprocess_exec(*command, env=environment)
    process = psutil.Process(child.pid)
    try:
        await wait_until_ready(port, application)
        await load(port, process, options.connections, min(1.0, options.seconds))
        return await load(port, process, options.connections, options.seconds)
    finally:
        child.terminate()
        await child.wait()


async def compare(options: SimpleNamespace) -> None:
    """Measure every candidate in every round and print the best and the ratios."""
    servers = [name for name in SERVERS if name != "granian" or find_spec("granian")]
    if "granian" not in servers:
        print("granian is not installed: measuring uvicorn alone")
    results: dict[tuple[str, str], list[Result]] = {}
    admin = AIOKafkaAdminClient(bootstrap_servers=options.bootstrap_servers)
    await admin.start()
    topic = options.topic_prefix + RAW_WEBHOOKS.name
    try:
        await admin.create_topics([NewTopic(topic, RAW_WEBHOOKS.partitions, 1)])
        for _ in range(options.rounds):
            for server in servers:
                for application in APPLICATIONS:
                    result = await measure(server, application, options)
                    results.setdefault((server, application), []).append(result)
        await admin.delete_topics([topic])
    finally:
        await admin.close()
    report(servers, results)


def report(servers: list[str], results: dict[tuple[str, str], list[Result]]) -> None:
    """Print the best round of each candidate, and how far the ingress stays below the roof."""
    print(f"{'server':8} {'app':8} {'req/s':>8} {'p50 ms':>7} {'p99 ms':>7} {'cpu us':>7}")
    for server in servers:
        best = {
            application: min(results[server, application], key=lambda result: result.processor_microseconds)
            for application in APPLICATIONS
        }
        for application, result in best.items():
            print(
                f"{server:8} {application:8} {result.per_second:8.0f} {result.p50_milliseconds:7.2f} "
                f"{result.p99_milliseconds:7.2f} {result.processor_microseconds:7.1f}"
            )
        roof, ingress = best["bare"], best["ingress"]
        print(
            f"{server:8} ingress / bare: {ingress.per_second / roof.per_second:.2f} of the requests per second, "
            f"{roof.processor_microseconds / ingress.processor_microseconds:.2f} by processor time"
        )


def serve(candidate: str) -> None:
    """Be the child process: one server with one application."""
    server, application = candidate.split(":")
    settings = Settings()
    app = create_app(settings, EveryAccount(), registration_of=registration_of) if application == "ingress" else bare
    tune_garbage_collection()
    SERVERS[server](app, settings)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap-servers", default=KafkaSettings().bootstrap_servers)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
    else:
        uvloop.run(compare(SimpleNamespace(**vars(arguments), topic_prefix=f"bench-{uuid.uuid4().hex[:8]}.")))


if __name__ == "__main__":
    main()
