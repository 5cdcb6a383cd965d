"""More than can be stored: the ingress refuses what is too much, keeps what it promised, and the worker catches up."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.lag import Lag
from agents.worker import APP_ID
from bootstrap.settings import Settings
from bootstrap.wiring import build_key_ring
from devstack.application import variables_of
from devstack.ports import free_port
from devstack.processes import ManagedProcess
from devstack.stack import Stack
from services.accounts import set_credentials
from storage.unit_of_work import Database
from tests.integration.pausing import paused
from tests.integration.services.books import open_account, rows
from tests.integration.test_pipeline import CREDENTIALS, assert_clean, eventually, signed, succeeded
from topics.catalog import GATEWAY_EVENTS, RAW_WEBHOOKS

pytestmark = pytest.mark.integration

MAX_IN_FLIGHT = 20
CLIENTS = 3 * MAX_IN_FLIGHT
"""Three times what the ingress takes on."""
POSTS_PER_CLIENT = 4


@pytest.fixture
def ports(topics_created: Settings, tmp_path: Path) -> Iterator[dict[str, int]]:
    """Run an ingress that takes on very little, and a worker; yield their ports."""
    ports = {"ingress": free_port(), "worker": free_port()}
    variables = variables_of(topics_created) | {
        "PAYSTREAM_INGRESS__PORT": str(ports["ingress"]),
        "PAYSTREAM_INGRESS__MAX_IN_FLIGHT": str(MAX_IN_FLIGHT),
        "PAYSTREAM_INGRESS__RATE_LIMIT_BURST": "100000",
        "PAYSTREAM_WORKER__METRICS_PORT": str(ports["worker"]),
    }
    processes = {name: ManagedProcess(name) for name in ports}
    try:
        for name, process in processes.items():
            process.start([sys.executable, "-m", "cli.main", name], tmp_path / f"{name}.log", variables)
        yield ports
    finally:
        for process in processes.values():
            process.stop()


@pytest.fixture
async def http(ports: dict[str, int], topics_created: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the ingress once both processes are ready."""
    await open_account(database)
    await set_credentials(database, build_key_ring(topics_created.keys), "demo", "stripe", CREDENTIALS)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:

        async def ready() -> bool:
            try:
                answers = [await client.get(f"http://127.0.0.1:{port}/readyz") for port in ports.values()]
            except httpx.TransportError:
                return False
            return all(answer.status_code == 200 for answer in answers)

        await eventually(ready, "readiness")
        yield client


async def raw_bodies(settings: Settings) -> set[bytes | None]:
    """Every body on the raw topic."""
    topic = settings.kafka.topic(RAW_WEBHOOKS)
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    ) as reader:
        partitions = [TopicPartition(topic, number) for number in range(RAW_WEBHOOKS.partitions)]
        reader.assign(partitions)
        ends = await reader.end_offsets(partitions)
        found: set[bytes | None] = set()
        while any([await reader.position(each) < ends[each] for each in partitions]):
            batches = await reader.getmany(timeout_ms=200)
            found.update(record.value for batch in batches.values() for record in batch)
        return found


async def test_what_is_too_much_is_refused_and_nothing_that_was_acknowledged_is_lost(
    http: httpx.AsyncClient, ports: dict[str, int], topics_created: Settings, database: Database, stack: Stack
) -> None:
    acknowledged: set[bytes] = set()
    statuses: Counter[int] = Counter()
    url = f"http://127.0.0.1:{ports['ingress']}/webhooks/stripe/demo"

    async def client(number: int) -> None:
        for post in range(POSTS_PER_CLIENT):
            body = succeeded(number * POSTS_PER_CLIENT + post)
            response = await http.post(url, content=body, headers=signed(body))
            statuses[response.status_code] += 1
            if response.status_code == 200:
                acknowledged.add(body)
            else:
                assert response.status_code in {429, 503}
                assert int(response.headers["retry-after"]) >= 1

    async def refused() -> bool:
        return statuses[503] >= CLIENTS

    await asyncio.gather(*map(client, range(MAX_IN_FLIGHT)))
    with paused(stack.broker_server):
        storm = asyncio.gather(*map(client, range(MAX_IN_FLIGHT, MAX_IN_FLIGHT + CLIENTS)))
        await eventually(refused, "refusals")
    await storm
    assert statuses[200] >= POSTS_PER_CLIENT
    assert statuses[200] == len(acknowledged)
    assert sum(statuses.values()) == (MAX_IN_FLIGHT + CLIENTS) * POSTS_PER_CLIENT

    async def taken_again() -> bool:
        body = succeeded(10**6)
        return (await http.post(url, content=body, headers=signed(body))).status_code == 200

    await eventually(taken_again, "taking callbacks again")
    assert acknowledged <= await raw_bodies(topics_created)

    lag = Lag(topics_created.kafka, topics_created.kafka.topic_prefix + APP_ID, (RAW_WEBHOOKS, GATEWAY_EVENTS))

    async def caught_up() -> bool:
        return await lag.records() == 0

    await eventually(caught_up, "the lag's end")
    await lag.close()
    facts = {row[0] for row in await rows(database, "select gateway_event_id from inbox")}
    # What was stored and not acknowledged in time is applied as well: the gateway sends it again, and once is enough.
    assert {json.loads(body)["id"] for body in acknowledged} <= facts
    await assert_clean(database, topics_created)
