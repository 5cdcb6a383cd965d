"""Writes callbacks to Kafka and keeps a usable producer at hand: connects, reconnects, and replaces a broken one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError

from domain.errors import PaystreamError
from topics.message import RecordHeaders

RETRY_SECONDS = 0.5
STOP_SECONDS = 3.0

logger = structlog.stdlib.get_logger(__name__)


class NotAcknowledged(PaystreamError):
    """The broker did not say in time that the record is stored. It may be stored all the same, or still come to be."""

    code = "not_acknowledged"


class Producer(Protocol):
    """The part of AIOKafkaProducer that is used here."""

    async def start(self) -> None:
        """Connect; raises KafkaError when no broker answers."""
        ...

    async def stop(self) -> None:
        """Deliver what waits and disconnect."""
        ...

    async def send(self, topic: str, value: bytes, key: bytes, *, headers: RecordHeaders) -> Awaitable[object]:
        """Queue a record, waiting while there is no room; the result is done when the broker has stored it."""
        ...


ProducerFactory = Callable[[], Producer]
"""Builds a producer that has not been started, inside the running loop."""

BrokerProbe = Callable[[Producer], Awaitable[bool]]
"""Asks the broker whether it is there and has the topic; bounded in time."""


def partition_by_digest(key: bytes | None, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """Choose a partition from a key of hexadecimal digits that are already uniform, and so need no second hash."""
    return partitions[int(key[:8], 16) % len(partitions)] if key else partitions[0]


class Publisher:
    """Publishes to one topic. It queues nothing of its own: what is not acknowledged in time is the caller's again.

    A producer whose batch failed is replaced, because an idempotent one would fail that partition from then on (see
    `bootstrap.producer`). The old one first delivers what it still can, for the requests that wait on it.
    """

    def __init__(
        self,
        *,
        build: ProducerFactory,
        probe: BrokerProbe,
        topic: str,
        acknowledge_timeout_seconds: float,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._build = build
        self._probe = probe
        self._topic = topic
        self._timeout_seconds = acknowledge_timeout_seconds
        self._retry_seconds = retry_seconds
        self._producer: Producer | None = None
        self._broken = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._acknowledging = True

    async def start(self) -> None:
        """Begin to connect, and return at once: until there is a connection everything is refused."""
        self._supervisor = asyncio.create_task(self._keep_connected(), name="ingress-producer")
        self._supervisor.add_done_callback(_log_failure)

    async def stop(self) -> None:
        """Disconnect. Call it when no request waits any more: nothing that anybody was promised is left by then."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        if self._producer is not None:
            self._retire(self._producer)
            self._producer = None
        if self._retiring:
            _, unfinished = await asyncio.wait(self._retiring, timeout=STOP_SECONDS)
            for task in unfinished:
                task.cancel()

    async def publish(self, *, key: bytes, value: bytes, headers: RecordHeaders) -> None:
        """Return when the broker has stored the record in all in-sync replicas; else raise NotAcknowledged."""
        producer = self._producer
        if producer is None:
            raise NotAcknowledged("there is no connection to the broker")
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await (await producer.send(self._topic, value, key, headers=headers))
        except TimeoutError as error:
            self._note(acknowledging=False, reason="timeout")
            raise NotAcknowledged("the broker did not answer in time") from error
        except KafkaError as error:
            self._note(acknowledging=False, reason=repr(error))
            if producer is self._producer:
                self._broken.set()
            raise NotAcknowledged("the broker refused the record") from error
        if not self._acknowledging:
            self._note(acknowledging=True, reason="")

    def alive(self) -> bool:
        """Say whether it can still come to be ready by itself; when not, only a restart helps."""
        return self._supervisor is not None and not self._supervisor.done()

    async def ready(self) -> bool:
        """Say whether the broker answers right now and has the topic."""
        producer = self._producer
        return producer is not None and await self._probe(producer)

    async def _keep_connected(self) -> None:
        while True:
            fresh = await self._connect()
            old, self._producer = self._producer, fresh
            if old is not None:
                self._retire(old)
            # However often batches fail, producers are replaced at this pace and no faster.
            await asyncio.sleep(self._retry_seconds)
            await self._broken.wait()
            self._broken.clear()
            logger.warning("ingress_producer_replaced", topic=self._topic)

    async def _connect(self) -> Producer:
        while True:
            producer = self._build()
            try:
                await producer.start()
            except KafkaError as error:
                logger.warning("ingress_broker_unreachable", error=repr(error))
                await producer.stop()
            except asyncio.CancelledError:
                await producer.stop()
                raise
            else:
                return producer
            await asyncio.sleep(self._retry_seconds)

    def _retire(self, producer: Producer) -> None:
        task = asyncio.create_task(producer.stop(), name="ingress-producer-retiring")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _note(self, *, acknowledging: bool, reason: str) -> None:
        """Log the change and not every request: with the broker away there are thousands of them."""
        if acknowledging != self._acknowledging:
            self._acknowledging = acknowledging
            logger.warning("ingress_acknowledgement_changed", acknowledging=acknowledging, reason=reason)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("ingress_producer_lost", exc_info=error)
