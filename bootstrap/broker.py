"""Kafka for a process that seldom needs it: one producer, made at its first use, and readers that live for one look."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from bootstrap.producer import build_producer
from bootstrap.settings import KafkaSettings
from domain.errors import NotFound, Unavailable
from services.audit.topic_reader import Position, TopicReader, open_topics
from topics.message import RecordHeaders
from topics.spec import TopicSpec

READ_SECONDS = 20.0
SEND_SECONDS = 10.0
STOP_SECONDS = 3.0
MAX_READERS = 4
"""A look at a topic opens connections of its own and moves megabytes; whoever comes later waits."""

_log = structlog.get_logger(__name__)


class KafkaBroker:
    """The real `services.broker.Broker`. Nothing connects before it is needed; close it in the loop that used it."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        read_seconds: float = READ_SECONDS,
        send_seconds: float = SEND_SECONDS,
        build: Callable[[], AIOKafkaProducer] | None = None,
    ) -> None:
        self._settings = settings
        self._read_seconds = read_seconds
        self._send_seconds = send_seconds
        self._build = build or (lambda: build_producer(settings, client_id="paystream-desk", linger_milliseconds=0))
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._readers = asyncio.Semaphore(MAX_READERS)

    async def send_and_wait(
        self, spec: TopicSpec, *, partition: int | None, key: bytes | None, value: bytes | None, headers: RecordHeaders
    ) -> Position:
        """Put a record on a topic and return where it lies, once all in-sync replicas have it. Raises Unavailable."""
        try:
            async with asyncio.timeout(self._send_seconds):
                producer = await self._started()
                sent = await producer.send_and_wait(
                    self._settings.topic(spec), value=value, key=key, partition=partition, headers=headers
                )
        except TimeoutError as error:
            raise _unavailable("did not say in time that it has the record; it may have it all the same") from error
        except KafkaError as error:
            # An idempotent producer whose batch was refused fails every later one of the partition: the next is new.
            await self._drop_producer()
            raise _unavailable("did not take the record") from error
        return sent.partition, sent.offset

    @asynccontextmanager
    async def open(self, specs: Sequence[TopicSpec]) -> AsyncIterator[TopicReader]:
        """Open topics for reading; the whole stay is bounded in time. Raises Unavailable, also out of the reading."""
        settings = self._settings
        try:
            async with (
                asyncio.timeout(self._read_seconds),
                self._readers,
                open_topics(settings.bootstrap_servers, settings.topic_prefix, specs) as reader,
            ):
                yield reader
        except NotFound as error:
            raise _unavailable("lacks a topic: create what is missing with `paystream topics create`") from error
        except (KafkaError, TimeoutError, OSError) as error:
            raise _unavailable("does not answer") from error

    async def close(self) -> None:
        """Deliver what waits, for a bounded time, and disconnect."""
        await self._drop_producer()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = self._build()
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await producer.stop()


def _unavailable(what: str) -> Unavailable:
    return Unavailable(f"the broker {what}", code="broker_unavailable")
