"""The settle process is killed again and again while it counts and closes: nothing is lost, and nothing paid twice."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bootstrap.settings import Settings
from devstack.application import Application, running_processes, variables_of
from domain.facts import Fact, FactKind
from services.apply_events import apply_events
from services.audit.report import AuditReport
from services.audit.run import audit
from services.audit.topic_reader import open_topics
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, fact, open_account, open_payment, received, rows
from topics.catalog import SETTLEMENT_WINDOWS
from topics.settlement import SettlementWindow

PAYMENTS = 240
KILLS = 6
PATIENCE_SECONDS = 90.0
WAITING = """
    select (select count(*) from outbox), (select count(*) from settlement_entries where not counted),
        (select count(*) from settlement_windows where closed_at is null)
"""
PAID_TWICE = """
    select entry_id from payout_batch_entries claimed join payout_batches batch on batch.id = claimed.payout_batch_id
    where batch.status <> 'failed' group by entry_id having count(*) > 1
"""


@pytest.fixture
async def application(topics_created: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Application]:
    """Every process, with windows of seconds."""
    await open_account(database)
    variables = variables_of(topics_created) | {
        "PAYSTREAM_SETTLEMENT__WINDOW_SECONDS": "4",
        "PAYSTREAM_SETTLEMENT__GRACE_SECONDS": "1",
        "PAYSTREAM_SETTLEMENT__CLOSE_INTERVAL_SECONDS": "0.5",
        "PAYSTREAM_WORKER__BATCH_SIZE": "20",
    }
    with running_processes(tmp_path, variables) as running:
        yield running


def history(number: int, chance: random.Random) -> list[Fact]:
    """What happens to a payment: captured, perhaps refunded or disputed, perhaps told late, repeated, out of order."""
    at = datetime.now(UTC) - timedelta(seconds=chance.choice([0, 0, 0, 5, 60]))
    about = {"provider_reference": f"pi_{number}", "occurred_at": at}
    facts = [fact(f"ch_{number}", FactKind.CAPTURED, movement_reference=f"ch_{number}", **about)]
    if chance.random() < 0.3:
        amount = chance.choice([1, 500, AMOUNT])
        facts.append(fact(f"re_{number}", FactKind.REFUNDED, movement_reference="re", amount_minor=amount, **about))
    if chance.random() < 0.1:
        facts.append(fact(f"dp_{number}", FactKind.DISPUTE_LOST, movement_reference="dp", amount_minor=300, **about))
    facts += chance.sample(facts, chance.randint(0, 1))
    chance.shuffle(facts)
    return facts


async def eventually(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_SECONDS:g} s"
        await asyncio.sleep(0.2)


async def audited(database: Database, settings: Settings) -> AuditReport:
    kafka = settings.kafka
    return await audit(database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix)


async def told_how_they_closed(settings: Settings) -> set[bool]:
    """Whether the newest records of the windows say when they closed."""
    kafka, newest = settings.kafka, {}
    async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [SETTLEMENT_WINDOWS]) as topics:
        async for chunk in topics.chunks(SETTLEMENT_WINDOWS):
            for one in chunk:
                newest[one.key] = one.value
    told = (SettlementWindow.model_validate_json(value) for value in newest.values() if value is not None)
    return {value.closed_at is not None for value in told}


async def test_kill_9_of_settle_in_mid_count_loses_and_doubles_nothing(
    application: Application, database: Database, topics_created: Settings
) -> None:
    chance = random.Random(7)  # noqa: S311 - a history to repeat, not a secret
    settle = application.processes["settle"]
    for number in range(PAYMENTS):
        await open_payment(database, f"p{number}", reference=f"pi_{number}", partner_minor=number % 3 * 100)
        for told in history(number, chance):
            await apply_events(database, received(told), datetime.now(UTC))
        if number % (PAYMENTS // KILLS) == PAYMENTS // KILLS - 1:
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            await asyncio.to_thread(settle.kill)
            await asyncio.to_thread(settle.restart)

    async def is_at_rest() -> bool:
        return await rows(database, WAITING) == [(0, 0, 0)]

    async def holds() -> bool:
        is_told = await told_how_they_closed(topics_created) == {True}
        return is_told and (await audited(database, topics_created)).holds

    await eventually(is_at_rest, "the closing of every window")
    # A view that was killed in mid-count may have to be rebuilt, which begins once a difference stands still.
    await eventually(holds, "a clean audit")
    assert await rows(database, PAID_TWICE) == []
    counted = await rows(database, "select count(*), count(payout_batch_id) from settlement_entries")
    assert counted[0][0] == counted[0][1], (counted, (await audited(database, topics_created)).to_json())
