"""How many records wait for a process's agents, by the broker's own count."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from bootstrap.settings import KafkaSettings
from topics.spec import TopicSpec

REQUEST_SECONDS = 5.0


class Lag:
    """Counts what a consumer group has still to do on its topics, all of its processes together.

    Built and used inside one event loop. Connects at the first look, and again after a look that failed.
    """

    def __init__(self, settings: KafkaSettings, group: str, sources: Sequence[TopicSpec]) -> None:
        self._servers = settings.bootstrap_servers
        self._group = group
        self._partitions = [
            TopicPartition(settings.topic(spec), number) for spec in sources for number in range(spec.partitions)
        ]
        self._admin: AIOKafkaAdminClient | None = None
        self._reader: AIOKafkaConsumer | None = None

    async def records(self) -> int:
        """Return how many records are not acknowledged yet. Raises KafkaError when the broker does not answer."""
        try:
            admin, reader = await self._connected()
            ends = await reader.end_offsets(self._partitions)
            begins = await reader.beginning_offsets(self._partitions)
            committed = await admin.list_consumer_group_offsets(self._group, partitions=self._partitions)
        except BaseException:
            await self.close()
            raise
        done = {partition: position.offset for partition, position in committed.items() if position.offset >= 0}
        return sum(ends[each] - max(done.get(each, 0), begins[each]) for each in self._partitions)

    async def close(self) -> None:
        """Disconnect."""
        admin, reader, self._admin, self._reader = self._admin, self._reader, None, None
        for client in (admin, reader):
            if client is not None:
                await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())

    async def _connected(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        milliseconds = int(REQUEST_SECONDS * 1000)
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(bootstrap_servers=self._servers, request_timeout_ms=milliseconds)
            await self._admin.start()
        if self._reader is None:
            self._reader = AIOKafkaConsumer(bootstrap_servers=self._servers, request_timeout_ms=milliseconds)
            await self._reader.start()
        return self._admin, self._reader
