"""Writes callbacks to Kafka and keeps a usable producer at hand: connects, reconnects, and replaces a broken one."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiokafka.errors import KafkaError

from domain.errors import PaystreamError
from topics.message import RecordHeaders
from webhook_ingress.batches import Batches, Producer, Tell

RETRY_SECONDS = 0.5
STOP_SECONDS = 3.0

logger = structlog.stdlib.get_logger(__name__)


class NotAcknowledged(PaystreamError):
    """The broker did not say in time that the record is stored. It may be stored all the same, or still come to be."""

    code = "not_acknowledged"


ProducerFactory = Callable[[], Producer]
"""Builds a producer that has not been started, inside the running loop."""

BrokerProbe = Callable[[Producer], Awaitable[bool]]
"""Asks the broker whether it is there and has the topic; bounded in time."""


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
        self._acknowledge_timeout_seconds = acknowledge_timeout_seconds
        self._retry_seconds = retry_seconds
        self._batches: Batches | None = None
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
        if self._batches is not None:
            self._retire(self._batches)
            self._batches = None
        if self._retiring:
            _, unfinished = await asyncio.wait(self._retiring, timeout=STOP_SECONDS)
            for task in unfinished:
                task.cancel()

    def publish(self, *, key: bytes, value: bytes, headers: RecordHeaders, tell: Tell) -> None:
        """Send a record; `tell` is called in time with what is for `check`. Raises NotAcknowledged when unconnected."""
        if self._batches is None:
            raise NotAcknowledged("there is no connection to the broker")
        self._batches.add(key=key, value=value, headers=headers, tell=tell)

    def check(self, error: Exception | None) -> None:
        """Return when the broker has stored the record in all in-sync replicas; else raise NotAcknowledged."""
        if error is None:
            if not self._acknowledging:
                self._note(acknowledging=True, reason="")
        elif isinstance(error, TimeoutError):
            self._note(acknowledging=False, reason="timeout")
            raise NotAcknowledged("the broker did not answer in time") from error
        elif isinstance(error, KafkaError):
            self._note(acknowledging=False, reason=repr(error))
            if self._batches is not None and self._batches.failed:
                self._broken.set()
            raise NotAcknowledged("the broker refused the record") from error
        else:
            raise error

    def alive(self) -> bool:
        """Say whether it can still come to be ready by itself; when not, only a restart helps."""
        return self._supervisor is not None and not self._supervisor.done()

    async def ready(self) -> bool:
        """Say whether the broker answers right now and has the topic."""
        batches = self._batches
        return batches is not None and await self._probe(batches.producer)

    async def _keep_connected(self) -> None:
        while True:
            fresh = Batches(await self._connect(), self._topic, self._acknowledge_timeout_seconds)
            old, self._batches = self._batches, fresh
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

    def _retire(self, batches: Batches) -> None:
        task = asyncio.create_task(batches.close(), name="ingress-producer-retiring")
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
