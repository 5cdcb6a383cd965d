"""The audit against real tables and real topics: clean when all is well, and exact when something is not."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator

import pytest
import typer
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner, Result

from bootstrap.settings import DatabaseSettings, KafkaSettings, Settings
from cli.audit import audit as audit_command
from devstack.databases import create_database_async, drop_database_async
from devstack.databases import database_url as url_of
from devstack.ports import free_port
from devstack.stack import Stack
from domain.errors import NotFound
from services.audit.report import AuditReport
from services.audit.run import audit, audit_database
from storage.outbox import shard_of
from storage.unit_of_work import Database
from tests.integration.services.audited_pipeline import Pipeline, busy_evening, create, fact
from topics.admin import create_topics
from topics.catalog import (
    COMMANDS,
    GATEWAY_EVENTS,
    PAYMENT_EVENTS,
    PAYOUT_BATCHES,
    REJECTED_WEBHOOKS,
    SETTLEMENT_ENTRIES,
    SETTLEMENT_WINDOWS,
    TOPICS,
)
from topics.message import SEQUENCE_HEADER, header
from topics.webhooks import RawPosition

NOBODY = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
async def pipeline(topics_created: Settings, database: Database) -> AsyncIterator[Pipeline]:
    """A pipeline of this test's own, at rest after a busy evening."""
    async with busy_evening(topics_created, database) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
async def evening(stack: Stack, template_database: str) -> AsyncIterator[str]:
    """The name of a database after a busy evening, to be copied by tests that spoil tables only."""
    name, prefix = f"paystream_evening_{secrets.token_hex(6)}", f"t{secrets.token_hex(4)}."
    await create_database_async(stack.database_url, name, template=template_database)
    url = url_of(stack.database_url, name)
    kafka = KafkaSettings(
        bootstrap_servers=stack.bootstrap_servers, idempotence=stack.idempotence, topic_prefix=prefix
    )
    await create_topics(kafka.bootstrap_servers, TOPICS, prefix=prefix, replication_factor=1)
    database = Database(url)
    async with busy_evening(Settings(kafka=kafka, database=DatabaseSettings(url=SecretStr(url))), database):
        await database.close()
    yield name
    await drop_database_async(stack.database_url, name)


@pytest.fixture
async def morning_after(stack: Stack, evening: str) -> AsyncIterator[Database]:
    """A copy of the database after the evening."""
    name = f"paystream_test_{secrets.token_hex(6)}"
    await create_database_async(stack.database_url, name, template=evening)
    database = Database(url_of(stack.database_url, name))
    yield database
    await database.close()
    await drop_database_async(stack.database_url, name)


async def _audit(pipeline: Pipeline) -> AuditReport:
    kafka = pipeline.settings.kafka
    return await audit(pipeline.database, kafka.bootstrap_servers, kafka.topic_prefix)


async def _spoil(database: Database, *statements: str) -> None:
    """Change tables behind the back of their triggers and foreign keys."""
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("set local session_replication_role = replica"))
        for statement in statements:
            await transaction.connection.execute(text(statement))


async def _ask(database: Database, query: str) -> set[str]:
    async with database.transaction() as transaction:
        return set((await transaction.connection.execute(text(query))).scalars())


def _violated(report: AuditReport) -> set[str]:
    return {check.name for check in report.checks if not check.holds}


def _subjects(report: AuditReport) -> set[str]:
    return {violation.subject for check in report.checks for violation in check.violations}


async def test_a_busy_evening_leaves_nothing_to_complain_about(pipeline: Pipeline) -> None:
    report = await _audit(pipeline)
    assert (_violated(report), _subjects(report)) == (set(), set())
    assert report.holds
    assert [check.name for check in report.checks if not check.examined] == []
    figures = {check.name: check.figures for check in report.checks}["raw_accounted"]
    assert figures == {
        "raw": 18,
        "applied": 6,
        "duplicates": 2,
        "ignored": 3,
        "orphaned": 1,
        "rejected": 4,
        "rejected:signature_invalid": 2,
        "rejected:signature_stale": 2,
        "dead_lettered": 2,
    }


async def test_an_empty_house_is_in_order(topics_created: Settings, database: Database) -> None:
    kafka = topics_created.kafka
    report = await audit(database, kafka.bootstrap_servers, kafka.topic_prefix)
    assert report.holds
    assert {check.examined for check in report.checks if check.name != "outbox_drained"} == {0}


