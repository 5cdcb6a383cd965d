"""The live view is compared with PostgreSQL, and rebuilt from the topic where it differs: here it is made to."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import REGISTRY
from sqlalchemy import text

from agents.records import Record
from agents.relay import Relay
from agents.settle import SettleAgent, TotalsView, totals_of, window_key
from agents.window_comparison import UNEXPLAINED_AGAIN, WindowComparison
from bootstrap.producer import build_producer
from bootstrap.settings import Settings
from domain.facts import FactKind
from domain.settlement import Recipient
from services.apply_events import apply_events
from services.audit.settlement_topic_checks import check_live_windows
from services.audit.topic_reader import Position, open_topics
from services.settle import SettlementRules, catch_up, close_windows, load_windows
from storage.outbox import SHARDS, PlannedMessage
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, fact, open_account, open_payment, received, rows
from topics.catalog import SETTLEMENT_ENTRIES, SETTLEMENT_WINDOWS
from topics.settlement import SettlementWindow

RULES = SettlementRules(window_seconds=3600, grace_seconds=0, auto_approve_threshold_minor=0, catch_up_after_seconds=0)
THREE = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
KEY = window_key(Recipient("demo", "tenant", "demo", "USD"), THREE)
NET = AMOUNT - 59


@dataclass
class Live:
    """A settle process taken apart: what Faust would hold and call, in hand."""

    settings: Settings
    database: Database
    producer: AIOKafkaProducer
    rows: dict[str, Any] = field(default_factory=dict)
    now: datetime = THREE + HOUR / 2
    taken: set[Position] = field(default_factory=set)

    async def start(self) -> None:
        """Begin anew with what the table holds."""
        kafka, windows = self.settings.kafka, await load_windows(self.database, RULES)
        self.view = TotalsView(self.rows, self.producer, kafka, windows, self.clock)
        everything = frozenset(range(SHARDS))
        self.comparison = WindowComparison(
            self.database, self.view, kafka, RULES, self.clock, lambda: everything, 10 * SECOND
        )

    def clock(self) -> datetime:
        return self.now

    async def pay(self, number: int, at: datetime, *, relayed: bool = True) -> None:
        """Capture a payment, and publish what came of it."""
        await open_payment(self.database, f"p{number}", reference=f"pi_{number}")
        captured = fact(f"evt_{number}", FactKind.CAPTURED, provider_reference=f"pi_{number}", occurred_at=at)
        await apply_events(self.database, received(captured), self.now)
        if not relayed:
            await rows(self.database, "delete from outbox returning 1")
        relay = Relay(self.database, self.producer, self.settings.kafka)
        published: Sequence[PlannedMessage] = ()
        while published := await relay.publish_next(range(SHARDS), published):
            pass

    async def new_records(self) -> list[Record]:
        """Entries that the stream brings for the first time."""
        kafka, found = self.settings.kafka, []
        async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [SETTLEMENT_ENTRIES]) as topics:
            async for chunk in topics.chunks(SETTLEMENT_ENTRIES):
                found += [record for record in chunk if record.position not in self.taken]
        self.taken.update(record.position for record in found)
        return [
            Record(
                topic=kafka.topic(SETTLEMENT_ENTRIES),
                partition=one.partition,
                offset=one.offset,
                key=one.key,
                value=one.value or b"",
                headers=one.headers,
            )
            for one in found
        ]

    async def settle(self, *, shown: bool = True) -> None:
        """Count what is new, and show it."""
        found = await self.new_records()
        await SettleAgent(self.database, RULES, self.clock).process(found)
        if shown:
            await self.view.process(found)

    async def compare(self, after: timedelta = timedelta(0)) -> None:
        """Let time pass and compare."""
        self.now += after
        await self.comparison.run()

    async def published(self) -> dict[str, SettlementWindow | None]:
        """The newest record of each window on the topic."""
        kafka, newest = self.settings.kafka, {}
        async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [SETTLEMENT_WINDOWS]) as topics:
            async for chunk in topics.chunks(SETTLEMENT_WINDOWS):
                for one in chunk:
                    value = None if one.value is None else SettlementWindow.model_validate_json(one.value)
                    newest[(one.key or b"").decode()] = value
        return newest

    async def assert_topic_is_right(self) -> None:
        """What the audit says of the topic."""
        kafka = self.settings.kafka
        async with (
            open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [SETTLEMENT_WINDOWS]) as topics,
            self.database.snapshot() as transaction,
        ):
            result = await check_live_windows(topics, transaction.connection, self.now)
        assert result.holds, result.violations


@pytest.fixture
async def live(topics_created: Settings, database: Database) -> AsyncIterator[Live]:
    """A settle process that has counted and shown one capture."""
    await open_account(database)
    async with AsyncExitStack() as stack:
        producer = build_producer(topics_created.kafka, client_id="comparison")
        await producer.start()
        stack.push_async_callback(producer.stop)
        live = Live(topics_created, database, producer)
        await live.start()
        await live.pay(1, THREE)
        await live.settle()
        yield live


def differences(verdict: str) -> float:
    """How many differences ended so, in this process."""
    found = REGISTRY.get_sample_value("paystream_settlement_window_differences_total", {"verdict": verdict})
    return found or 0.0


async def test_two_sides_that_agree_are_left_alone(live: Live) -> None:
    for _ in range(3):
        await live.compare(20 * SECOND)
    shown = (await live.published())[KEY]
    assert shown is not None
    assert (shown.net_minor, shown.captures_minor, shown.closed_at) == (NET, AMOUNT, None)
    await live.assert_topic_is_right()


async def test_a_view_that_lags_behind_is_given_time(live: Live) -> None:
    before = differences("rebuilt")
    await live.pay(2, THREE)
    behind = await live.new_records()
    await SettleAgent(live.database, RULES, live.clock).process(behind)
    await live.compare()
    await live.compare(9 * SECOND)
    await live.view.process(behind)
    await live.compare(9 * SECOND)
    assert differences("rebuilt") == before
    await live.assert_topic_is_right()


async def test_a_view_with_a_long_way_to_go_is_not_rebuilt_meanwhile(live: Live) -> None:
    before = differences("rebuilt")
    for number in (2, 3):
        await live.pay(number, THREE)
    behind = await live.new_records()
    await SettleAgent(live.database, RULES, live.clock).process(behind)
    await live.view.process(behind[:1])
    for _ in range(4):
        await live.compare(20 * SECOND)
    assert differences("rebuilt") == before
    await live.view.process(behind[1:])
    await live.compare(20 * SECOND)
    assert live.rows[KEY].entry_count == 3
    assert differences("rebuilt") == before


async def test_a_view_that_lost_an_entry_is_rebuilt_from_the_topic(live: Live) -> None:
    before = differences("rebuilt")
    await live.pay(2, THREE)
    await live.settle(shown=False)
    await live.start()
    await live.compare()
    assert totals_of(live.rows[KEY]).entry_count == 1
    await live.compare(10 * SECOND)
    assert totals_of(live.rows[KEY]).net_minor == 2 * NET
    assert differences("rebuilt") == before + 1
    await live.assert_topic_is_right()


async def test_a_view_that_counted_twice_is_rebuilt_too_and_goes_on_from_there(live: Live) -> None:
    live.rows[KEY] = live.rows[KEY].model_copy(update={"net_minor": 5, "sequence": 10_000})
    await live.compare()
    await live.compare(10 * SECOND)
    await live.pay(2, THREE)
    await live.settle()
    assert (live.rows[KEY].net_minor, live.rows[KEY].entry_count) == (2 * NET, 2)
    await live.assert_topic_is_right()


async def test_a_view_that_lost_everything_is_rebuilt_at_the_start(live: Live) -> None:
    await live.pay(2, THREE + 2 * HOUR)
    await live.settle()
    live.rows.clear()
    await live.start()
    await live.compare()
    await live.compare(10 * SECOND)
    assert {key: row.net_minor for key, row in live.rows.items()} == {
        KEY: NET,
        window_key(Recipient("demo", "tenant", "demo", "USD"), THREE + 2 * HOUR): NET,
    }


async def test_what_the_topic_no_longer_has_is_taken_from_postgresql(live: Live) -> None:
    before = differences("adopted")
    old = THREE - timedelta(days=32)
    await live.pay(2, old, relayed=False)
    await catch_up(live.database, RULES, live.now + SECOND)
    await live.compare()
    await live.compare(10 * SECOND)
    shown = await live.published()
    value = shown[window_key(Recipient("demo", "tenant", "demo", "USD"), old)]
    assert value is not None
    assert (value.net_minor, value.entry_count) == (NET, 1)
    assert differences("adopted") == before + 1


async def test_a_window_too_old_to_be_kept_is_published_as_postgresql_has_it(live: Live) -> None:
    await live.pay(2, THREE - timedelta(days=50))
    await live.settle()
    await live.compare()
    assert set(live.rows) == {KEY}
    await live.assert_topic_is_right()


async def test_when_nobody_can_say_who_is_right_it_is_told_once_in_a_while(live: Live) -> None:
    before = differences("unexplained")
    async with live.database.transaction() as transaction:
        await transaction.connection.execute(
            text("update settlement_windows set net_minor = net_minor + 1, fee_minor = fee_minor - 1")
        )
    await live.start()
    await live.compare()
    for _ in range(4):
        await live.compare(10 * SECOND)
    assert differences("unexplained") == before + 1
    assert live.rows[KEY].net_minor == NET
    await live.compare(UNEXPLAINED_AGAIN)
    assert differences("unexplained") == before + 2


async def test_a_window_that_neither_postgresql_nor_the_topic_has_is_taken_off(live: Live) -> None:
    stray = window_key(Recipient("demo", "tenant", "demo", "USD"), THREE + HOUR / 2)
    async with live.view.lock:
        await live.view.put({stray: live.rows[KEY].model_copy(update={"window_start": THREE + HOUR / 2})})
    await live.start()
    await live.compare()
    await live.compare(10 * SECOND)
    assert set(live.rows) == {KEY}
    assert (await live.published())[stray] is None
    await live.assert_topic_is_right()


async def test_how_a_window_closed_is_published_and_stays_with_it(live: Live) -> None:
    live.now = THREE + 2 * HOUR
    (closed,) = await close_windows(live.database, RULES, live.now)
    await live.compare()
    await live.pay(2, THREE)
    await live.settle()
    shown = (await live.published())[KEY]
    assert shown is not None
    assert (shown.closed_at, shown.payout_batch_id) == (live.now, str(closed.payout_batch_id))
    assert (shown.entry_count, shown.watermark) == (2, live.now)
    # The late entry gets a window of its own, which is told when it has closed, although nothing is counted in it.
    await close_windows(live.database, RULES, live.now)
    live.now += 2 * HOUR
    (late,) = await close_windows(live.database, RULES, live.now)
    await live.compare()
    told = (await live.published())[window_key(late.recipient, late.window.start)]
    assert told is not None
    assert (told.entry_count, told.payout_batch_id) == (0, str(late.payout_batch_id))
    await live.assert_topic_is_right()


async def test_windows_that_are_over_for_long_are_forgotten_and_stay_on_the_topic(live: Live) -> None:
    await live.compare()
    await live.compare(timedelta(days=36))
    await live.compare(HOUR)
    assert live.rows == {}
    assert (await live.published())[KEY] is not None


async def test_a_process_compares_only_what_it_shows(live: Live) -> None:
    comparison = WindowComparison(
        live.database, live.view, live.settings.kafka, RULES, live.clock, frozenset, timedelta(0)
    )
    live.rows.clear()
    await comparison.run()
    await comparison.run()
    assert live.rows == {}
