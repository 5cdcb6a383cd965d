"""The servers that the ingress' benchmarks press, each in a process of its own, and the requests they are pressed with.

A candidate is `server:application`. Applications are `bare`, which reads a request and says 200, and `ingress`, the
whole of it on a real broker. Servers are `plain`, uvicorn as it comes; `uvicorn`, as the ingress sets it up; `granian`,
where somebody has installed it to compare.
"""

import asyncio
import itertools
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any, cast

import psutil
import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from bootstrap.garbage_collection import tune_garbage_collection
from bootstrap.settings import KafkaSettings, Settings
from connectors.base import Registration
from webhook_ingress.app import create_app
from webhook_ingress.server import server_config

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
"""Every body is another one, as in life."""

START_SECONDS = 30


def requests() -> Iterator[bytes]:
    """Callbacks without end."""
    return (REQUEST % number for number in itertools.count())


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


@asynccontextmanager
async def serving(candidate: str, kafka: KafkaSettings) -> AsyncIterator[tuple[int, psutil.Process]]:
    """Run a candidate; yields its port and process when it takes requests and, the ingress, has its broker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PAYSTREAM_INGRESS__PORT": str(port),
        "PAYSTREAM_INGRESS__RATE_LIMIT_PER_SECOND": "1e9",
        "PAYSTREAM_INGRESS__RATE_LIMIT_BURST": "1000000000",
        "PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "PAYSTREAM_KAFKA__IDEMPOTENCE": str(kafka.idempotence).lower(),
        "PAYSTREAM_KAFKA__TOPIC_PREFIX": kafka.topic_prefix,
    }
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.ingress_side", candidate, env=environment)
    try:
        await _wait_until_ready(port, "/readyz" if candidate.endswith(":ingress") else "/")
        yield port, psutil.Process(child.pid)
    finally:
        with suppress(ProcessLookupError):
            child.terminate()
        await child.wait()


async def _wait_until_ready(port: int, path: str) -> None:
    answer = b""
    async with asyncio.timeout(START_SECONDS):
        while not answer.startswith(b"HTTP/1.1 200"):
            await asyncio.sleep(0.1)
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n".encode())
                answer = await reader.read(15)
                writer.close()


def _serve_plain(application: ASGIApp, settings: Settings) -> None:
    uvicorn.run(application, host=settings.ingress.host, port=settings.ingress.port, log_config=None, access_log=False)


def _serve_uvicorn(application: ASGIApp, settings: Settings) -> None:
    tune_garbage_collection()
    uvicorn.Server(server_config(application, settings.ingress)).run()


def _serve_granian(application: ASGIApp, settings: Settings) -> None:
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

    tune_garbage_collection()
    uvloop.run(main())


SERVERS: dict[str, Callable[[ASGIApp, Settings], None]] = {
    "plain": _serve_plain,
    "uvicorn": _serve_uvicorn,
    "granian": _serve_granian,
}


def main(candidate: str) -> None:
    """Be the child process: one server with one application."""
    server, application = candidate.split(":")
    settings = Settings()
    is_ingress = application == "ingress"
    SERVERS[server](
        create_app(settings, EveryAccount(), registration_of=registration_of) if is_ingress else bare, settings
    )


if __name__ == "__main__":
    main(sys.argv[1])
