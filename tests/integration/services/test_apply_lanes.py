"""A backlog is applied in several transactions at a time; what fails in one of them can be tried again."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import text

from agents.apply import ApplyAgent
from agents.records import Record
from domain.facts import Fact, FactKind
from storage.outbox import SHARDS, OutboxMessage, PlannedMessage, shard_of
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, events, fact, open_account, open_payment, rows
from topics.gateway_events import GatewayEvent

LANES = 2


@pytest.fixture
async def books(database: Database) -> Database:
    """A database with one account and two pending payments."""
    await open_account(database)
    await open_payment(database)
    await open_payment(database, "p2", reference="pi_2")
    return database


def record(value: bytes, partition: int) -> Record:
    return Record(topic="facts", partition=partition, offset=0, key=None, value=value, headers=())


def told(one: Fact, partition: int) -> Record:
    return record(GatewayEvent.from_fact(one).model_dump_json().encode(), partition)


FIRST = told(fact("evt_1", FactKind.CAPTURED), 0)
SECOND = told(fact("evt_2", FactKind.CAPTURED, provider_reference="pi_2"), 1)


async def test_more_than_a_batch_is_applied_in_as_many_transactions_as_there_are_lanes(books: Database) -> None:
    agent = ApplyAgent(books, lambda: NOW, batch_size=1, lanes=LANES)
    await agent.process([FIRST, SECOND])
    assert await rows(books, "select count(distinct xmin::text), count(*) from inbox") == [(2, 2)]
    assert sorted(await events(books)) == ["capture.succeeded"] * 2 + ["payment.completed"] * 2


async def test_what_fits_in_a_batch_is_one_transaction(books: Database) -> None:
    await ApplyAgent(books, lambda: NOW, batch_size=2, lanes=LANES).process([FIRST, SECOND])
    assert await rows(books, "select count(distinct xmin::text), count(*) from inbox") == [(1, 2)]


async def test_what_fails_in_one_lane_is_raised_after_the_other_has_committed_and_can_be_tried_again(
    books: Database,
) -> None:
    agent = ApplyAgent(books, lambda: NOW, batch_size=1, lanes=LANES)
    with pytest.raises(ValueError, match="GatewayEvent"):
        await agent.process([FIRST, record(b"no fact", 1)])
    assert await rows(books, "select gateway_event_id from inbox") == [("evt_1",)]
    await agent.process([FIRST, SECOND])
    assert await rows(books, "select count(*) from ledger_transactions") == [(2,)]


async def add_messages(database: Database, *keys: str) -> None:
    messages = [
        OutboxMessage(topic="t", key=key, type="kind", payload=json.dumps({"key": key}), headers=(("h", "1"),))
        for key in keys
    ]
    async with database.transaction() as transaction:
        await transaction.outbox.add(messages)


async def plan(database: Database, limit: int) -> list[PlannedMessage]:
    async with database.transaction() as transaction:
        return await transaction.outbox.plan(range(SHARDS), limit)


async def test_a_plan_over_many_shards_is_kept_until_it_is_finished_and_numbers_each_shard_by_itself(
    database: Database,
) -> None:
    keys = [f"key-{number}" for number in range(40)]
    await add_messages(database, *keys)
    planned = await plan(database, 25)
    await add_messages(database, *keys)
    again = await plan(database, 0)
    assert sorted(again, key=lambda one: one.id) == planned
    for shard in range(SHARDS):
        of_shard = [one for one in planned if one.shard == shard]
        assert [one.message.key for one in of_shard] == [key for key in keys[:25] if shard_of(key) == shard]
        assert [one.sequence for one in of_shard] == list(range(1, len(of_shard) + 1))


async def test_finished_messages_are_gone_and_their_numbers_never_come_again(database: Database) -> None:
    keys = [f"key-{number}" for number in range(20)]
    await add_messages(database, *keys, *keys)
    seen: list[tuple[int, int]] = []
    planned: list[PlannedMessage] = []
    while True:
        async with database.transaction() as transaction:
            if planned:
                await transaction.outbox.finish(planned)
            planned = await transaction.outbox.plan(range(SHARDS), 7)
        if not planned:
            break
        seen += [(one.shard, one.sequence) for one in planned]
    assert len(seen) == len(set(seen)) == 2 * len(keys)
    assert await rows(database, "select count(*) from outbox") == [(0,)]
    assert await rows(database, "select sum(last_sequence)::bigint from relay_shards") == [(2 * len(keys),)]


async def test_messages_of_one_key_go_in_the_order_of_their_writing_whoever_began_first(database: Database) -> None:
    """A batch begins, waits for a payment that another transaction changes, and writes of it once that has ended."""
    begin = text("select pg_current_xact_id()")
    message = OutboxMessage(topic="t", key="key", type="first", payload="{}", headers=())
    async with database.transaction() as unconcerned:
        await unconcerned.connection.execute(begin)
        async with database.transaction() as waiting:
            await waiting.connection.execute(begin)
            async with database.transaction() as holding:
                await holding.outbox.add([message])
            await waiting.outbox.add([replace(message, type="second")])
        planned = await plan(database, 10)
    assert [(one.message.type, one.sequence) for one in planned] == [("first", 1), ("second", 2)]


async def test_a_plan_that_is_no_longer_ours_is_left_alone(database: Database) -> None:
    await add_messages(database, "one", "two")
    planned = await plan(database, 10)
    await rows(database, "update relay_shards set pending_ids = pending_ids || 0::bigint returning 1")
    async with database.transaction() as transaction:
        await transaction.outbox.finish(planned)
    assert await rows(database, "select count(*) from outbox") == [(2,)]
