"""Watches the topics that Paystream answers on, as an upstream service and a fulfilment service would."""

import asyncio
import contextlib
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from bootstrap.settings import KafkaSettings
from topics.catalog import COMMAND_RESULTS, PAYMENT_EVENTS, PAYOUT_BATCHES
from topics.commands import CommandResult
from topics.payment_events import PaymentEvent
from topics.settlement import PayoutBatch

WAIT_SECONDS = 60.0


class Watcher:
    """Keeps the newest of everything that was published, and lets callers wait for what they expect."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.results: dict[str, CommandResult] = {}
        self.payments: dict[str, PaymentEvent] = {}
        self.batches: dict[str, PayoutBatch] = {}
        self.event_count = 0

    async def start(self) -> None:
        """Begin to read, from the beginning of each topic."""
        names = [self._kafka.topic(spec) for spec in (COMMAND_RESULTS, PAYMENT_EVENTS, PAYOUT_BATCHES)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self._kafka.bootstrap_servers, fetch_max_wait_ms=50)
        await consumer.start()
        partitions = [
            TopicPartition(name, partition)
            for name in names
            for partition in sorted(consumer.partitions_for_topic(name) or await self._partitions(consumer, name))
        ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        self._task = asyncio.create_task(self._read(consumer))

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def result(self, command_id: str) -> CommandResult:
        """Wait for a command's answer."""
        await self.wait_for(lambda: command_id in self.results, f"no answer to command {command_id}")
        return self.results[command_id]

    async def wait_for(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Wait until something holds; raises TimeoutError saying what did not."""
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._changed:
                await self._changed.wait_for(holds)
        except TimeoutError as error:
            raise TimeoutError(f"{otherwise} within {WAIT_SECONDS:g} s") from error

    async def _partitions(self, consumer: AIOKafkaConsumer, topic: str) -> set[int]:
        await consumer._client.force_metadata_update()  # noqa: SLF001 - aiokafka has no public way to ask for one topic
        return set(consumer.partitions_for_topic(topic) or range(8))

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        try:
            while True:
                fetched = await consumer.getmany(timeout_ms=200)
                async with self._changed:
                    for partition, records in fetched.items():
                        for record in records:
                            self._take_in(partition.topic, record.value)
                    self._changed.notify_all()
        finally:
            await consumer.stop()

    def _take_in(self, topic: str, value: bytes) -> None:
        if topic == self._kafka.topic(COMMAND_RESULTS):
            result = CommandResult.model_validate_json(value)
            self.results[result.command_id] = result
        elif topic == self._kafka.topic(PAYMENT_EVENTS):
            event = PaymentEvent.model_validate_json(value)
            self.event_count += 1
            known = self.payments.get(event.payment_id)
            if known is None or known.sequence < event.sequence:
                self.payments[event.payment_id] = event
        else:
            batch = PayoutBatch.model_validate_json(value)
            self.batches[batch.payout_batch_id] = batch
