"""A broker that falls silent or goes away: quick refusals, bounded memory, and recovery without a restart."""

import asyncio
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from devstack.stack import Stack
from tests.integration.webhook_ingress.served import URL, Served, served, until
from topics.catalog import RAW_WEBHOOKS

pytestmark = pytest.mark.integration


async def timed_posts(ingress: Served, bodies: list[bytes]) -> list[tuple[int, float]]:
    """Post all bodies at once, each on a connection that is open already; return statuses and seconds.

    An HTTP client would spend a noticeable part of the two seconds on itself.
    """
    url = ingress.client.base_url
    connections = [await asyncio.open_connection(url.host, url.port) for _ in bodies]

    async def post(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, float]:
        head = f"POST {URL} HTTP/1.1\r\nhost: h\r\nstripe-signature: t=1\r\ncontent-length: {len(body)}\r\n\r\n"
        started = time.perf_counter()
        writer.write(head.encode() + body)
        status_line = await reader.readline()
        seconds = time.perf_counter() - started
        writer.close()
        return int(status_line.split()[1]), seconds

    return await asyncio.gather(
        *(post(body, *connection) for body, connection in zip(bodies, connections, strict=True))
    )


async def until_taken_again(ingress: Served) -> None:
    async def taken() -> bool:
        return await ingress.post(b"again") == 200

    await until(taken)


async def test_a_silent_broker_means_503_within_two_seconds_and_recovery_afterwards(
    stack: Stack, topic_prefix: str
) -> None:
    async with served(stack, topic_prefix, max_in_flight=30) as ingress:
        assert await ingress.post(b"before") == 200
        ingress.relay.fall_silent()
        outcomes = await timed_posts(ingress, [f"during {number}".encode() for number in range(60)])
        assert {status for status, _ in outcomes} == {503}
        assert max(seconds for _, seconds in outcomes) < 2.0
        assert sum(seconds > 1.5 for _, seconds in outcomes) == 30
        refusal = await ingress.client.post(
            "/webhooks/razorpay/shop", content=b"{}", headers={"x-razorpay-signature": "0"}
        )
        assert refusal.status_code in {401, 503}
        assert (await ingress.client.get("/readyz")).json()["broker"] is False
        assert (await ingress.client.get("/livez")).status_code == 200

        ingress.relay.talk()
        await until_taken_again(ingress)
        await ingress.until_ready()
        assert await ingress.post(b"after") == 200
        values = [record.value for record in await ingress.records()]
        assert {b"before", b"again", b"after"} <= set(values)


async def test_memory_stays_bounded_however_much_is_posted_while_the_broker_is_silent(
    stack: Stack, topic_prefix: str
) -> None:
    body_bytes, posts_at_once, rounds = 200_000, 40, 25
    async with served(
        stack, topic_prefix, max_in_flight=posts_at_once, acknowledge_timeout_seconds=0.2, rate_limit_burst=100_000
    ) as ingress:
        assert await ingress.post(b"before") == 200
        ingress.relay.fall_silent()
        body = b"x" * body_bytes

        async def one_round(number: int) -> set[int]:
            bodies = [f"{number}-{post}".encode() + body for post in range(posts_at_once)]
            return set(await asyncio.gather(*map(ingress.post, bodies)))

        assert await one_round(0) == {503}
        before_bytes = ingress.resident_bytes()
        for number in range(1, rounds):
            assert await one_round(number) == {503}
        grown_bytes = ingress.resident_bytes() - before_bytes
        posted_bytes = body_bytes * posts_at_once * (rounds - 1)
        assert posted_bytes > 150_000_000
        assert grown_bytes < 50_000_000
        assert await ingress.metric("paystream_ingress_in_flight") == 0

        ingress.relay.talk()
        await until_taken_again(ingress)


async def test_broken_connections_are_made_again(stack: Stack, topic_prefix: str) -> None:
    async with served(stack, topic_prefix) as ingress:
        taken = []
        for number in range(5):
            body = f"callback {number}".encode()
            ((status, seconds),) = await timed_posts(ingress, [body])
            assert seconds < 2.0
            if status == 200:
                taken.append(body)
            ingress.relay.cut()
        await until_taken_again(ingress)
        assert taken
        assert set(taken) <= {record.value for record in await ingress.records()}


async def test_it_starts_without_a_broker_and_takes_callbacks_when_there_is_one(
    stack: Stack, topic_prefix: str
) -> None:
    async with served(stack, topic_prefix, ready=False) as ingress:

        async def listens() -> bool:
            return await ingress.post(b"early") != 0

        await until(listens)
        assert await ingress.post(b"early") == 503
        assert (await ingress.client.get("/readyz")).status_code == 503
        ingress.relay.talk()
        await ingress.until_ready()
        assert await ingress.post(b"late") == 200


async def test_one_record_that_the_broker_refuses_does_not_close_its_partition(stack: Stack, topic_prefix: str) -> None:
    if not stack.idempotence:
        pytest.skip("only an idempotent producer loses a partition this way")
    topic = NewTopic(
        topic_prefix + RAW_WEBHOOKS.name, RAW_WEBHOOKS.partitions, 1, topic_configs={"max.message.bytes": "5000"}
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    await admin.start()
    await admin.create_topics([topic])
    await admin.close()

    async with served(stack, topic_prefix) as ingress:
        refused = b"x" * 6_000
        assert await ingress.post(b"before") == 200
        assert await ingress.post(refused) == 503
        async with asyncio.timeout(5):
            while await ingress.post(b"after") != 200:
                pass
        taken = [f"taken {number}".encode() for number in range(2 * RAW_WEBHOOKS.partitions)]
        assert [await ingress.post(body) for body in taken] == [200] * len(taken)
        records = await ingress.records()
        assert {record.value for record in records} == {b"before", b"after", *taken}
        assert {record.partition for record in records} == set(range(RAW_WEBHOOKS.partitions))
