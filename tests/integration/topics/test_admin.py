"""Topics on the real broker: created once, compared afterwards, never changed."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from typer.testing import CliRunner

from cli.topics import app
from devstack.stack import Stack
from domain.errors import PaystreamError
from topics.admin import TopicOutcome, TopicReport, create_topics
from topics.catalog import COMMANDS, PAYOUT_BATCHES, TOPICS
from topics.spec import Cleanup, TopicSpec

pytestmark = pytest.mark.integration


def example(**changes: object) -> TopicSpec:
    fields = {"name": "example.v1", "description": "", "key": "id", "model": None, "written_by": "a", "partitions": 3}
    return TopicSpec(**(fields | changes))  # type: ignore[arg-type]  # A test may want any field at any value.


async def create(stack: Stack, topic_prefix: str, *specs: TopicSpec) -> tuple[TopicReport, ...]:
    return await create_topics(stack.bootstrap_servers, specs, prefix=topic_prefix, replication_factor=1)


async def test_the_whole_catalog_is_created_once(stack: Stack, topic_prefix: str) -> None:
    first = await create(stack, topic_prefix, *TOPICS)
    second = await create(stack, topic_prefix, *TOPICS)
    assert [report.name for report in first] == [topic_prefix + spec.name for spec in TOPICS]
    assert {report.outcome for report in first} == {TopicOutcome.CREATED}
    assert {report.outcome for report in second} == {TopicOutcome.PRESENT}


async def test_a_topic_that_is_missing_is_created_beside_the_ones_that_are_there(
    stack: Stack, topic_prefix: str
) -> None:
    await create(stack, topic_prefix, COMMANDS)
    reports = await create(stack, topic_prefix, COMMANDS, PAYOUT_BATCHES)
    assert [report.outcome for report in reports] == [TopicOutcome.PRESENT, TopicOutcome.CREATED]


async def test_all_who_create_at_the_same_time_succeed_and_one_of_them_creates(stack: Stack, topic_prefix: str) -> None:
    reports = await asyncio.gather(*(create(stack, topic_prefix, example()) for _ in range(5)))
    outcomes = [report.outcome for (report,) in reports]
    assert outcomes.count(TopicOutcome.CREATED) == 1
    assert outcomes.count(TopicOutcome.PRESENT) == 4


async def test_every_partition_can_be_written_and_read_at_once(stack: Stack, topic_prefix: str) -> None:
    (report,) = await create(stack, topic_prefix, example())
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers, acks="all", retry_backoff_ms=1) as producer:
        for partition in range(3):
            await producer.send_and_wait(report.name, b"value", partition=partition)
    async with AIOKafkaConsumer(bootstrap_servers=stack.bootstrap_servers) as consumer:
        ends = await consumer.end_offsets([TopicPartition(report.name, partition) for partition in range(3)])
    assert set(ends.values()) == {1}


async def test_other_partitions_are_reported_and_left_as_they_are(stack: Stack, topic_prefix: str) -> None:
    await create(stack, topic_prefix, example(partitions=2))
    for _ in range(2):
        (report,) = await create(stack, topic_prefix, example(partitions=5))
        assert report.outcome is TopicOutcome.DIFFERENT
        assert report.differences == ("2 partitions instead of 5",)


async def test_other_settings_are_reported_each_by_its_name(stack: Stack, topic_prefix: str) -> None:
    await create(stack, topic_prefix, example(cleanup=Cleanup.COMPACT))
    (report,) = await create(stack, topic_prefix, example(cleanup=Cleanup.DELETE))
    assert report.outcome is TopicOutcome.DIFFERENT
    assert "cleanup.policy compact instead of delete" in report.differences


async def test_fewer_replicas_than_asked_for_are_reported(stack: Stack, topic_prefix: str) -> None:
    await create(stack, topic_prefix, example())
    (report,) = await create_topics(stack.bootstrap_servers, [example()], prefix=topic_prefix, replication_factor=3)
    assert report.differences == ("1 replicas instead of 3",)


async def test_a_topic_that_the_broker_refuses_is_named_with_its_reason(stack: Stack, topic_prefix: str) -> None:
    if stack.broker == "tansu":
        pytest.skip("Tansu refuses nothing")
    with pytest.raises(PaystreamError, match=f"{topic_prefix}example.v1.*replication") as refusal:
        await create_topics(stack.bootstrap_servers, [example()], prefix=topic_prefix, replication_factor=9)
    assert refusal.value.code == "topic_refused"


def test_the_command_exits_with_an_error_only_when_something_differs(
    stack: Stack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS", stack.bootstrap_servers)
    monkeypatch.setenv("PAYSTREAM_KAFKA__TOPIC_PREFIX", topic_prefix)
    other = example(name=COMMANDS.name, partitions=COMMANDS.partitions + 1, retention_days=COMMANDS.retention_days)
    runner = CliRunner()
    first = runner.invoke(app, ["create"])
    again = runner.invoke(app, ["create"])
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert first.stdout.count("created") == again.stdout.count("already there") == len(TOPICS)

    monkeypatch.setenv("PAYSTREAM_KAFKA__TOPIC_PREFIX", f"{topic_prefix}b.")
    asyncio.run(create(stack, f"{topic_prefix}b.", other))
    different = runner.invoke(app, ["create"])
    assert different.exit_code == 1
    assert f"{COMMANDS.partitions + 1} partitions instead of {COMMANDS.partitions}" in different.stdout
    assert "Nothing was changed" in different.stderr
