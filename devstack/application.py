"""Paystream's own processes on a stack: ingress, worker and settle, each restarted when it stops by itself."""

import asyncio
import base64
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bootstrap.settings import Settings
from devstack.ports import chosen_port
from devstack.processes import ManagedProcess
from devstack.stack import Stack
from storage.migrate import migrate
from topics.admin import create_topics
from topics.catalog import TOPICS

READY_TIMEOUT_SECONDS = 60.0
PROCESSES = ("ingress", "worker", "settle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The running processes, and what is needed to talk to them."""

    settings: Settings
    ingress_url: str
    processes: Mapping[str, ManagedProcess]

    def restart_stopped(self) -> list[str]:
        """Start again what has stopped by itself, as a supervisor does; returns the names."""
        stopped = [name for name, process in self.processes.items() if not process.is_running]
        for name in stopped:
            self.processes[name].restart()
        return stopped


def new_key_ring() -> dict[str, str]:
    """Variables of a key ring with one new key."""
    key = base64.b64encode(os.urandom(32)).decode()
    return {"PAYSTREAM_KEYS__RING": json.dumps({"local": key}), "PAYSTREAM_KEYS__ACTIVE": "local"}


def variables_of(settings: Settings) -> dict[str, str]:
    """The variables that give a process these settings: broker, database, key ring."""
    ring = {key_id: secret.get_secret_value() for key_id, secret in settings.keys.ring.items()}
    return {
        "PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "PAYSTREAM_KAFKA__IDEMPOTENCE": str(settings.kafka.idempotence).lower(),
        "PAYSTREAM_KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "PAYSTREAM_DATABASE__URL": settings.database_url,
        "PAYSTREAM_KEYS__RING": json.dumps(ring),
        "PAYSTREAM_KEYS__ACTIVE": settings.keys.active,
    }


@contextmanager
def running_application(
    stack: Stack,
    environment: Mapping[str, str],
    *,
    ingress_port: int | None = None,
    api_port: int | None = None,
    announce: Callable[[str], None],
) -> Iterator[Application]:
    """Migrate, create topics, run the processes, and stop them in order at the end.

    `environment` adds to the stack's own variables: the key ring, the topic prefix, sizes of windows.
    """
    variables = {**stack.environment(), **environment}
    announce("Creating tables and topics")
    asyncio.run(prepare(read_settings(variables)))
    announce("Starting ingress, worker and settle")
    logs = stack.directory / "logs"
    with running_processes(logs, variables, ingress_port=ingress_port, api_port=api_port) as application:
        yield application


async def prepare(settings: Settings) -> None:
    """Bring the database to the newest schema and create the topics."""
    await migrate(settings.database_url)
    await create_topics(
        settings.kafka.bootstrap_servers,
        TOPICS,
        prefix=settings.kafka.topic_prefix,
        replication_factor=settings.kafka.replication_factor,
    )


@contextmanager
def running_processes(
    log_directory: Path,
    variables: Mapping[str, str],
    *,
    ingress_port: int | None = None,
    api_port: int | None = None,
) -> Iterator[Application]:
    """Run the processes on a database and topics that are prepared; ready when the ingress is.

    The HTTP API runs beside them where it is given a port.
    """
    port = chosen_port(ingress_port, "the ingress")
    url = f"http://127.0.0.1:{port}"
    variables = {**variables, "PAYSTREAM_INGRESS__PORT": str(port), "PAYSTREAM_INGRESS__PUBLIC_URL": url}
    names: tuple[str, ...] = PROCESSES
    if api_port is not None:
        own = chosen_port(api_port, "the HTTP API")
        variables |= {"PAYSTREAM_API__PORT": str(own), "PAYSTREAM_API__PUBLIC_URL": f"http://127.0.0.1:{own}"}
        names = (*PROCESSES, "api")
    processes = {name: ManagedProcess(name) for name in names}
    try:
        for name, process in processes.items():
            process.start([sys.executable, "-m", "cli.main", name], log_directory / f"{name}.log", variables)
        processes["ingress"].wait_until(lambda: answers(f"{url}/readyz"), READY_TIMEOUT_SECONDS)
        yield Application(settings=read_settings(variables), ingress_url=url, processes=processes)
    finally:
        for process in processes.values():
            process.stop()


def read_settings(variables: Mapping[str, str]) -> Settings:
    """The settings a process with these variables would read."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        return Settings()
    finally:
        os.environ.clear()
        os.environ.update(before)


def answers(url: str) -> bool:
    """Say whether a GET of the URL is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=1.0) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False
