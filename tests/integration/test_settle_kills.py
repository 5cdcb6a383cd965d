"""The settle process is killed again and again while it counts, shows and closes, on a real broker and PostgreSQL.

The stream is that of the proof in tests/property: captures, refunds and disputes of two accounts in three currencies,
late, repeated and out of order, with people who pay batches and give them up meanwhile. At the end every entry is in
one batch that has not failed, and Faust's totals are PostgreSQL's, in the table and on the topic.
"""

import asyncio
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agents.settle import record_of, window_key
from bootstrap.producer import build_producer
from bootstrap.settings import Settings
from devstack.application import Application, running_processes, variables_of
from domain.facts import Fact
from domain.schedule import fixed_schedule
from domain.window_totals import WindowTotals
from services.apply_events import apply_events
from services.audit.report import AuditReport
from services.audit.run import audit
from services.audit.topic_reader import open_topics
from storage.unit_of_work import Database
from tests.integration.services.books import open_account, received, rows
from tests.property.settlement_actions import SettlementActions
from tests.property.settlement_books import check_books
from tests.property.settlement_stream import CURRENCIES, history
from topics.catalog import SETTLEMENT_CHANGELOG, SETTLEMENT_ENTRIES, SETTLEMENT_WINDOWS
from topics.spec import TopicSpec

SEED = 7 if os.environ.get("CI") else random.SystemRandom().randrange(1_000_000)
Key = Callable[[bytes], str]
SHOWN: tuple[tuple[TopicSpec, Key], ...] = ((SETTLEMENT_WINDOWS, bytes.decode), (SETTLEMENT_CHANGELOG, json.loads))
ACCOUNTS = ("demo", "shop")
PAYMENTS = 160
KILLS = 5
PATIENCE_SECONDS = 90.0
WAITING = """
    select (select count(*) from outbox), (select count(*) from settlement_entries where not counted),
        (select count(*) from settlement_windows where closed_at is null)
"""
UNPAID = """
    select entry.id from settlement_entries entry left join payout_batches batch on batch.id = entry.payout_batch_id
    where batch.id is null or batch.status = 'failed'
"""


@pytest.fixture
async def application(topics_created: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Application]:
    """Every process, with windows of seconds."""
    for account in ACCOUNTS:
        await open_account(database, account)
    variables = variables_of(topics_created) | {
        "PAYSTREAM_SETTLEMENT__WINDOW_SECONDS": "4",
        "PAYSTREAM_SETTLEMENT__GRACE_SECONDS": "1",
        "PAYSTREAM_SETTLEMENT__CLOSE_INTERVAL_SECONDS": "0.5",
        "PAYSTREAM_WORKER__BATCH_SIZE": "20",
    }
    with running_processes(tmp_path, variables) as running:
        yield running


def now() -> datetime:
    return datetime.now(UTC)


class Life:
    """What happens to the books while the processes run, all of it by one chance."""

    def __init__(self, database: Database, settings: Settings, chance: random.Random) -> None:
        self._database = database
        self._settings = settings
        self._chance = chance
        self.people = SettlementActions(database, now)
        self.untold: list[Fact] = []
        self.told: dict[str, list[Fact]] = defaultdict(list)

    async def pay_and_tell(self) -> None:
        """Make a payment, and have some callbacks come in, of this one or of another."""
        chance = self._chance
        account, currency = chance.choice(ACCOUNTS), chance.choice(CURRENCIES)
        name, amount = await self.people.take_payment(account, currency, chance)
        self.untold += history(name, account, currency, amount, now(), chance)
        chance.shuffle(self.untold)
        size = chance.randint(0, min(8, len(self.untold)))
        await self.tell(self.untold[:size])
        self.untold = self.untold[size:]

    async def tell(self, facts: list[Fact]) -> None:
        """Have callbacks come in, with one of them twice."""
        repeated = [*facts, *self._chance.sample(facts, min(1, len(facts)))]
        self._chance.shuffle(repeated)
        await apply_events(self._database, received(*repeated), now())
        for fact in facts:
            self.told[fact.provider_reference.removeprefix("pi_")].append(fact)

    async def handle_a_batch(self) -> None:
        """Have people pay a batch, or give it up."""
        if batches := await self.people.batches(at_their_end=False):
            await self.people.pay(self._chance.choice(batches), self._chance.choice(("execute", "complete", "fail")))

    async def repeat_entries(self) -> None:
        """Publish some entries once more, as a relay does that died before it noted them."""
        kafka = self._settings.kafka
        producer = build_producer(kafka, client_id="repeating")
        await producer.start()
        try:
            async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [SETTLEMENT_ENTRIES]) as topics:
                async for chunk in topics.chunks(SETTLEMENT_ENTRIES):
                    for one in self._chance.sample(chunk, len(chunk) // 3):
                        await producer.send_and_wait(
                            kafka.topic(SETTLEMENT_ENTRIES),
                            key=one.key,
                            value=one.value,
                            partition=one.partition,
                            headers=list(one.headers),
                        )
        finally:
            await producer.stop()


async def eventually(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_SECONDS:g} s (seed {SEED})"
        await asyncio.sleep(0.2)


async def audited(database: Database, settings: Settings) -> AuditReport:
    kafka = settings.kafka
    return await audit(database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix)


async def newest(settings: Settings, spec: TopicSpec) -> dict[bytes, dict[str, Any]]:
    """The newest value of each key of a topic."""
    kafka = settings.kafka
    found: dict[bytes, bytes | None] = {}
    async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [spec]) as topics:
        async for chunk in topics.chunks(spec):
            found |= {one.key or b"": one.value for one in chunk}
    return {key: json.loads(value) for key, value in found.items() if value is not None}


