"""The whole way, with real processes: what is forged gets nowhere, what is repeated counts once, what dies returns."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from bootstrap.settings import Settings
from bootstrap.wiring import build_key_ring
from devstack.application import Application, running_processes, variables_of
from services.accounts import set_credentials
from services.audit.run import audit
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, balances, open_account, open_payment, rows

SECRET = "whsec_pipeline"
CREDENTIALS = {"secret_key": "sk_test_pipeline", "publishable_key": "pk_test_pipeline", "webhook_secret": SECRET}
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def application(topics_created: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Application]:
    """Ingress, worker and settle, with an account `demo` at Stripe."""
    await open_account(database)
    await set_credentials(database, build_key_ring(topics_created.keys), "demo", "stripe", CREDENTIALS)
    variables = variables_of(topics_created) | {
        "PAYSTREAM_SETTLEMENT__WINDOW_SECONDS": "3600",
        "PAYSTREAM_INGRESS__RATE_LIMIT_PER_SECOND": "5000",
        "PAYSTREAM_INGRESS__RATE_LIMIT_BURST": "5000",
    }
    with running_processes(tmp_path, variables) as running:
        yield running


def succeeded(number: int, *, event: str = "evt", amount: int = AMOUNT) -> bytes:
    """Stripe's webhook of a paid intent."""
    intent = {"id": f"pi_{number}", "object": "payment_intent", "amount": amount, "amount_received": amount}
    intent |= {"currency": "usd", "status": "succeeded", "latest_charge": f"ch_{number}", "metadata": {}}
    body = {"id": f"{event}_{number}", "object": "event", "created": int(time.time()), "livemode": False}
    return json.dumps(body | {"type": "payment_intent.succeeded", "data": {"object": intent}}).encode()


def signed(body: bytes, secret: str = SECRET, age_seconds: int = 0) -> dict[str, str]:
    """The header Stripe sends."""
    timestamp = int(time.time()) - age_seconds
    signature = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={timestamp},v1={signature}"}


async def post(http: httpx.AsyncClient, application: Application, body: bytes, headers: dict[str, str]) -> int:
    response = await http.post(f"{application.ingress_url}/webhooks/stripe/demo", content=body, headers=headers)
    return response.status_code


async def eventually(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for the pipeline."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_SECONDS:g} s"
        await asyncio.sleep(0.1)


async def drained(database: Database, facts: int) -> bool:
    """Whether so many facts are in, and everything that came of them is published and counted."""
    counts = await rows(
        database,
        "select (select count(*) from inbox), (select count(*) from outbox),"
        " (select count(*) from settlement_entries where not counted)",
    )
    return counts == [(facts, 0, 0)]


async def assert_clean(database: Database, settings: Settings) -> dict[str, int]:
    """Audit everything and return the figures of the raw callbacks."""
    kafka = settings.kafka
    report = await audit(database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix)
    assert report.holds, report.to_json()
    return dict(next(check.figures for check in report.checks if check.name == "raw_accounted"))


async def test_forged_and_stale_callbacks_never_reach_a_payment(
    application: Application, database: Database, topics_created: Settings
) -> None:
    await open_payment(database, "p1", reference="pi_1")
    await open_payment(database, "p2", reference="pi_2")
    genuine, forged = succeeded(2), succeeded(1)
    async with httpx.AsyncClient() as http:
        assert await post(http, application, forged, signed(forged, "whsec_of_a_thief")) == 200
        assert await post(http, application, forged, signed(forged, age_seconds=3_600)) == 200
        assert await post(http, application, forged, signed(forged, age_seconds=-3_600)) == 200
        assert await post(http, application, forged, {"stripe-signature": "t=1,v1=00"}) == 200
        assert await post(http, application, forged, {}) == 401
        assert await post(http, application, genuine, signed(genuine)) == 200
    await eventually(lambda: drained(database, 1), "the genuine callback's way through")
    assert await rows(database, "select id, status from payments order by id") == [
        ("p1", "pending"),
        ("p2", "completed"),
    ]
    assert await rows(database, "select gateway_event_id from inbox") == [("evt_2",)]
    figures = await assert_clean(database, topics_created)
    assert (figures["raw"], figures["applied"], figures["rejected"]) == (5, 1, 4)


async def test_the_same_callback_fifty_times_at_once_is_one_effect(
    application: Application, database: Database, topics_created: Settings
) -> None:
    await open_payment(database, "p1", reference="pi_1")
    body = succeeded(1)
    headers = signed(body)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=50)) as http:
        statuses = await asyncio.gather(*(post(http, application, body, headers) for _ in range(50)))
    assert statuses == [200] * 50
    await eventually(lambda: drained(database, 1), "the callback's way through")
    figures: dict[str, int] = {}
    # The last repeats may still be under way when the first has had its effect.
    await eventually(lambda: _all_raw_accounted(database, topics_created, figures, 50), "the repeats' way through")
    assert (figures["raw"], figures["applied"], figures["duplicates"]) == (50, 1, 49)
    assert await rows(database, "select count(*) from inbox") == [(1,)]
    assert await rows(database, "select count(*) from ledger_transactions") == [(1,)]
    assert await rows(database, "select event_sequence from payments") == [(2,)]
    await assert_clean(database, topics_created)


async def _all_raw_accounted(database: Database, settings: Settings, figures: dict[str, int], expected: int) -> bool:
    kafka = settings.kafka
    report = await audit(database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix)
    check = next(check for check in report.checks if check.name == "raw_accounted")
    figures.update(check.figures)
    return check.holds and check.examined == expected


async def test_kill_9_of_the_worker_in_mid_batch_loses_and_doubles_nothing(
    application: Application, database: Database, topics_created: Settings
) -> None:
    payments = 300
    for number in range(payments):
        await open_payment(database, f"p{number}", reference=f"pi_{number}", partner_minor=number % 7)
    worker = application.processes["worker"]
    async with httpx.AsyncClient() as http:
        for number in range(payments):
            body = succeeded(number)
            assert await post(http, application, body, signed(body)) == 200
            if number % 60 == 30:
                await asyncio.to_thread(worker.kill)
                await asyncio.to_thread(worker.restart)
    await eventually(lambda: drained(database, payments), "every callback's way through")
    assert await rows(database, "select status, count(*) from payments group by 1") == [("completed", payments)]
    books = await balances(database)
    assert books["gateway:stripe:receivable"] == payments * AMOUNT
    assert sum(books.values()) == 0
    figures = await assert_clean(database, topics_created)
    assert figures["raw"] == payments
