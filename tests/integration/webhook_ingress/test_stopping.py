"""SIGTERM: what has been accepted is stored and answered, and nothing that was answered with 2xx is missing."""

import asyncio
import signal

import pytest

from devstack.stack import Stack
from tests.integration.webhook_ingress.served import STOP_SECONDS, served, until

pytestmark = pytest.mark.integration


async def test_requests_that_wait_for_the_broker_are_finished_before_the_process_ends(
    stack: Stack, topic_prefix: str
) -> None:
    bodies = {f"waiting {number}".encode() for number in range(20)}
    async with served(stack, topic_prefix) as ingress:
        assert await ingress.post(b"first") == 200
        ingress.relay.fall_silent()
        posts = [asyncio.create_task(ingress.post(body)) for body in bodies]
        await ingress.until_waiting(len(bodies))
        ingress.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        ingress.relay.talk()
        assert await asyncio.gather(*posts) == [200] * len(bodies)
        async with asyncio.timeout(STOP_SECONDS):
            assert await ingress.process.wait() == 0
        assert {record.value for record in await ingress.records()} == bodies | {b"first"}


async def test_every_2xx_under_load_is_on_the_topic(stack: Stack, topic_prefix: str) -> None:
    async with served(stack, topic_prefix) as ingress:
        acknowledged: set[bytes] = set()

        async def keep_posting(client: int) -> None:
            number = 0
            while True:
                body = f"{client}-{number}".encode()
                status = await ingress.post(body)
                if status != 200:
                    return
                acknowledged.add(body)
                number += 1

        async def enough() -> bool:
            return len(acknowledged) >= 300

        clients = [asyncio.create_task(keep_posting(client)) for client in range(30)]
        await until(enough)
        ingress.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            await asyncio.gather(*clients)
            assert await ingress.process.wait() == 0
        assert acknowledged <= {record.value for record in await ingress.records()}


async def test_a_silent_broker_does_not_keep_the_process_from_ending(stack: Stack, topic_prefix: str) -> None:
    async with served(stack, topic_prefix) as ingress:
        assert await ingress.post(b"first") == 200
        ingress.relay.fall_silent()
        post = asyncio.create_task(ingress.post(b"second"))
        await ingress.until_waiting()
        ingress.process.send_signal(signal.SIGTERM)
        assert await post == 503
        async with asyncio.timeout(STOP_SECONDS):
            assert await ingress.process.wait() == 0
