"""Reads a topic from its beginning to where it ends now."""

from collections.abc import Callable

from bootstrap.settings import KafkaSettings
from services.audit.topic_reader import TopicRecord, open_topics
from topics.catalog import RAW_WEBHOOKS
from topics.spec import TopicSpec
from topics.webhooks import RawWebhook


async def read_topic(kafka: KafkaSettings, spec: TopicSpec) -> list[TopicRecord]:
    """Return every record of a topic, partition by partition."""
    async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [spec]) as topics:
        return [record async for chunk in topics.chunks(spec) for record in chunk]


async def read_raw_callbacks(
    kafka: KafkaSettings, gateway: str, *, limit: int, accept: Callable[[bytes], bool]
) -> list[RawWebhook]:
    """Return up to `limit` callbacks of a gateway whose body is accepted."""
    records = await read_topic(kafka, RAW_WEBHOOKS)
    callbacks = (RawWebhook.from_record(record.value or b"", record.headers) for record in records)
    return [one for one in callbacks if one.gateway == gateway and accept(one.body)][:limit]
