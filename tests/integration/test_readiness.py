"""Ingress, API and worker say what is missing while the real broker and the real database are stopped."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from bootstrap.settings import Settings
from bootstrap.wiring import build_key_ring
from devstack.application import variables_of
from devstack.ports import free_port
from devstack.processes import ManagedProcess
from devstack.stack import Stack
from services.accounts import set_credentials
from storage.unit_of_work import Database
from tests.integration.pausing import paused
from tests.integration.services.books import open_account
from tests.integration.test_pipeline import CREDENTIALS, eventually, signed, succeeded

pytestmark = pytest.mark.integration

MAX_LAG_RECORDS = 5
Answer = tuple[int, dict[str, object]]


class Processes:
    """What answers, and at which ports."""

    def __init__(self, http: httpx.AsyncClient, ports: dict[str, int]) -> None:
        self.http = http
        self.ports = ports

    async def ready(self, name: str) -> Answer:
        try:
            response = await self.http.get(f"http://127.0.0.1:{self.ports[name]}/readyz")
        except httpx.TransportError:
            return 0, {}
        return response.status_code, response.json()

    async def all_ready(self) -> bool:
        return [(await self.ready(name))[0] for name in self.ports] == [200] * len(self.ports)

    async def post(self, number: int) -> int:
        body = succeeded(number)
        url = f"http://127.0.0.1:{self.ports['ingress']}/webhooks/stripe/demo"
        return (await self.http.post(url, content=body, headers=signed(body))).status_code


@pytest.fixture
def started(topics_created: Settings, tmp_path: Path) -> Iterator[dict[str, int]]:
    """Run ingress, API and worker; yield their ports."""
    ports = {"ingress": free_port(), "api": free_port(), "worker": free_port()}
    variables = variables_of(topics_created) | {
        "PAYSTREAM_INGRESS__PORT": str(ports["ingress"]),
        "PAYSTREAM_API__PORT": str(ports["api"]),
        "PAYSTREAM_WORKER__METRICS_PORT": str(ports["worker"]),
        "PAYSTREAM_READINESS__MAX_LAG_RECORDS": str(MAX_LAG_RECORDS),
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
async def processes(started: dict[str, int], topics_created: Settings, database: Database) -> AsyncIterator[Processes]:
    """The same, with an account at Stripe, once all of them are ready."""
    await open_account(database)
    await set_credentials(database, build_key_ring(topics_created.keys), "demo", "stripe", CREDENTIALS)
    async with httpx.AsyncClient(timeout=20) as http:
        running = Processes(http, started)
        await eventually(running.all_ready, "readiness")
        yield running


async def test_a_stopped_broker_stops_what_needs_it_and_nothing_else(processes: Processes, stack: Stack) -> None:
    async def told() -> bool:
        return (await processes.ready("worker"))[1].get("broker") is False

    with paused(stack.broker_server):
        status, content = await processes.ready("ingress")
        assert (status, content["broker"], content["directory"]) == (503, False, True)
        await eventually(told, "the worker's noticing")
        status, content = await processes.ready("worker")
        assert (status, content["lag"], content["database"]) == (503, False, True)
        assert (await processes.ready("api"))[0] == 200
        assert await processes.post(1) == 503
    await eventually(processes.all_ready, "readiness once the broker goes on")


async def test_a_stopped_database_stops_what_needs_it_and_lag_is_told_until_it_is_gone(
    processes: Processes, stack: Stack, database: Database
) -> None:
    async def told() -> bool:
        content = (await processes.ready("worker"))[1]
        return content.get("database") is False and content.get("lag") is False

    with paused(stack.postgres_server):
        status, content = await processes.ready("api")
        assert (status, content["database"]) == (503, False)
        # Callbacks are taken all the same, and wait where the broker keeps them.
        assert (await processes.ready("ingress"))[0] == 200
        assert [await processes.post(number) for number in range(4 * MAX_LAG_RECORDS)] == [200] * 4 * MAX_LAG_RECORDS
        await eventually(told, "the worker's noticing")
        status, content = await processes.ready("worker")
        assert (status, content["broker"]) == (503, True)
    await eventually(processes.all_ready, "readiness once the database goes on and the lag is gone")
    assert (await processes.ready("worker"))[1]["lag"] is True


async def test_messages_that_wait_for_the_relay_are_told_by_their_age(database: Database) -> None:
    async with database.transaction() as transaction:
        assert await transaction.outbox.waiting_seconds() == 0
        await transaction.connection.exec_driver_sql(
            "insert into outbox (shard, aggregatetype, aggregateid, type, payload, headers, created_at)"
            " values (0, 't', 'a', 't', '{}', '{}', now() - interval '90 seconds'),"
            " (1, 't', 'a', 't', '{}', '{}', now())"
        )
        assert 90 <= await transaction.outbox.waiting_seconds() < 600
