"""The one place where our Kafka producers are built, so that every record we forward is written under the same rules.

Two facts about aiokafka decide how its callers must treat a producer:

- With idempotence a batch never expires: it is sent again until the broker answers. A caller that stops waiting has not
  withdrawn its record, which may still arrive later. What waits is bounded: at most two batches per partition, each of
  `max_batch_bytes` or of one larger record; after that `send()` blocks until there is room.
- With idempotence a batch that the broker refuses for good leaves a hole in the partition's sequence numbers, and every
  later batch of that partition fails with OutOfOrderSequenceNumber. Such a producer must be replaced.
"""

import asyncio
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from bootstrap.settings import KafkaSettings

MAX_REQUEST_BYTES = 2_097_152
"""Bound of one record where nothing else is said; no topic's `max.message.bytes` is smaller."""

Partitioner = Callable[[bytes | None, Sequence[int], Sequence[int]], int]
"""Chooses a partition from the key, all partitions, and the partitions that have a leader now."""


def build_producer(
    settings: KafkaSettings,
    *,
    client_id: str,
    linger_milliseconds: int = 5,
    request_timeout_seconds: float = 10.0,
    max_batch_bytes: int = 131_072,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    partitioner: Partitioner | None = None,
) -> AIOKafkaProducer:
    """Build a producer that waits for all in-sync replicas; call it inside the event loop that will run it.

    - `settings.idempotence` is on except on a broker that cannot do it; off, a repeated send may be stored twice.
    - `linger_milliseconds` is how long a record may wait for company; 0 sends at once and still batches under load.
    - `request_timeout_seconds` bounds connecting and one answer of the broker. It is also how long a dead connection
      goes unnoticed, and so how long recovery may take.
    - `max_request_bytes` bounds one record; the topic's `max.message.bytes` must not be smaller.
    - `partitioner` replaces Kafka's usual choice (murmur2 of the key).
    """
    return AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        client_id=client_id,
        acks="all",
        enable_idempotence=settings.idempotence,
        linger_ms=linger_milliseconds,
        request_timeout_ms=int(request_timeout_seconds * 1000),
        max_batch_size=max_batch_bytes,
        max_request_size=max_request_bytes,
        partitioner=partitioner or DefaultPartitioner(),
    )


async def broker_knows_topic(producer: AIOKafkaProducer, topic: str, timeout_seconds: float) -> bool:
    """Ask the broker, over the producer's own connection, whether the topic is there; False when it does not answer.

    Callers that ask at the same time share one question.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            answered = await producer.client.force_metadata_update()
    except TimeoutError:
        return False
    return bool(answered) and producer.client.cluster.partitions_for_topic(topic) is not None
