"""The broker and the database that integration tests run against."""

import gc
import importlib
import os
import secrets
import signal
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from devstack.kafka import BROKER_PROPERTIES
from devstack.kafka_jars import KAFKA_VERSION
from devstack.ports import free_port
from devstack.postgres import WITHOUT_POWER_CUTS
from devstack.stack import (
    BOOTSTRAP_SERVERS_VARIABLE,
    BROKER_VARIABLE,
    DATABASE_URL_VARIABLE,
    Stack,
    running_stack,
)
from tests.memory import data_in_memory

# A shell that starts the tests in the background has them ignore these signals, and every process they start with them.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number is signal.SIGINT else signal.SIG_DFL)

# Everybody's own machine looks for new examples; CI tries the same ones each time, so that its verdict is the change's.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# Structlog's own way of showing an exception, with every variable of every frame, takes seconds for each.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

POSTGRES_IMAGE = "postgres:18"
CHOICES = (BOOTSTRAP_SERVERS_VARIABLE, DATABASE_URL_VARIABLE, BROKER_VARIABLE)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A real broker and a real PostgreSQL, once for each test process, stopped at its end.

    What the environment names is used; else containers where a Docker engine answers; else the embedded stack.
    """
    directory = tmp_path_factory.mktemp("stack")
    if not any(os.environ.get(name) for name in CHOICES) and docker_answers():
        with ExitStack() as running:
            yield containers(directory, running)
    else:
        with data_in_memory(directory), running_stack(directory, survives_power_cuts=False) as embedded:
            yield embedded


@pytest.fixture
def topic_prefix() -> str:
    """A short prefix of topic names and group ids that no other test has."""
    return f"t{secrets.token_hex(4)}."


def docker_answers() -> bool:
    """Say whether a Docker engine is there; the client without an engine does not count."""
    with warnings.catch_warnings():
        # Where no engine answers, the client leaves its socket to the garbage collector, which warns.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _ping_docker()
        gc.collect()
    return answers


def _ping_docker() -> bool:
    docker = importlib.import_module("docker")
    try:
        client = docker.from_env(timeout=3)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
    finally:
        client.close()


def containers(directory: Path, running: ExitStack) -> Stack:
    """Start PostgreSQL and Apache Kafka in containers, with the embedded stack's settings."""
    with warnings.catch_warnings():
        # Its modules warn about each other while they are imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        from testcontainers.community.postgres import PostgresContainer
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    postgres = PostgresContainer(POSTGRES_IMAGE, username="paystream", password="paystream", dbname="paystream")
    postgres.with_env("POSTGRES_INITDB_ARGS", "--locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C")
    settings = {"max_connections": "200", **WITHOUT_POWER_CUTS}
    postgres.with_command(" ".join(["postgres", *(f"-c {name}={value}" for name, value in settings.items())]))
    running.enter_context(postgres)

    # The broker must know, before it starts, the address that it will tell its clients.
    port = free_port()
    kafka = DockerContainer(f"apache/kafka:{KAFKA_VERSION}").with_bind_ports(9092, port)
    host = postgres.get_container_host_ip()
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": "1@localhost:9093",
        "controller.listener.names": "CONTROLLER",
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        **BROKER_PROPERTIES,
    }
    for name, value in properties.items():
        kafka.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
    kafka.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(90))
    running.enter_context(kafka)

    return Stack(
        bootstrap_servers=f"{host}:{port}",
        database_url=postgres.get_connection_url(driver="asyncpg"),
        broker="external",
        idempotence=True,
        directory=directory,
    )
