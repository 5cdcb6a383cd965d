"""The whole stack as one context: a broker and a database run inside it and are gone after it."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bootstrap.settings import Settings
from devstack import kafka_jars
from devstack.broker import BrokerServer, require_broker
from devstack.errors import StackFailed
from devstack.java import MINIMUM_VERSION, find_java
from devstack.kafka import KafkaServer
from devstack.ports import chosen_port, free_port
from devstack.postgres import PostgresServer, require_database
from devstack.server import Server
from devstack.state import (
    BrokerKind,
    ProcessRecord,
    StackState,
    exclusive_use,
    read_state,
    remove_state,
    stack_environment,
    stop_leftovers,
    write_state,
)
from devstack.tansu import LOSSES, TansuServer

BROKER_VARIABLE = "PAYSTREAM_BROKER"
BOOTSTRAP_SERVERS_VARIABLE = "PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS"
DATABASE_URL_VARIABLE = "PAYSTREAM_DATABASE__URL"
LEFTOVER_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A broker and a database that answer. `idempotence` says whether the broker can do idempotent producers.

    `broker_server` and `postgres_server` can be killed and restarted; each is None where somebody else runs it.
    """

    bootstrap_servers: str
    database_url: str = field(repr=False)
    broker: BrokerKind
    idempotence: bool
    directory: Path
    broker_server: BrokerServer | None = field(default=None, repr=False, compare=False)
    postgres_server: PostgresServer | None = field(default=None, repr=False, compare=False)

    def environment(self) -> dict[str, str]:
        """Return the variables that point Paystream's processes at this stack."""
        return stack_environment(self.bootstrap_servers, self.database_url, idempotence=self.idempotence)


def announce_on_stderr(message: str) -> None:
    """Tell a person what is happening."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


@contextmanager
def running_stack(
    directory: Path,
    *,
    kafka_port: int | None = None,
    postgres_port: int | None = None,
    survives_power_cuts: bool = True,
    announce: Callable[[str], None] = announce_on_stderr,
) -> Iterator[Stack]:
    """Run the stack with its data below `directory`; without fixed ports, free ones are chosen.

    Without `survives_power_cuts`, PostgreSQL waits for no disk; what it has committed still outlives every process.

    What PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS or PAYSTREAM_DATABASE__URL names is used and not started. Raises
    StackFailed, with the end of the server's log, when a part does not come up; nothing is left running then.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with exclusive_use(directory), ExitStack() as running:
        _clear_leftovers(directory, announce)
        running.callback(remove_state, directory)
        broker = _broker(directory, kafka_port, announce)
        postgres = _postgres(directory, postgres_port, announce, survives_power_cuts=survives_power_cuts)
        servers = [server for server in (broker, postgres) if server is not None]
        for server in servers:
            running.callback(server.stop)
            server.start()
            write_state(directory, _state(servers, None))
        for server in servers:
            server.wait_until_healthy()
            announce(f"{server.description} is ready.")
        stack = _stack(directory, broker, postgres)
        write_state(directory, _state(servers, stack))
        yield stack


def _broker(directory: Path, port: int | None, announce: Callable[[str], None]) -> BrokerServer | None:
    """Prepare the broker to start; None when somebody else runs one."""
    given = os.environ.get(BOOTSTRAP_SERVERS_VARIABLE)
    if given:
        require_broker(given)
        announce(f"The broker is the given one, {given}.")
        return None
    java = _java_for_kafka(announce)
    if java is None:
        announce(LOSSES)
        return TansuServer(chosen_port(port, "the broker"), directory / "logs" / "tansu.log")
    class_path = kafka_jars.class_path(announce)
    log_path = directory / "logs" / "kafka.log"
    broker_port = chosen_port(port, "Kafka")
    return KafkaServer(directory / "kafka", broker_port, free_port(), log_path, java, class_path)


def _java_for_kafka(announce: Callable[[str], None]) -> Path | None:
    """Return the Java to run Apache Kafka with; None when the broker is to be Tansu.

    Raises StackFailed when Apache Kafka is asked for and cannot be had.
    """
    preference = os.environ.get(BROKER_VARIABLE, "")
    if preference == "tansu":
        return None
    if preference not in ("", "kafka"):
        raise StackFailed(f"{BROKER_VARIABLE} is {preference!r}; it may be kafka or tansu.")
    java = find_java()
    if java is None:
        missing = f"Apache Kafka needs Java {MINIMUM_VERSION} or newer, which is not on this machine."
    elif not kafka_jars.can_resolve():
        missing = "Apache Kafka is not in the cache and Maven (mvn), which would get it, is not on this machine."
    else:
        return java
    if preference == "kafka":
        raise StackFailed(f"{missing} {BROKER_VARIABLE}=kafka asks for it.")
    announce(f"{missing} Tansu takes its place.")
    return None


def _postgres(
    directory: Path, port: int | None, announce: Callable[[str], None], *, survives_power_cuts: bool
) -> PostgresServer | None:
    """Prepare the database to start; None when somebody else runs one."""
    given = os.environ.get(DATABASE_URL_VARIABLE)
    if given:
        require_database(given)
        announce(f"The database is the one of {DATABASE_URL_VARIABLE}.")
        return None
    log_path = directory / "logs" / "postgres.log"
    postgres_port = chosen_port(port, "PostgreSQL")
    return PostgresServer(directory / "postgres", postgres_port, log_path, survives_power_cuts=survives_power_cuts)


def _stack(directory: Path, broker: BrokerServer | None, postgres: PostgresServer | None) -> Stack:
    given = Settings()
    return Stack(
        bootstrap_servers=broker.bootstrap_servers if broker else given.kafka.bootstrap_servers,
        database_url=postgres.database_url if postgres else given.database_url,
        broker=_broker_kind(broker),
        idempotence=not isinstance(broker, TansuServer) and given.kafka.idempotence,
        directory=directory,
        broker_server=broker,
        postgres_server=postgres,
    )


def _broker_kind(broker: BrokerServer | None) -> BrokerKind:
    if broker is None:
        return "external"
    return "tansu" if isinstance(broker, TansuServer) else "kafka"


def _state(servers: Sequence[Server], stack: Stack | None) -> StackState:
    """Describe the stack for other commands; without addresses as long as it is not ready."""
    return StackState(
        supervisor=ProcessRecord.of("supervisor", os.getpid()),
        servers=tuple(
            ProcessRecord.of(server.process.name, server.process.pid) for server in servers if server.process.is_running
        ),
        broker=stack.broker if stack else None,
        idempotence=stack.idempotence if stack else False,
        bootstrap_servers=stack.bootstrap_servers if stack else "",
        database_url=stack.database_url if stack else "",
        ready=stack is not None,
    )


def _clear_leftovers(directory: Path, announce: Callable[[str], None]) -> None:
    """See to it that nothing of an earlier stack, whose supervisor was killed, still runs on the data."""
    state = read_state(directory)
    if state is None:
        return
    announce("The stack that ran here before was not stopped in good order; what is left of it is cleared away.")
    for name in stop_leftovers(state, LEFTOVER_TIMEOUT_SECONDS):
        announce(f"{name} was still running and was killed.")
    remove_state(directory)
