"""The real worker against a gateway that has its effect and never answers: the payer is charged once, and told."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from bootstrap.producer import build_producer
from bootstrap.settings import Settings
from bootstrap.wiring import build_key_ring
from devstack.application import Application, running_processes, variables_of
from services.accounts import set_credentials
from services.audit.run import audit
from storage.unit_of_work import Database
from tests.gateways.serving import serving
from tests.gateways.stripe import SECRET_KEY
from tests.integration.services.books import AMOUNT, open_account, rows
from topics.catalog import COMMANDS
from topics.commands import AuthorizePayment, Command, CreatePayment, PaymentCommand, RefundPayment

PATIENCE_SECONDS = 90.0
ASKED = {"account": "demo", "payment_id": "p1", "requested_at": datetime(2026, 1, 2, tzinfo=UTC)}


@pytest.fixture(scope="module")
def stripe_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local Stripe that keeps idempotency keys and loses answers on request."""
    with serving("tests.gateways.stripe", tmp_path_factory.mktemp("stripe")) as url:
        yield url


@pytest.fixture
async def application(
    topics_created: Settings, database: Database, stripe_url: str, tmp_path: Path
) -> AsyncIterator[Application]:
    """Ingress, worker and settle, with an account `demo` at the local Stripe."""
    await open_account(database)
    credentials = {
        "secret_key": SECRET_KEY,
        "publishable_key": "pk_test_local",
        "webhook_secret": "whsec_local",
        "api_base": stripe_url,
    }
    await set_credentials(database, build_key_ring(topics_created.keys), "demo", "stripe", credentials)
    variables = variables_of(topics_created) | {"PAYSTREAM_RECONCILE__INTERVAL_SECONDS": "0.5"}
    with running_processes(tmp_path, variables) as running:
        yield running


class Shop:
    """An upstream service that sends commands and waits for what the tables say."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    async def send(self, command: Command, state: str) -> str:
        """Send a command and return its outcome once it has come to a state."""
        producer = build_producer(self._settings.kafka, client_id="shop")
        await producer.start()
        try:
            record = PaymentCommand(command=command)
            topic = self._settings.kafka.topic(COMMANDS)
            await producer.send_and_wait(topic, key=b"p1", value=record.model_dump_json().encode())
        finally:
            await producer.stop()
        return await self.outcome(command.command_id, state)

    async def outcome(self, command_id: str, state: str) -> str:
        """Wait until a command has come to a state, and return its outcome."""
        result: dict[str, object] = {}

        async def has_come() -> bool:
            found = {row[0]: row[1:] for row in await rows(self._database, "select id, state, result from commands")}
            known_state, known_result = found.get(command_id, (None, None))
            if isinstance(known_result, dict):
                result.update(known_result)
            return known_state == state

        await eventually(has_come, f"{command_id} {state}")
        return str(result["outcome"])


async def eventually(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for the pipeline."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_SECONDS:g} s"
        await asyncio.sleep(0.1)


async def test_a_refund_whose_answer_never_came_is_made_once_and_answered(
    application: Application, database: Database, topics_created: Settings, stripe_url: str
) -> None:
    shop = Shop(topics_created, database)
    order = CreatePayment(
        **ASKED,
        command_id="c1",
        gateway="stripe",
        amount_minor=AMOUNT,
        currency="USD",
        resource_type="order",
        resource_id="o1",
    )
    assert await shop.send(order, "finished") == "succeeded"
    card = AuthorizePayment(**ASKED, command_id="c2", payment_method_token="pm_card_visa")
    assert await shop.send(card, "finished") == "succeeded"
    async with httpx.AsyncClient(base_url=stripe_url) as control:
        await control.post("/_control/faults/silent_after")
        refund = RefundPayment(**ASKED, command_id="c3", amount_minor=400)
        assert await shop.send(refund, "unknown") == "unknown"
        assert await shop.outcome("c3", "finished") == "succeeded"
        movements = (await control.get("/_control/movements")).json()
    assert (movements["charge"], movements["capture"], movements["refund"]) == (1, 1, 1)
    assert await rows(database, "select status, captured_minor, refunded_minor from payments") == [
        ("partially_refunded", AMOUNT, 400)
    ]

    async def published() -> bool:
        return await rows(
            database, "select (select count(*) from outbox), count(*) from settlement_entries where not counted"
        ) == [(0, 0)]

    await eventually(published, "the relay's work")
    kafka = topics_created.kafka
    report = await audit(database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix)
    assert report.holds, report.to_json()