LEDGER_TRANSACTION = (
    "insert into ledger_transactions (id, account, payment_id, cause, currency, occurred_at, recorded_at)"
    " values ('{id}', 'demo', {payment}, 'capture', 'USD', now(), now())"
)
POSTING = "insert into ledger_postings values ('{id}', {line}, '{account}', 'USD', {amount})"
BATCH = (
    "insert into payout_batches (id, account, recipient_type, recipient_id, currency, gross_minor, fee_minor,"
    " net_minor, entry_count, payment_count, period_start, period_end, status, created_by, created_at)"
    f" values ('{NOBODY}', 'demo', 'tenant', 'demo', 'USD', 5, 0, 5, 1, 1, now(), now(), 'draft', 'x', now())"
)
CAPTURED_FOR_TENANT = "recipient_type = 'tenant' and cause = 'capture'"
WINDOW = "account || ':' || recipient_type || ':' || recipient_id || ':' || currency || ':' || window_start"

SPOILED_TABLES = {
    "a transaction out of balance": (
        "ledger_zero_sum",
        [
            LEDGER_TRANSACTION.format(id=NOBODY, payment="null"),
            POSTING.format(id=NOBODY, line=1, account="fees:revenue", amount=5),
        ],
        f"select '{NOBODY}'",
    ),
    "a transaction without postings": (
        "ledger_zero_sum",
        [LEDGER_TRANSACTION.format(id=NOBODY, payment="null")],
        f"select '{NOBODY}'",
    ),
    "a time that no fact has": (
        "payments_match_facts",
        ["update payments set paid_at = paid_at + interval '1 second' where id = 'p1'"],
        "select 'p1'",
    ),
    "a sum that no fact makes": (
        "payments_match_facts",
        ["update payments set authorized_minor = 1 where id = 'p2'"],
        "select 'p2'",
    ),
    "a fact that is gone": (
        "payments_match_facts",
        ["delete from inbox where payment_id = 'p4' and kind = 'refunded'"],
        "select 'p4'",
    ),
    "a conflict that is gone": (
        "payments_match_facts",
        ["delete from inbox where payment_id = 'p4' and reason = 'event_id_conflict'"],
        "select 'p4'",
    ),
    "a balanced transaction too many": (
        "payments_match_ledger",
        [
            LEDGER_TRANSACTION.format(id=NOBODY, payment="'p1'"),
            POSTING.format(id=NOBODY, line=1, account="gateway:stripe:receivable", amount=1),
            POSTING.format(id=NOBODY, line=2, account="fees:revenue", amount=-1),
        ],
        "select 'p1'",
    ),
    "a transaction that is gone": (
        "payments_match_ledger",
        [
            "delete from ledger_postings using ledger_transactions where transaction_id = id and payment_id = 'p3'",
            "delete from ledger_transactions where payment_id = 'p3'",
        ],
        "select 'p3'",
    ),
    "a cent that went from one payment's entry to another's": (
        "entries_match_payments",
        [
            "update settlement_entries set gross_minor = gross_minor + 1, net_minor = net_minor + 1"
            f" where payment_id = 'p1' and {CAPTURED_FOR_TENANT}",
            "update settlement_entries set gross_minor = gross_minor - 1, net_minor = net_minor - 1"
            f" where payment_id = 'p2' and {CAPTURED_FOR_TENANT}",
        ],
        "values ('p1'), ('p2')",
    ),
    "entries whose net is not gross less fee": (
        "entries_match_payments",
        [
            "alter table settlement_entries drop constraint settlement_entries_check",
            "update settlement_entries set net_minor = net_minor + case cause when 'capture' then 1 else -1 end"
            " where payment_id = 'p1' and recipient_type = 'tenant'",
        ],
        "select 'p1'",
    ),
    "entries of another period": (
        "entries_claimed_once",
        ["update payout_batches set period_end = period_start where recipient_type = 'partner'"],
        "select id::text from settlement_entries where recipient_type = 'partner'",
    ),
    "a batch that counts one entry more": (
        "batch_totals",
        ["update payout_batches set entry_count = entry_count + 1 where recipient_type = 'partner'"],
        "select id::text from payout_batches where recipient_type = 'partner'",
    ),
    "a batch without entries": ("batch_totals", [BATCH], f"select '{NOBODY}'"),
    "a batch that pays nothing": (
        "batch_totals",
        [
            "alter table payout_batches drop constraint payout_batches_net_minor_check",
            BATCH.replace("5, 0, 5", "5, 5, 0"),
        ],
        f"select '{NOBODY}'",
    ),
    "a window that closed with no batch there is": (
        "batch_totals",
        [f"update settlement_windows set payout_batch_id = '{NOBODY}' where currency = 'JPY'"],
        f"select {WINDOW} from settlement_windows where currency = 'JPY'",
    ),
    "a window with a cent too many": (
        "window_totals",
        [
            "update settlement_windows set gross_minor = gross_minor + 1, net_minor = net_minor + 1"
            " where recipient_type = 'partner'"
        ],
        f"select {WINDOW} from settlement_windows where recipient_type = 'partner'",
    ),
    "an entry that is not counted": (
        "window_totals",
        ["update settlement_entries set counted = false where payment_id = 'p3' and cause = 'refund'"],
        "select id::text from settlement_entries where payment_id = 'p3' and cause = 'refund' union"
        f" select {WINDOW} from settlement_windows where currency = 'JPY' and net_minor < 0",
    ),
    "counted entries without a window": (
        "window_totals",
        ["delete from settlement_windows where recipient_type = 'partner'"],
        "select id::text from settlement_entries where recipient_type = 'partner'",
    ),
    "a message that waits": (
        "outbox_drained",
        [
            "insert into outbox (shard, aggregatetype, aggregateid, type, payload, headers)"
            " values (0, 'payments.events.v1', 'p1', 'x', '{}', '[]')"
        ],
        "select id::text from outbox",
    ),
    "a plan that was not finished": (
        "outbox_drained",
        ["update relay_shards set pending_ids = '{7}' where shard = 3"],
        "select 'shard 3'",
    ),
    "a command without an answer": (
        "commands_answered",
        ["update commands set state = 'started' where id = 'create_p2'"],
        "select 'create_p2'",
    ),
    "a status that no transition led to": (
        "status_transitions",
        ["delete from transitions where payment_id = 'p2'"],
        "select 'p2'",
    ),
    "a chain of transitions that is broken": (
        "status_transitions",
        ["update transitions set from_status = 'cancelled' where payment_id = 'p1' and to_status like '%refunded'"],
        "select 'p1'",
    ),
}


