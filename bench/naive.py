"""The naive side: the handler behind a real HTTP server, pressed by a few clients at a time."""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.naive_handler import POOL_SIZE
from bench.processor_time import ProcessorTime
from bench.workload import make_workload
from bootstrap.settings import Settings
from devstack.application import variables_of
from devstack.errors import StackFailed
from devstack.ports import accepts_connections, free_port
from devstack.processes import ManagedProcess
from topics.webhooks import RawWebhook

CLIENTS = POOL_SIZE
START_SECONDS = 60.0
HEAD_END = b"\r\n\r\n"


async def run_naive(
    settings: Settings, count: int, secret: str, log_path: Path, servers: Mapping[str, int]
) -> tuple[float, dict[str, float]]:
    """Post callbacks until each has its 200, one after another on each of 16 connections.

    Returns seconds, and the processor seconds of the handler and of `servers`. The handler publishes nothing, so the
    pipeline does more. Raises StackFailed when it refuses a callback.
    """
    # Signed now: the handler compares the time of signing with its clock, as it has to.
    callbacks = make_workload(count, secret).callbacks[:count]
    port = free_port()
    server = ManagedProcess("the naive handler")
    command = [sys.executable, "-m", "uvicorn", "--factory", "bench.naive_handler:build", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    server.start(command, log_path, variables_of(settings))
    try:
        await asyncio.to_thread(server.wait_until, lambda: accepts_connections(port), START_SECONDS)
        waiting = iter([_request(webhook, port) for webhook in callbacks])
        # What is loaded at the first use is loaded before the clock starts.
        await _post_each(port, iter([next(waiting)]))
        used = ProcessorTime({"handler": server.pid, **servers})
        started = time.time()
        async with used.sampled(), asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(_post_each(port, waiting))
        ended = time.time()
        return ended - started, used.between(started, ended)
    finally:
        server.stop()


def _request(webhook: RawWebhook, port: int) -> bytes:
    headers = {**dict(webhook.http_headers), "host": f"127.0.0.1:{port}", "content-length": str(len(webhook.body))}
    lines = [f"POST {webhook.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + HEAD_END + webhook.body


async def _post_each(port: int, requests: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(HEAD_END)
            if not head.startswith(b"HTTP/1.1 200"):
                raise StackFailed(f"the naive handler refused a callback of the benchmark: {head!r}")
    finally:
        writer.close()
        await writer.wait_closed()
