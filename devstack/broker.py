"""What both embedded brokers have in common, and the check of a broker that somebody else runs."""

from aiokafka import AIOKafkaClient
from aiokafka.errors import KafkaError

from devstack.errors import StackFailed
from devstack.ports import LOOPBACK, accepts_connections
from devstack.server import Server, complete

REQUEST_TIMEOUT_MILLISECONDS = 3_000


class BrokerServer(Server):
    """A server that speaks Kafka's protocol."""

    @property
    def bootstrap_servers(self) -> str:
        """Where clients find it."""
        return f"{LOOPBACK}:{self.port}"

    def is_healthy(self) -> bool:
        """Say whether the broker names itself in its metadata."""
        return accepts_connections(self.port) and complete(_has_brokers(self.bootstrap_servers))


def require_broker(bootstrap_servers: str) -> None:
    """Check that a broker somebody else runs answers. Raises StackFailed."""
    if not complete(_has_brokers(bootstrap_servers)):
        raise StackFailed(f"The broker of PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS ({bootstrap_servers}) does not answer.")


async def _has_brokers(bootstrap_servers: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=REQUEST_TIMEOUT_MILLISECONDS)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