@pytest.mark.parametrize(("check", "statements", "subjects"), SPOILED_TABLES.values(), ids=SPOILED_TABLES)
async def test_a_spoiled_table_fails_exactly_its_check_and_is_named(
    morning_after: Database, check: str, statements: list[str], subjects: str
) -> None:
    assert (await audit_database(morning_after)).holds
    await _spoil(morning_after, *statements)
    report = await audit_database(morning_after)
    assert _violated(report) == {check}
    assert _subjects(report) == await _ask(morning_after, subjects)


async def test_a_gateway_that_refunded_more_than_it_captured_is_named(pipeline: Pipeline) -> None:
    await pipeline.callback(fact("p2", "refunded", 1_500, movement="re_2", after_seconds=3))
    await pipeline.settle_down()
    report = await _audit(pipeline)
    assert (_violated(report), _subjects(report)) == ({"refunds_within_captures"}, {"p2"})


async def test_raw_callbacks_without_exactly_one_fate_are_named(pipeline: Pipeline) -> None:
    applied = await pipeline.callback(fact("p5", "processing"))
    await pipeline.settle_down()
    both = dict(RawPosition(partition=applied[0], offset=applied[1]).headers())
    await pipeline.send(REJECTED_WEBHOOKS, "evening", b"", {**both, "ps_reason": "signature_invalid"})
    unverified = await pipeline.callback(fact("p5", "captured", 1_000, movement="ch_5"))
    unapplied = await pipeline.callback()
    position = dict(RawPosition(partition=unapplied[0], offset=unapplied[1]).headers())
    await pipeline.send(GATEWAY_EVENTS, "stripe:pi_p5", b"no fact and no dead letter", position)
    report = await _audit(pipeline)
    assert _violated(report) == {"raw_accounted"}
    assert _subjects(report) == {
        f"partition {partition} offset {offset}" for partition, offset in (applied, unverified, unapplied)
    }


async def test_commands_without_a_result_are_named(pipeline: Pipeline) -> None:
    await pipeline.command(create("p7"))
    partition, offset = await pipeline.send(COMMANDS, "p8", b"no command and no dead letter", {})
    report = await _audit(pipeline)
    assert _violated(report) == {"commands_on_topic_answered"}
    assert _subjects(report) == {"create_p7", f"partition {partition} offset {offset}"}


