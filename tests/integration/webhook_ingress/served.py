"""A running ingress process, its topic, and a client."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psutil
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from devstack.ports import free_port
from devstack.stack import Stack
from tests.integration.webhook_ingress.relay import Relay, relay_to
from tests.integration.webhook_ingress.serve import RELAY_PORT_VARIABLE
from topics.admin import create_topics
from topics.catalog import RAW_WEBHOOKS

URL = "/webhooks/stripe/shop"
SIGNED = {"stripe-signature": "t=1,v1=00"}
START_SECONDS = 30
CHANGE_SECONDS = 20
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Served:
    """The ingress as gateways and operators see it."""

    client: httpx.AsyncClient
    process: Process
    relay: Relay
    stack: Stack
    topic: str

    async def post(self, body: bytes) -> int:
        """Post a callback; return the status, or 0 when there was no answer."""
        try:
            response = await self.client.post(URL, content=body, headers=SIGNED)
        except httpx.TransportError:
            return 0
        return response.status_code

    async def metric(self, name: str) -> float:
        """Read a metric that has no labels."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.split()[0] == name)

    def resident_bytes(self) -> int:
        """The memory of the process."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    async def records(self) -> list[ConsumerRecord]:
        """Everything that is on the topic now."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.stack.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
        ) as reader:
            partitions = [TopicPartition(self.topic, number) for number in range(RAW_WEBHOOKS.partitions)]
            reader.assign(partitions)
            ends = await reader.end_offsets(partitions)
            found: list[ConsumerRecord] = []
            async with asyncio.timeout(30):
                for partition in partitions:
                    while await reader.position(partition) < ends[partition]:
                        batches = await reader.getmany(partition, timeout_ms=500)
                        found.extend(record for batch in batches.values() for record in batch)
        return found

    async def until_ready(self) -> None:
        """Wait until /readyz says so."""

        async def ready() -> bool:
            assert self.process.returncode is None, f"the ingress ended with {self.process.returncode}"
            try:
                return (await self.client.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(ready, START_SECONDS)

    async def until_waiting(self, requests: int = 1) -> None:
        """Wait until so many requests wait for the broker."""

        async def waiting() -> bool:
            return await self.metric("paystream_ingress_in_flight") >= requests

        await until(waiting)


async def until(condition: Callable[[], Awaitable[bool]], timeout_seconds: float = CHANGE_SECONDS) -> None:
    """Ask again and again until the condition holds."""
    async with asyncio.timeout(timeout_seconds):
        while not await condition():  # noqa: ASYNC110 - another process's state announces itself to nobody
            await asyncio.sleep(0.02)


@asynccontextmanager
async def served(stack: Stack, topic_prefix: str, *, ready: bool = True, **settings: object) -> AsyncIterator[Served]:
    """Run the ingress in a process of its own; keyword arguments are its ingress settings."""
    await create_topics(stack.bootstrap_servers, [RAW_WEBHOOKS], prefix=topic_prefix, replication_factor=1)
    port = free_port()
    async with (
        relay_to(stack.bootstrap_servers) as relay,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=15, limits=httpx.Limits(max_connections=None)
        ) as client,
    ):
        environment = {
            **os.environ,
            **stack.environment(),
            **{f"PAYSTREAM_INGRESS__{name.upper()}": str(value) for name, value in settings.items()},
            "PAYSTREAM_INGRESS__PORT": str(port),
            "PAYSTREAM_KAFKA__TOPIC_PREFIX": topic_prefix,
            RELAY_PORT_VARIABLE: str(relay.port),
        }
        if not ready:
            relay.fall_silent()
        command = (sys.executable, "-m", "tests.integration.webhook_ingress.serve")
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        ingress = Served(client, process, relay, stack, topic_prefix + RAW_WEBHOOKS.name)
        try:
            if ready:
                await ingress.until_ready()
            yield ingress
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
