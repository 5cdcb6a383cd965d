"""Topics of one test, which are gone with it: each client of a broker is told of all its topics, again and again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from bootstrap.settings import KafkaSettings
from topics.admin import create_topics
from topics.catalog import TOPICS


@asynccontextmanager
async def own_topics(kafka: KafkaSettings) -> AsyncIterator[None]:
    """Create every topic under the settings' prefix, and at the end delete all that have it."""
    await create_topics(
        kafka.bootstrap_servers, TOPICS, prefix=kafka.topic_prefix, replication_factor=kafka.replication_factor
    )
    yield
    # What stays on a broker that is not there just then makes other tests slower, and nothing else.
    with suppress(KafkaError):
        await _delete_topics(kafka)


async def _delete_topics(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    try:
        await admin.start()
        own = [name for name in await admin.list_topics() if name.startswith(kafka.topic_prefix)]
        await admin.delete_topics(own)
    finally:
        await admin.close()
