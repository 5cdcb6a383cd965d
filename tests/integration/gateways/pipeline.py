"""The running pipeline, and what upstream and fulfilment see of it."""

import asyncio
import json
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bootstrap.wiring import build_key_ring
from devstack.application import Application
from services.accounts import create_account, set_credentials
from storage.accounts import Account
from storage.unit_of_work import Database
from tests.integration.services.books import rows
from topics.catalog import COMMAND_RESULTS, COMMANDS, PAYMENT_EVENTS

PATIENCE_SECONDS = 60.0


@dataclass(kw_only=True)
class Pipeline:
    """Sends commands, and keeps the results and events that come of them."""

    application: Application
    database: Database
    producer: AIOKafkaProducer
    results: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    events: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def callback_url(self, gateway: str, account: str) -> str:
        """Where the gateway posts the account's callbacks."""
        return f"{self.application.ingress_url}/webhooks/{gateway}/{account}"

    async def open_account(self, account: str, gateway: str, credentials: dict[str, Any]) -> None:
        """Make an account with credentials at a gateway, and wait until its callbacks are taken."""
        ring = build_key_ring(self.application.settings.keys)
        await create_account(self.database, Account(account, account, 290, 30))
        await set_credentials(self.database, ring, account, gateway, credentials)

        async def is_known() -> bool:
            async with httpx.AsyncClient() as http:
                return (await http.post(self.callback_url(gateway, account))).status_code != httpx.codes.NOT_FOUND

        await eventually(is_known, "the ingress learning of the account")

    async def run(self, kind: str, **values: object) -> dict[str, Any]:
        """Send a command and wait for its final result."""
        command_id = f"{kind}-{secrets.token_hex(6)}"
        command = {"kind": kind, "command_id": command_id, "requested_at": datetime.now(UTC).isoformat(), **values}
        topic = self.application.settings.kafka.topic(COMMANDS)
        key = str(values["payment_id"]).encode()
        await self.producer.send_and_wait(topic, value=json.dumps({"command": command}).encode(), key=key)

        async def is_final() -> bool:
            return any(result["outcome"] != "unknown" for result in self.results[command_id])

        await eventually(is_final, f"the result of {kind}")
        return next(result for result in self.results[command_id] if result["outcome"] != "unknown")

    async def until_status(self, payment_id: str, *statuses: str) -> None:
        """Wait until a payment has one of the statuses."""

        async def has() -> bool:
            return (await self.payment(payment_id))["status"] in statuses

        await eventually(has, f"{payment_id} becoming {' or '.join(statuses)}")

    async def until_event(self, payment_id: str, event: str) -> dict[str, Any]:
        """Wait for a domain event; returns it."""

        async def has_come() -> bool:
            return any(each["type"] == event for each in self.events[payment_id])

        await eventually(has_come, f"{event} of {payment_id}")
        return next(each for each in self.events[payment_id] if each["type"] == event)

    async def payment(self, payment_id: str) -> dict[str, Any]:
        """What the database says of a payment."""
        found = await rows(
            self.database, "select id, provider_reference, status, captured_minor, refunded_minor from payments"
        )
        columns = ("id", "provider_reference", "status", "captured_minor", "refunded_minor")
        return next(dict(zip(columns, row, strict=True)) for row in found if row[0] == payment_id)


async def eventually(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for the pipeline."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_SECONDS:g} s"
        await asyncio.sleep(0.1)


@asynccontextmanager
async def listening(application: Application, database: Database) -> AsyncIterator[Pipeline]:
    """Connect to a running application as upstream and fulfilment do."""
    kafka = application.settings.kafka
    results_topic, events_topic = kafka.topic(COMMAND_RESULTS), kafka.topic(PAYMENT_EVENTS)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all")
    consumer = AIOKafkaConsumer(
        results_topic, events_topic, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    pipeline = Pipeline(application=application, database=database, producer=producer)

    async def read() -> None:
        async for record in consumer:
            message = json.loads(record.value)
            kept = pipeline.results if record.topic == results_topic else pipeline.events
            kept[record.key.decode()].append(message)

    reading = asyncio.create_task(read())
    try:
        yield pipeline
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await consumer.stop()
        await producer.stop()
