"""The audit against real tables and real topics: clean when all is well, and exact when something is not."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator

import pytest
import typer
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
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
from tests.integration.own_topics import own_topics
from tests.integration.services.audited_pipeline import Pipeline, busy_evening, create, fact
from tests.integration.services.spoiled_tables import NOBODY, SPOILED_TABLES, WITHOUT_GUARDS, Spoiled
from topics.catalog import (
    COMMANDS,
    GATEWAY_EVENTS,
    PAYMENT_EVENTS,
    PAYOUT_BATCHES,
    REJECTED_WEBHOOKS,
    SETTLEMENT_ENTRIES,
    SETTLEMENT_WINDOWS,
)
from topics.message import SEQUENCE_HEADER, header
from topics.spec import TopicSpec
from topics.webhooks import RawPosition


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
    kafka = KafkaSettings(bootstrap_servers=stack.bootstrap_servers, idempotence=stack.idempotence, topic_prefix=prefix)
    settings = Settings(kafka=kafka, database=DatabaseSettings(url=SecretStr(url)))
    database = Database(url)
    async with own_topics(kafka), busy_evening(settings, database):
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
    """Change tables in ways that their triggers and foreign keys, which are taken away first, would refuse."""
    async with database.transaction() as transaction:
        for statement in (WITHOUT_GUARDS, *statements):
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


@pytest.mark.parametrize("spoiled", SPOILED_TABLES.values(), ids=SPOILED_TABLES)
async def test_a_spoiled_table_fails_exactly_its_check_and_is_named(morning_after: Database, spoiled: Spoiled) -> None:
    assert (await audit_database(morning_after)).holds
    await _spoil(morning_after, spoiled.statement)
    report = await audit_database(morning_after)
    assert _violated(report) == {spoiled.check}
    assert _subjects(report) == await _ask(morning_after, spoiled.subjects)


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
    before = await _ask(
        pipeline.database, "select id::text from settlement_entries where payment_id = 'p3' and cause = 'capture'"
    )
    await _spoil(
        pipeline.database,
        "update payout_batch_entries set entry_id = '00000000-0000-4000-8000-000000000001'"
        " from settlement_entries entry where entry.id = entry_id and payment_id = 'p3' and cause = 'capture'",
        "update settlement_entries set id = '00000000-0000-4000-8000-000000000001'"
        " where payment_id = 'p3' and cause = 'capture'",
    )
    partition, offset = await pipeline.send(SETTLEMENT_ENTRIES, "demo", b"no entry", {})
    report = await _audit(pipeline)
    assert _violated(report) == {"entries_on_topic"}
    assert _subjects(report) == {*before, NOBODY, f"partition {partition} offset {offset}"}


async def test_batches_that_differ_from_their_newest_record_are_named(pipeline: Pipeline) -> None:
    (partners,) = await _ask(pipeline.database, "select id::text from payout_batches where recipient_type = 'partner'")
    await _spoil(pipeline.database, "update payout_batches set bank_reference = 'B1' where recipient_type = 'partner'")
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


async def _forget_the_past(pipeline: Pipeline, *specs: TopicSpec) -> None:
    """Take every record there is off these topics, as retention does."""
    kafka = pipeline.settings.kafka
    everything = {
        TopicPartition(kafka.topic(spec), partition): RecordsToDelete(before_offset=-1)
        for spec in specs
        for partition in range(spec.partitions)
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records(everything)
    finally:
        await admin.close()


async def test_what_retention_took_off_the_topics_is_not_missed(stack: Stack, pipeline: Pipeline) -> None:
    if stack.broker == "tansu":
        pytest.skip("Tansu keeps every record: there is no retention to imitate")
    await _forget_the_past(pipeline, PAYMENT_EVENTS, SETTLEMENT_ENTRIES)
    assert _violated(await _audit(pipeline)) == {"events_complete", "entries_on_topic"}
    await _spoil(pipeline.database, "update payments set created_at = created_at - interval '31 days'")
    await _spoil(pipeline.database, "update settlement_entries set recorded_at = recorded_at - interval '31 days'")
    assert (await _audit(pipeline)).holds


async def test_a_missing_topic_is_an_error_of_its_own(stack: Stack, database: Database) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.payments\.events\.v1"):
        await audit(database, stack.bootstrap_servers, "nowhere.")


async def _paystream_audit(*arguments: str, **settings: str) -> Result:
    """Run the command, in a thread because it brings an event loop of its own."""
    app = typer.Typer()
    app.command()(audit_command)
    environment = {f"PAYSTREAM_{name.upper()}": value for name, value in settings.items()}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, app, arguments)


async def test_the_command_shows_ticks_and_figures_and_ends_well(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    result = await _paystream_audit(
        database__url=settings.database_url,
        kafka__bootstrap_servers=settings.kafka.bootstrap_servers,
        kafka__topic_prefix=settings.kafka.topic_prefix,
    )
    assert result.exit_code == 0, result.output
    assert result.output.count("✓") == len((await _audit(pipeline)).checks)
    assert "rejected:signature_stale 2" in result.output


async def test_the_command_shows_crosses_and_ids_and_ends_with_one(morning_after: Database) -> None:
    await _spoil(morning_after, "update payments set paid_at = paid_at + interval '1 second' where id = 'p1'")
    url = morning_after.engine.url.render_as_string(hide_password=False)
    result = await _paystream_audit("--database-only", database__url=url)
    assert result.exit_code == 1, result.output
    assert "payments_match_facts: 1 found" in result.output
    assert "p1: paid_at is" in result.output
    as_json = await _paystream_audit("--database-only", "--json", database__url=url)
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["holds"] is False


async def test_the_command_says_when_the_database_does_not_answer() -> None:
    url = f"postgresql+asyncpg://paystream:secret@127.0.0.1:{free_port()}/paystream"
    result = await _paystream_audit("--database-only", database__url=url)
    assert result.exit_code == 2
    assert "the database cannot be audited" in result.output
    assert "secret" not in result.output


async def test_the_command_says_when_the_database_has_no_schema(stack: Stack) -> None:
    result = await _paystream_audit("--database-only", database__url=url_of(stack.database_url, "template1"))
    assert result.exit_code == 2
    assert "does not exist" in result.output


async def test_the_command_says_when_the_broker_does_not_answer(database_url: str) -> None:
    broker = f"127.0.0.1:{free_port()}"
    result = await _paystream_audit(database__url=database_url, kafka__bootstrap_servers=broker)
    assert result.exit_code == 2
    assert f"the broker at {broker} does not answer" in result.output


async def test_the_command_says_which_topics_are_missing(stack: Stack, database_url: str) -> None:
    result = await _paystream_audit(
        database__url=database_url,
        kafka__bootstrap_servers=stack.bootstrap_servers,
        kafka__topic_prefix="nowhere.",
    )
    assert result.exit_code == 2
    assert "nowhere.payments.events.v1" in result.output
