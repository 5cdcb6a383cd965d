"""What every integration test relies on, whichever stack the fixture has chosen."""

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from devstack.stack import Stack

pytestmark = pytest.mark.integration


async def create_topic(stack: Stack, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
    finally:
        await admin.close()


async def test_what_a_producer_writes_a_consumer_reads(stack: Stack, topic_prefix: str) -> None:
    topic = f"{topic_prefix}records"
    await create_topic(stack, topic)
    values = [f"value {number}".encode() for number in range(20)]

    async with AIOKafkaProducer(
        bootstrap_servers=stack.bootstrap_servers, acks="all", enable_idempotence=stack.idempotence
    ) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=value)

    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=stack.bootstrap_servers,
        group_id=f"{topic_prefix}group",
        auto_offset_reset="earliest",
    ) as consumer:
        read = [(await consumer.getone()).value for _ in values]

    assert sorted(read) == sorted(values)


async def test_the_database_answers_outlives_its_processes_and_sorts_as_python_does(stack: Stack) -> None:
    words = ["b", "a", "B", "é", "_", "z"]
    connection = await asyncpg.connect(stack.database_url.replace("+asyncpg", ""))
    try:
        await connection.execute("CREATE TEMPORARY TABLE example (word text)")
        await connection.executemany("INSERT INTO example VALUES ($1)", [(word,) for word in words])
        rows = await connection.fetch("SELECT word FROM example ORDER BY word")
        commits = await connection.fetchval("SHOW synchronous_commit")
    finally:
        await connection.close()

    assert commits == "on"
    assert [row["word"] for row in rows] == sorted(words)


def test_each_test_has_a_prefix_of_its_own(topic_prefix: str, request: pytest.FixtureRequest) -> None:
    assert topic_prefix.endswith(".")
    assert topic_prefix[:-1].isalnum()
    assert len(topic_prefix) <= 12
