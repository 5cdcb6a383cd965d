"""What the agents of one process share: settings, pool, producer, connectors, the clock."""

import asyncio
from datetime import timedelta
from functools import cached_property

from aiokafka import AIOKafkaProducer

from agents.dead_letter_limit import DeadLetterLimit, count_since
from agents.dead_letters import DeadLetters
from agents.guard import Guard
from bootstrap.clock import Clock, system_clock
from bootstrap.credential_changes import CredentialChanges
from bootstrap.producer import build_producer
from bootstrap.settings import Settings
from bootstrap.wiring import build_database, build_gateways
from services.gateways import Gateways
from storage.unit_of_work import Database
from topics.catalog import dead_letter
from topics.spec import TopicSpec


class Runtime:
    """Built once per process; the producer starts inside the event loop, at the first use."""

    def __init__(self, settings: Settings, process: str, clock: Clock = system_clock) -> None:
        self.settings = settings
        self.process = process
        self.clock = clock
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    @cached_property
    def database(self) -> Database:
        """The pool of connections."""
        return build_database(self.settings, self.process)

    @cached_property
    def gateways(self) -> Gateways:
        """The connectors of every account."""
        return build_gateways(self.settings, self.database)

    async def follow_credentials(self) -> None:
        """Have connectors built anew as soon as their credentials have changed, until cancelled."""
        gateways = self.gateways
        await CredentialChanges(self.database, changed=gateways.forget, missed=gateways.forget_all).run()

    async def producer(self) -> AIOKafkaProducer:
        """The idempotent producer for everything that is forwarded."""
        async with self._starting:
            if self._producer is None:
                # Agents send whole batches: there is no company to wait for.
                client_id = f"paystream-{self.process}"
                producer = build_producer(self.settings.kafka, client_id=client_id, linger_milliseconds=0)
                await producer.start()
                self._producer = producer
            return self._producer

    async def guard(self, name: str, source: TopicSpec) -> Guard:
        """The guard of one agent, with the dead-letter topic of its source."""
        producer, kafka, worker = await self.producer(), self.settings.kafka, self.settings.worker
        topic, window_seconds = dead_letter(source), worker.dead_letter_window_seconds
        limit = DeadLetterLimit(
            name,
            count=worker.dead_letter_limit,
            window_seconds=window_seconds,
            already=await count_since(kafka, topic, self.clock() - timedelta(seconds=window_seconds)),
        )
        return Guard(name, DeadLetters(producer, kafka, topic, self.clock), limit=limit)

    async def close(self) -> None:
        """Flush the producer and give the connections back."""
        if self._producer is not None:
            await self._producer.stop()
        await self.database.close()
