"""Reads a topic from its beginning to where it ends now."""

from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from bootstrap.settings import KafkaSettings
from topics.catalog import RAW_WEBHOOKS
from topics.spec import TopicSpec
from topics.webhooks import RawWebhook


async def read_topic(kafka: KafkaSettings, spec: TopicSpec) -> list[Any]:
    """Return every record of a topic, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers)
    await consumer.start()
    try:
        partitions = [TopicPartition(kafka.topic(spec), number) for number in range(spec.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        records: list[Any] = []
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                records.extend((await consumer.getmany(partition, timeout_ms=1_000)).get(partition, []))
        return records
    finally:
        await consumer.stop()


async def read_raw_callbacks(
    kafka: KafkaSettings, gateway: str, *, limit: int, accept: Callable[[bytes], bool]
) -> list[RawWebhook]:
    """Return up to `limit` callbacks of a gateway whose body is accepted."""
    callbacks = (
        RawWebhook.from_record(record.value, record.headers) for record in await read_topic(kafka, RAW_WEBHOOKS)
    )
    return [one for one in callbacks if one.gateway == gateway and accept(one.body)][:limit]
