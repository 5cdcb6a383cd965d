"""Replay on a real broker and a real database: nothing differs that nobody touched, and what was touched is named."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from bootstrap.broker import KafkaBroker
from bootstrap.settings import Settings
from connectors.base import Callback
from domain.errors import InvalidInput, NotFound, VerificationFailed
from domain.facts import Fact
from services.audit.run import audit
from services.replay.report import Difference
from services.replay.republish import MARK, republish
from services.replay.run import plan_replay
from services.replay.scope import ReplayRequest
from storage.shadow import left_behind
from storage.unit_of_work import Database
from tests.integration.services.audited_pipeline import Pipeline, TalkativeGateway, busy_evening, fact
from tests.integration.services.books import rows
from tests.integration.services.replay.replaying import named, replayed, source_of, spoil
from topics.catalog import GATEWAY_EVENTS, RAW_WEBHOOKS
from topics.message import header
from topics.spec import TopicSpec

LIVE_TABLES = (
    "payments", "payment_references", "inbox", "transitions", "ledger_transactions", "ledger_postings",
    "settlement_entries", "settlement_windows", "payout_batches", "refunds", "disputes", "payment_events", "outbox",
)  # fmt: skip


class ForgetfulGateway(TalkativeGateway):
    """The gateway once every secret was changed: nothing of what came before is proven any more."""

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        raise VerificationFailed("no secret fits")


@pytest.fixture
async def pipeline(topics_created: Settings, database: Database) -> AsyncIterator[Pipeline]:
    """A pipeline at rest in which everything has happened that can happen."""
    async with busy_evening(topics_created, database) as pipeline:
        yield pipeline


async def digests(database: Database) -> list[tuple[object, ...]]:
    """Every row of the live tables, digested."""
    digest = "select md5(string_agg(t::text, '|' order by t::text)) from public.{} t"
    return [(name, *(await rows(database, digest.format(name)))[0]) for name in LIVE_TABLES]


async def forget(settings: Settings, spec: TopicSpec) -> None:
    """Remove every record of a topic, as its retention does."""
    kafka = settings.kafka
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        everything = {
            TopicPartition(kafka.topic(spec), number): RecordsToDelete(before_offset=-1)
            for number in range(spec.partitions)
        }
        await admin.delete_records(everything)
    finally:
        await admin.close()


async def test_books_that_nobody_touched_are_rebuilt_without_a_difference(
    pipeline: Pipeline, database: Database
) -> None:
    before = await digests(database)
    everything = await replayed(pipeline)
    one = await replayed(pipeline, payment_id="p1")
    account = await replayed(pipeline, account="demo", keep=True)
    nothing = await replayed(pipeline, since=datetime.now(UTC) + timedelta(hours=1))
    plan = await plan_replay(source_of(pipeline), ReplayRequest())
    plan_of_one = await plan_replay(source_of(pipeline), ReplayRequest(payment_id="p1"))

    for report in (everything, one, account, nothing):
        assert report.is_empty, report.to_json()
    figures = everything.figures
    assert (figures.callbacks, figures.proven, figures.unreadable, figures.rejected) == (18, 13, 1, 4)
    assert figures.unproven == {"signature_invalid": 2, "signature_stale": 2}
    assert (figures.facts_replayed, figures.repeats, figures.facts_from_books, figures.payments) == (14, 5, 1, 5)
    assert (figures.stated, figures.stated_in_books, figures.unexplained) == (0, 0, 0)
    assert (one.figures.payments, nothing.figures.payments, nothing.figures.callbacks) == (1, 0, 0)
    assert (plan.callback_count, plan.payments, plan.answer_facts, plan.facts_outside_range) == (18, 5, 1, 0)
    assert (plan_of_one.payments, len(plan_of_one.of_payment)) == (1, 2)
    assert account.schema is not None
    assert await left_behind(database) == [account.schema]
    stands = "select status, captured_minor from {}.payments order by id"
    assert await rows(database, stands.format(account.schema)) == await rows(database, stands.format("public"))
    assert await digests(database) == before


async def test_what_was_changed_by_hand_is_found_and_named(pipeline: Pipeline, database: Database) -> None:
    await spoil(database, "update payments set captured_minor = 900 where id = 'p1'")
    await spoil(database, "update payments set status = 'failed' where id = 'p2'")
    await spoil(database, "delete from inbox where gateway_event_id = 'evt_p3_captured_ch_3'")
    await spoil(
        database,
        "insert into inbox select gateway, account, 'evt_made_up', digest, kind, provider_reference,"
        " related_references, movement_reference, amount_minor, currency, claimed_payment_id, payment_id, disposition,"
        " reason, receipt_url, occurred_at, raw_partition, raw_offset, recorded_at, evidence_due_at"
        " from inbox where gateway_event_id = 'evt_p1_captured_ch_1'",
    )
    await spoil(
        database,
        "update settlement_entries set gross_minor = gross_minor + 5, net_minor = net_minor + 5"
        " where payment_id = 'p2' and recipient_type = 'partner'",
    )
    await spoil(
        database,
        "update payment_events set payload = payload || '{\"amount_minor\": 1}'"
        " where payment_id = 'p4' and type = 'capture.succeeded'",
    )
    await spoil(
        database,
        "update ledger_postings set amount_minor = amount_minor + 7 where ledger_account = 'gateway:stripe:receivable'"
        " and transaction_id in (select id from ledger_transactions where payment_id = 'p4' and cause = 'refund')",
    )
    report = await replayed(pipeline)

    found = {(payment_id, part, " ".join(name.split(" ")[:2])) for payment_id, part, name in named(report)}
    assert found == {
        ("p1", "payment", "captured_minor"),
        ("p2", "payment", "status"),
        ("p2", "settlement", "capture partner:atelier"),
        ("p3", "fact", "stripe:demo:evt_p3_captured_ch_3 (callback"),
        ("p1", "fact", "stripe:demo:evt_made_up (callback"),
        ("p4", "event", next(name for _, part, name in found if part == "event")),
        ("p4", "ledger", "refund gateway:stripe:receivable"),
    }
    by_name = {each.name: each for each in report.differences.kept}
    assert by_name["captured_minor"] == Difference("p1", "payment", "captured_minor", 900, 1_000)
    assert by_name["status"] == Difference("p2", "payment", "status", "failed", "completed")
    (lost,) = [each for each in report.differences.kept if "evt_p3" in each.name]
    assert (lost.live, lost.rebuilt) == (None, "captured 5000 JPY under ch_3, applied")
    assert not (await replayed(pipeline, payment_id="p3")).is_empty
    assert (await replayed(pipeline, payment_id="p5")).is_empty


async def test_what_is_not_proven_any_more_is_taken_as_it_was_stated(
    pipeline: Pipeline, topics_created: Settings
) -> None:
    by_topic = await replayed(pipeline, ForgetfulGateway())
    await forget(topics_created, GATEWAY_EVENTS)
    by_books = await replayed(pipeline, ForgetfulGateway())
    await forget(topics_created, RAW_WEBHOOKS)
    without_callbacks = await replayed(pipeline)

    for report in (by_topic, by_books, without_callbacks):
        assert report.is_empty, report.to_json()
    figures = by_topic.figures
    assert (figures.proven, figures.unproven) == (0, {"signature_invalid": 17})
    # The callback without facts has left a record on the topic of facts all the same, which is a dead letter.
    assert (figures.stated, figures.rejected, figures.stated_in_books, figures.unexplained) == (13, 4, 0, 0)
    assert (by_books.figures.stated, by_books.figures.stated_in_books) == (0, 10)
    assert by_books.figures.unexplained == 3
    assert (without_callbacks.figures.callbacks, without_callbacks.figures.facts_replayed) == (0, 0)
    assert without_callbacks.figures.facts_from_books > by_topic.figures.facts_from_books


async def test_a_fact_that_was_lost_is_found_also_when_its_secret_is_gone(
    pipeline: Pipeline, database: Database
) -> None:
    await spoil(database, "delete from inbox where gateway_event_id = 'evt_p3_captured_ch_3'")
    report = await replayed(pipeline, ForgetfulGateway())
    assert {each.payment_id for each in report.differences.kept} == {"p3"}


async def test_putting_every_callback_back_changes_nothing(
    pipeline: Pipeline, database: Database, topics_created: Settings
) -> None:
    before = await digests(database)
    kafka, broker = topics_created.kafka, KafkaBroker(topics_created.kafka)
    try:
        first = await republish(kafka.bootstrap_servers, kafka.topic_prefix, broker, ReplayRequest(), actor="mia")
        await pipeline.settle_down()
        again = await republish(kafka.bootstrap_servers, kafka.topic_prefix, broker, ReplayRequest(), actor="mia")
        await pipeline.settle_down()
        with pytest.raises(InvalidInput, match="not by payment"):
            await republish(
                kafka.bootstrap_servers, kafka.topic_prefix, broker, ReplayRequest(payment_id="p1"), actor="mia"
            )
    finally:
        await broker.close()

    assert (first.published, first.copies, again.published, again.copies) == (18, 0, 18, 18)
    assert await digests(database) == before
    assert (await replayed(pipeline)).is_empty
    checked = await audit(database, kafka.bootstrap_servers, kafka.topic_prefix)
    # Its copies are of a callback without facts, in whose place the evening itself had written a dead letter.
    assert {each.name: each.violation_count for each in checked.checks if not each.holds} == {"raw_accounted": 2}
    copies = [one for one in await pipeline.records(RAW_WEBHOOKS) if header(one.headers, MARK) is not None]
    assert len(copies) == 36


async def test_putting_callbacks_back_brings_what_was_lost(
    pipeline: Pipeline, database: Database, topics_created: Settings
) -> None:
    await spoil(database, "delete from inbox where gateway_event_id = 'evt_p3_captured_ch_3'")
    assert not (await replayed(pipeline)).is_empty
    kafka, broker = topics_created.kafka, KafkaBroker(topics_created.kafka)
    request = ReplayRequest(account="demo", since=datetime.now(UTC) - timedelta(hours=1))
    try:
        done = await republish(kafka.bootstrap_servers, kafka.topic_prefix, broker, request, actor="mia")
    finally:
        await broker.close()
    await pipeline.settle_down()

    assert (done.published, done.other_accounts) == (17, 1)
    report = await replayed(pipeline)
    assert report.is_empty, report.to_json()


async def test_a_genuine_callback_that_was_rejected_is_a_difference(pipeline: Pipeline) -> None:
    """It was refused for a wrong secret; now the secret is right, and the books lack what it says."""

    class CorrectedGateway(TalkativeGateway):
        def parse_callback(self, callback: Callback) -> Sequence[Fact]:
            try:
                return super().parse_callback(callback)
            except VerificationFailed:
                return [fact("p5", "captured", 1_000, movement="ch_5", event_id="evt_after_all")]

    report = await replayed(pipeline, CorrectedGateway())

    assert {each.payment_id for each in report.differences.kept} == {"p5"}
    assert ("p5", "payment", "status") in named(report)
    assert any(part == "fact" and "evt_after_all" in name for _, part, name in named(report))


async def test_what_cannot_be_replayed_is_said(pipeline: Pipeline, database: Database) -> None:
    now = datetime.now(UTC)
    with pytest.raises(InvalidInput, match="ends before it begins"):
        await replayed(pipeline, since=now, until=now)
    with pytest.raises(NotFound, match="no payment 'p99'"):
        await replayed(pipeline, payment_id="p99")
    with pytest.raises(NotFound, match="no payment 'p1'"):
        await replayed(pipeline, payment_id="p1", account="other")
    assert await left_behind(database) == []
