"""Dead letters: records that could not be processed, kept with everything needed to understand and repeat them."""

from datetime import datetime

import structlog
from aiokafka import AIOKafkaProducer

from agents.metrics import DEAD_LETTERS
from agents.records import Record
from bootstrap.clock import Clock
from bootstrap.settings import KafkaSettings
from domain.errors import PaystreamError
from topics.spec import TopicSpec

_log = structlog.get_logger(__name__)


class DeadLetters:
    """Writes an agent's dead letters to their topic."""

    def __init__(self, producer: AIOKafkaProducer, kafka: KafkaSettings, topic: TopicSpec, clock: Clock) -> None:
        self._producer = producer
        self._topic = kafka.topic(topic)
        self._clock = clock

    async def send(self, record: Record, error: Exception) -> None:
        """Write one record, byte for byte, with the reason; returns when the broker has it."""
        _log.error(
            "dead letter",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error_type=type(error).__name__,
        )
        headers = [*record.headers, *_reason(record, error, self._clock())]
        await self._producer.send_and_wait(self._topic, value=record.value, key=record.key, headers=headers)
        DEAD_LETTERS.labels(topic=self._topic).inc()


def _reason(record: Record, error: Exception, now: datetime) -> list[tuple[str, bytes]]:
    message = error.message if isinstance(error, PaystreamError) else type(error).__name__
    reason = {
        "ps_dlq_topic": record.topic,
        "ps_dlq_partition": str(record.partition),
        "ps_dlq_offset": str(record.offset),
        "ps_dlq_error": type(error).__name__,
        "ps_dlq_message": message[:1_000],
        "ps_dlq_at": now.isoformat(),
    }
    return [(name, value.encode()) for name, value in reason.items()]
