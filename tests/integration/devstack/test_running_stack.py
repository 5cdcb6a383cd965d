"""The embedded stack itself: it comes up, survives what is done to it, and leaves nothing behind."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from devstack import kafka_jars
from devstack.errors import StackFailed
from devstack.java import find_java
from devstack.kafka import KafkaServer
from devstack.ports import LOOPBACK, free_port, is_free
from devstack.stack import Stack, running_stack
from devstack.state import ProcessRecord, read_state, wait_until_gone

pytestmark = pytest.mark.integration

HAS_KAFKA = find_java() is not None and kafka_jars.can_resolve()
needs_kafka = pytest.mark.skipif(not HAS_KAFKA, reason="Apache Kafka needs Java 17+ and Maven")

HOLDS_A_STACK = """
import sys, time
from pathlib import Path
from devstack.stack import running_stack
with running_stack(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the embedded stack start both of its parts, whatever the other tests run against."""
    for name in ("PAYSTREAM_BROKER", "PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS", "PAYSTREAM_DATABASE__URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def embedded(nothing_given: None, tmp_path: Path) -> Iterator[Stack]:
    """An embedded stack that a test may break."""
    with running_stack(tmp_path / "stack", announce=lambda _: None) as stack:
        yield stack


@pytest.fixture
def on_tansu(nothing_given: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the broker that starts at once, where a test is not about the broker."""
    monkeypatch.setenv("PAYSTREAM_BROKER", "tansu")


def our_processes() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


async def create_topic(stack: Stack, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def write(stack: Stack, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=stack.bootstrap_servers, acks="all", enable_idempotence=stack.idempotence
    ) as producer:
        await producer.send_and_wait(topic, value)


async def read_all(stack: Stack, topic: str) -> list[bytes]:
    async with AIOKafkaConsumer(bootstrap_servers=stack.bootstrap_servers) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        while len(values) < end:
            values.append((await consumer.getone()).value)
        return values


async def query(stack: Stack, statement: str) -> object:
    connection = await asyncpg.connect(stack.database_url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@needs_kafka
async def test_kafka_and_postgresql_come_up_and_lose_nothing_to_a_power_cut(embedded: Stack) -> None:
    assert embedded.broker == "kafka"
    assert embedded.idempotence
    await create_topic(embedded, "records")
    await write(embedded, "records", b"before")
    await query(embedded, "CREATE TABLE kept AS SELECT 7 AS number")

    for server in (embedded.broker_server, embedded.postgres_server):
        assert server is not None
        server.kill()
        assert is_free(server.port)
        server.restart()

    await write(embedded, "records", b"after")
    assert await read_all(embedded, "records") == [b"before", b"after"]
    assert await query(embedded, "SELECT number FROM kept") == 7


@needs_kafka
async def test_topics_are_never_created_by_accident(embedded: Stack) -> None:
    await create_topic(embedded, "made-on-purpose")
    async with AIOKafkaProducer(
        bootstrap_servers=embedded.bootstrap_servers, request_timeout_ms=1_000, enable_idempotence=True
    ) as producer:
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.send_and_wait("nobody-made-this", b"value")

    admin = AIOKafkaAdminClient(bootstrap_servers=embedded.bootstrap_servers)
    await admin.start()
    try:
        assert await admin.list_topics() == ["made-on-purpose"]
    finally:
        await admin.close()


async def test_the_role_of_the_processes_is_no_superuser(on_tansu: None, embedded: Stack) -> None:
    assert await query(embedded, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert await query(embedded, "SHOW max_connections") == "200"
    assert await query(embedded, "SHOW fsync") == "on"


async def test_data_and_password_stay_between_runs_and_nothing_keeps_running(on_tansu: None, tmp_path: Path) -> None:
    before = our_processes()
    with running_stack(tmp_path, announce=lambda _: None) as stack:
        await query(stack, "CREATE TABLE kept AS SELECT 7 AS number")
        state = read_state(tmp_path)
        assert state is not None
        assert state.ready
        assert state.environment() == stack.environment()
        servers = [record for record in state.servers if record.find() is not None]
        assert len(servers) == 2

    assert [record for record in servers if record.find() is not None] == []
    assert our_processes() == before
    assert read_state(tmp_path) is None

    with running_stack(tmp_path, announce=lambda _: None) as stack:
        assert await query(stack, "SELECT number FROM kept") == 7


def test_fixed_ports_are_taken_and_one_in_use_is_refused_before_anything_starts(on_tansu: None, tmp_path: Path) -> None:
    before = our_processes()
    kafka_port, postgres_port = free_port(), free_port()
    with running_stack(tmp_path, kafka_port=kafka_port, postgres_port=postgres_port, announce=lambda _: None) as stack:
        assert stack.bootstrap_servers == f"{LOOPBACK}:{kafka_port}"
        assert f"@{LOOPBACK}:{postgres_port}/paystream" in stack.database_url

        with pytest.raises(StackFailed, match="Another stack runs"), running_stack(tmp_path, announce=lambda _: None):
            pass

    with (
        socket.create_server((LOOPBACK, 0)) as listener,
        pytest.raises(StackFailed, match="is in use"),
        running_stack(tmp_path, postgres_port=listener.getsockname()[1], announce=lambda _: None),
    ):
        pass
    assert our_processes() == before


def test_an_exception_inside_stops_everything(on_tansu: None, tmp_path: Path) -> None:
    before = our_processes()

    def interrupted_stack() -> None:
        with running_stack(tmp_path, announce=lambda _: None):
            assert our_processes() > before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_stack()

    assert our_processes() == before


def test_kill_9_of_the_parent_leaves_nothing_alive_and_the_next_run_starts_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS_A_STACK, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        everything = [
            ProcessRecord.of("child", child.pid) for child in psutil.Process(parent.pid).children(recursive=True)
        ]
        # The broker, PostgreSQL with its own children, and the watchdog.
        assert len(everything) > 4
        parent.kill()
        parent.wait(20)

    said: list[str] = []
    with running_stack(tmp_path, announce=said.append) as stack:
        assert stack.directory == tmp_path
    assert "not stopped in good order" in said[0]
    assert wait_until_gone(everything, timeout_seconds=20) == []


async def test_tansu_takes_kafkas_place_and_says_what_that_loses(on_tansu: None, tmp_path: Path) -> None:
    before = our_processes()
    said: list[str] = []

    with running_stack(tmp_path, announce=said.append) as stack:
        assert stack.broker == "tansu"
        assert stack.environment()["PAYSTREAM_KAFKA__IDEMPOTENCE"] == "false"
        await create_topic(stack, "records")
        await write(stack, "records", b"value")
        assert await read_all(stack, "records") == [b"value"]

    assert any("no idempotent producers" in line for line in said)
    assert our_processes() == before


async def test_what_the_environment_names_is_used_and_not_started(
    on_tansu: None, embedded: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in embedded.environment().items():
        monkeypatch.setenv(name, value)
    before = our_processes()

    with running_stack(tmp_path / "other", announce=lambda _: None) as stack:
        assert stack.broker == "external"
        assert stack.broker_server is None
        assert stack.postgres_server is None
        assert stack.environment() == embedded.environment()
        assert our_processes() == before


@needs_kafka
def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    java = find_java()
    assert java is not None
    with socket.create_server((LOOPBACK, 0)) as listener:
        server = KafkaServer(
            tmp_path / "kafka",
            free_port(),
            listener.getsockname()[1],
            tmp_path / "kafka.log",
            java,
            kafka_jars.class_path(lambda _: None),
        )
        server.start()

        with pytest.raises(StackFailed, match=r"ended with code 1(.|\n)*Address already in use"):
            server.wait_until_healthy()
