"""Two workers are restarted one after the other while callbacks come in: nothing is lost and nothing counts twice."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from bootstrap.settings import Settings
from bootstrap.wiring import build_key_ring
from devstack.application import Application, running_processes, variables_of
from devstack.processes import ManagedProcess
from services.accounts import set_credentials
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, balances, open_account, open_payment, rows
from tests.integration.test_pipeline import CREDENTIALS, assert_clean, drained, eventually, post, signed, succeeded

pytestmark = pytest.mark.integration

PAYMENTS = 240
ROUNDS = 2
PAUSE_SECONDS = 0.02


class Traffic:
    """Posts one callback after another, and each of them twice, until all payments are paid."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.posted = 0

    async def run(self) -> None:
        async with httpx.AsyncClient() as http:
            for number in range(PAYMENTS):
                body = succeeded(number)
                for _ in range(2):
                    assert await post(http, self._application, body, signed(body)) == 200
                self.posted += 1
                await asyncio.sleep(PAUSE_SECONDS)


@pytest.fixture
def second_worker(topics_created: Settings, tmp_path: Path) -> Iterator[ManagedProcess]:
    """A worker beside the application's own."""
    worker = ManagedProcess("second worker")
    worker.start(
        [sys.executable, "-m", "cli.main", "worker"], tmp_path / "second-worker.log", variables_of(topics_created)
    )
    yield worker
    worker.stop()


@pytest.fixture
async def application(topics_created: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Application]:
    """Ingress, worker and settle, with an account and its payments."""
    await open_account(database)
    await set_credentials(database, build_key_ring(topics_created.keys), "demo", "stripe", CREDENTIALS)
    for number in range(PAYMENTS):
        await open_payment(database, f"p{number}", reference=f"pi_{number}")
    with running_processes(tmp_path, variables_of(topics_created)) as running:
        yield running


async def test_workers_restarted_in_turn_under_traffic_lose_and_double_nothing(
    application: Application, second_worker: ManagedProcess, database: Database, topics_created: Settings
) -> None:
    traffic = Traffic(application)
    posting = asyncio.create_task(traffic.run())
    for round_number in range(ROUNDS):
        for worker in (application.processes["worker"], second_worker):
            reached = traffic.posted

            async def some_more(least: int = min(PAYMENTS, reached + PAYMENTS // (4 * ROUNDS))) -> bool:
                return posting.done() or traffic.posted >= least

            await eventually(some_more, f"traffic in round {round_number}")
            await asyncio.to_thread(worker.restart)
    await posting
    assert second_worker.is_running
    await eventually(lambda: drained(database, PAYMENTS), "every callback's way through")
    assert await rows(database, "select status, count(*) from payments group by 1") == [("completed", PAYMENTS)]
    assert (await balances(database))["gateway:stripe:receivable"] == PAYMENTS * AMOUNT
    figures = await assert_clean(database, topics_created)
    assert (figures["raw"], figures["applied"], figures["duplicates"]) == (2 * PAYMENTS, PAYMENTS, PAYMENTS)