async def _events(pipeline: Pipeline, payment_id: str) -> list[tuple[dict[str, object], str]]:
    """The events of a payment with their relay sequence."""
    records = [record for record in await pipeline.records(PAYMENT_EVENTS) if record.key == payment_id.encode()]
    return [(json.loads(record.value or b""), header(record.headers, SEQUENCE_HEADER) or "") for record in records]


async def _send_event(pipeline: Pipeline, event: dict[str, object], relayed: str | int) -> None:
    payment_id = str(event["payment_id"])
    value, headers = json.dumps(event).encode(), {SEQUENCE_HEADER: relayed}
    await pipeline.send(PAYMENT_EVENTS, payment_id, value, headers, partition=shard_of(payment_id))


async def test_events_that_a_relay_repeats_after_a_crash_are_fine(pipeline: Pipeline) -> None:
    for event, relayed in await _events(pipeline, "p1"):
        await _send_event(pipeline, event, relayed)
    assert (await _audit(pipeline)).holds


async def test_events_that_break_the_numbering_are_named(pipeline: Pipeline) -> None:
    (repeated, relayed), (renumbered, its_relayed), *_ = await _events(pipeline, "p2")
    await _send_event(pipeline, repeated, int(relayed) + 10_000)
    await _send_event(pipeline, {**renumbered, "sequence": 50}, its_relayed)
    await _send_event(pipeline, {"id": "from-the-future", "payment_id": "p1", "sequence": 99}, 20_000)
    await _send_event(pipeline, {"id": "from-the-past", "payment_id": "p3", "sequence": 1}, 1)
    await _send_event(pipeline, {"id": "of-nobody", "payment_id": "p9", "sequence": 1}, 30_000)
    await _spoil(pipeline.database, "update payments set event_sequence = event_sequence + 1 where id = 'p4'")
    report = await _audit(pipeline)
    assert _violated(report) == {"events_complete"}
    assert _subjects(report) == {repeated["id"], renumbered["id"], "p1", "from-the-past", "p9", "p4"}


async def test_entries_that_only_topic_or_table_has_are_named(pipeline: Pipeline) -> None:
    spoiled = "payment_id = 'p3' and cause = 'capture'"
    find = f"select id::text from settlement_entries where {spoiled}"
    before = await _ask(pipeline.database, find)
    await _spoil(pipeline.database, f"update settlement_entries set id = '{NOBODY}' where {spoiled}")
    partition, offset = await pipeline.send(SETTLEMENT_ENTRIES, "demo", b"no entry", {})
    report = await _audit(pipeline)
    assert _violated(report) == {"entries_on_topic"}
    assert _subjects(report) == {*before, NOBODY, f"partition {partition} offset {offset}"}


async def test_batches_that_differ_from_their_newest_record_are_named(pipeline: Pipeline) -> None:
    (partners,) = await _ask(
        pipeline.database, "select id::text from payout_batches where recipient_type = 'partner'"
    )
    await _spoil(pipeline.database, f"update payout_batches set bank_reference = 'B1' where id = '{partners}'")
    value = {"status": "draft", "net_minor": 1}
    await pipeline.send(PAYOUT_BATCHES, NOBODY, json.dumps(value).encode(), {})
    report = await _audit(pipeline)
    assert _violated(report) == {"batches_on_topic"}
    assert _subjects(report) == {partners, NOBODY}


async def test_live_windows_that_differ_from_the_tables_are_named(pipeline: Pipeline) -> None:
    newest = {record.key: record for record in await pipeline.records(SETTLEMENT_WINDOWS)}
    key, record = next((key, record) for key, record in newest.items() if b"partner" in (key or b""))
    value = json.loads(record.value or b"")
    name = (key or b"").decode()
    await pipeline.send(
        SETTLEMENT_WINDOWS,
        name,
        json.dumps({**value, "entry_count": value["entry_count"] + 1}).encode(),
        {},
        partition=record.partition,
    )
    await pipeline.send(SETTLEMENT_WINDOWS, "a window of nobody", json.dumps(value).encode(), {})
    report = await _audit(pipeline)
    assert _violated(report) == {"live_windows"}
    assert _subjects(report) == {name, "a window of nobody"}


async def test_a_missing_topic_is_an_error_of_its_own(stack: Stack, database: Database) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.payments\.events\.v1"):
        await audit(database, stack.bootstrap_servers, "nowhere.")


async def test_an_audit_writes_nothing_and_can_not(pipeline: Pipeline) -> None:
    query = "select xact_commit::text from pg_stat_database limit 0"
    assert await _ask(pipeline.database, query) == set()
