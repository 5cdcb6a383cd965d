"""Apache Kafka as one KRaft node: broker and controller in one process, with the settings of a small machine."""

import base64
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from devstack.broker import BrokerServer
from devstack.kafka_jars import KAFKA_VERSION
from devstack.ports import LOOPBACK
from devstack.processes import ManagedProcess, run_to_end

FORMAT_TIMEOUT_SECONDS = 60.0

# A body of one mebibyte with its headers must fit into one record.
MAX_MESSAGE_BYTES = 2_097_152

# Quick to start rather than fast for hours: only the first compiler, the simplest collector, a modest heap.
JVM_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")

BROKER_PROPERTIES = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "message.max.bytes": str(MAX_MESSAGE_BYTES),
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
}
"""What every single-node broker of ours is told, embedded or in a container."""

SMALL_MACHINE_PROPERTIES = {
    "log.cleaner.dedupe.buffer.size": "4194304",
    # Each partition maps two index files of this size into memory; the default is ten mebibytes.
    "log.index.size.max.bytes": "1048576",
    "num.io.threads": "4",
    "num.network.threads": "2",
}

LOGGING = """\
appender.file.type = Console
appender.file.name = output
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{ISO8601} %-5p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.output.ref = output
"""


def node_properties(
    broker_port: int, controller_port: int, data: Path, advertised_port: int | None = None
) -> dict[str, str]:
    """Return the properties of a node that is its own controller.

    Clients are told to come to the advertised port, where that is another than the broker's own.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{broker_port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{advertised_port or broker_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        **BROKER_PROPERTIES,
        **SMALL_MACHINE_PROPERTIES,
    }


def render_properties(properties: Mapping[str, str]) -> str:
    """Write properties in Java's format, one a line.

    Java escapes backslashes and characters beyond ASCII the way JSON does.
    """
    return "".join(f"{name}={json.dumps(value)[1:-1]}\n" for name, value in properties.items())


def new_cluster_id() -> str:
    """Make a random cluster id as Kafka writes them: 16 bytes in URL-safe base64, never starting with a dash."""
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id


class KafkaServer(BrokerServer):
    """A Kafka node whose data stay in `directory` between runs; `advertised_port` is a proxy's before it, if any."""

    def __init__(
        self,
        directory: Path,
        port: int,
        controller_port: int,
        log_path: Path,
        java: Path,
        class_path: str,
        *,
        advertised_port: int | None = None,
    ) -> None:
        super().__init__(ManagedProcess("Apache Kafka"), port)
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._properties_path = self._directory / "server.properties"
        self._controller_port = controller_port
        self._advertised_port = advertised_port
        self._log_path = log_path
        self._java = java
        self._class_path = class_path

    @property
    def description(self) -> str:
        """Apache Kafka, its version and its address."""
        return f"Apache Kafka {KAFKA_VERSION} on {LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Write the properties, format the storage if it is new and start the node."""
        self._directory.mkdir(parents=True, exist_ok=True)
        properties = node_properties(self.port, self._controller_port, self._data, self._advertised_port)
        self._properties_path.write_text(render_properties(properties))
        (self._directory / "log4j2.properties").write_text(LOGGING)
        if not (self._data / "meta.properties").exists():
            self._format_storage()
        self.process.start(self._command("kafka.Kafka", str(self._properties_path)), self._log_path)

    def _format_storage(self) -> None:
        # Without meta.properties no node has ever run here; what there is comes from an interrupted format.
        shutil.rmtree(self._data, ignore_errors=True)
        command = self._command(
            "kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(self._properties_path)
        )
        run_to_end("Kafka's storage format", command, self._log_path, FORMAT_TIMEOUT_SECONDS)

    def _command(self, main_class: str, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self._directory / 'log4j2.properties'}"
        return [str(self._java), *JVM_OPTIONS, logging, "-cp", self._class_path, main_class, *arguments]