async def shown_and_counted(database: Database, settings: Settings) -> tuple[Any, Any, Any]:
    """Each window as the topic, Faust's table and PostgreSQL have it: totals, and how it closed."""
    told = ("closed_at", "payout_batch_id", *asdict(WindowTotals()))
    topic, table = [
        {read(key): {name: value[name] for name in told} for key, value in (await newest(settings, spec)).items()}
        for spec, read in SHOWN
    ]
    async with database.transaction() as transaction:
        pages = [page async for page in transaction.settlement.windows_changed(datetime.min.replace(tzinfo=UTC))]
    counted = {
        window_key(row.recipient, row.window.start): record_of(row).model_dump(mode="json", include=set(told))
        for page in pages
        for row, _ in page
        if row.totals.entry_count or window_key(row.recipient, row.window.start) in topic
    }
    return topic, table, counted


async def live(life: Life, application: Application, chance: random.Random) -> None:
    """Make and tell payments while people handle batches and processes die; the worker dies once, settle often."""
    await life.people.set_schedule("shop", fixed_schedule(3))
    await life.people.set_reserve("shop", 1_000, 1)
    for number in range(PAYMENTS):
        await life.pay_and_tell()
        if chance.randint(0, 9) == 0:
            await life.handle_a_batch()
        if number % (PAYMENTS // KILLS) == PAYMENTS // KILLS - 1:
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            dying = ["settle", "worker"] if number == PAYMENTS // KILLS * 2 - 1 else ["settle"]
            for name in dying:
                await asyncio.to_thread(application.processes[name].kill)
            for name in dying:
                await asyncio.to_thread(application.processes[name].restart)


async def test_kill_9_of_settle_loses_and_doubles_nothing(
    application: Application, database: Database, topics_created: Settings
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a history to repeat, not a secret
    life = Life(database, topics_created, chance)
    await live(life, application, chance)
    await life.tell(life.untold)
    await life.repeat_entries()

    async def is_at_rest() -> bool:
        return await rows(database, WAITING) == [(0, 0, 0)]

    async def is_shown() -> bool:
        topic, table, counted = await shown_and_counted(database, topics_created)
        return bool(topic == table == counted)

    async def holds() -> bool:
        return (await audited(database, topics_created)).holds

    await eventually(is_at_rest, "the closing of every window")
    for name, account, currency, amount in await life.people.bring_in_what_is_owed_to_us():
        await life.tell(history(name, account, currency, amount, now(), None))

    async def is_paid() -> bool:
        return await is_at_rest() and await rows(database, UNPAID) == []

    await eventually(is_paid, "the claim of every entry by one batch")
    # A view that was killed in mid-count may have to be rebuilt, which begins once a difference stands still.
    await eventually(is_shown, "the same totals in the table, on the topic and in PostgreSQL")
    await eventually(holds, "a clean audit")
    await check_books(database, life.told)
