"""The upstream service: sends commands, again until Kafka has them, and listens to results and domain events."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from bootstrap.settings import KafkaSettings
from domain.payment import Status
from topics.catalog import COMMAND_RESULTS, COMMANDS, PAYMENT_EVENTS
from topics.commands import Command, CommandResult, PaymentCommand
from topics.payment_events import PaymentEvent
from topics.spec import DEFAULT_PARTITIONS

REQUEST_MILLISECONDS = 6_000
AGAIN_SECONDS = 0.5
FETCH_WAIT_MILLISECONDS = 50

Told = Callable[[PaymentEvent, float], None]
"""Hears of a domain event, and when it came, on the monotonic clock."""


class Upstream:
    """One client of Paystream's topics. `sent` are the commands that Kafka has acknowledged."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        # Without idempotence, as upstream services may be: the command's id is what makes a repeat harmless.
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap_servers, acks="all", request_timeout_ms=REQUEST_MILLISECONDS
        )
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers,
            fetch_max_wait_ms=FETCH_WAIT_MILLISECONDS,
            request_timeout_ms=REQUEST_MILLISECONDS,
        )
        self._changed = asyncio.Condition()
        self._reading: asyncio.Task[None] | None = None
        self._final: dict[str, CommandResult] = {}
        self._newest: dict[str, PaymentEvent] = {}
        self.sent: dict[str, Command] = {}
        self.unknown_answers = 0
        self.listeners: list[Told] = []

    async def start(self) -> None:
        """Connect, and read both topics from their beginning."""
        await self._producer.start()
        await self._consumer.start()
        names = [self._kafka.topic(spec) for spec in (COMMAND_RESULTS, PAYMENT_EVENTS)]
        partitions = [TopicPartition(name, number) for name in names for number in range(DEFAULT_PARTITIONS)]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_beginning(*partitions)
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Disconnect."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        await self._consumer.stop()
        await self._producer.stop()

    @property
    def open_commands(self) -> int:
        """How many commands have no final result yet, as far as was heard."""
        return len(self.sent.keys() - self._final.keys())

    @property
    def completed(self) -> int:
        """How many payments have been captured, as far as was heard."""
        return sum(event.captured_minor > 0 for event in self._newest.values())

    async def run(self, command: Command, *, times: int = 1) -> CommandResult:
        """Send a command, perhaps several times over, and wait for its final result, however long it takes."""
        for _ in range(times):
            await self._send(command)
        async with self._changed:
            await self._changed.wait_for(lambda: command.command_id in self._final)
        return self._final[command.command_id]

    async def until(self, payment_id: str, *statuses: Status) -> None:
        """Wait until a domain event tells that a payment has one of the statuses, however long it takes."""

        def has() -> bool:
            newest = self._newest.get(payment_id)
            return newest is not None and newest.status in statuses

        async with self._changed:
            await self._changed.wait_for(has)

    async def _send(self, command: Command) -> None:
        value = PaymentCommand(command=command).model_dump_json().encode()
        while True:
            try:
                await self._producer.send_and_wait(
                    self._kafka.topic(COMMANDS), key=command.subject_id.encode(), value=value
                )
            except KafkaError:
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self.sent[command.command_id] = command
                return

    async def _read(self) -> None:
        results = self._kafka.topic(COMMAND_RESULTS)
        while True:
            try:
                fetched = await self._consumer.getmany(timeout_ms=200)
            except KafkaError:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            async with self._changed:
                for partition, records in fetched.items():
                    for record in records:
                        if partition.topic == results:
                            self._take_result(CommandResult.model_validate_json(record.value))
                        else:
                            self._take_event(PaymentEvent.model_validate_json(record.value))
                self._changed.notify_all()

    def _take_result(self, result: CommandResult) -> None:
        if result.outcome == "unknown":
            self.unknown_answers += 1
        else:
            self._final.setdefault(result.command_id, result)

    def _take_event(self, event: PaymentEvent) -> None:
        now = time.monotonic()
        known = self._newest.get(event.payment_id)
        if known is None or known.sequence < event.sequence:
            self._newest[event.payment_id] = event
        for listener in self.listeners:
            listener(event, now)
