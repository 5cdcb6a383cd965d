"""Callbacks that gateways post are on Kafka exactly as they were posted."""

import asyncio
import os
from hashlib import sha256

import pytest

from devstack.stack import Stack
from tests.integration.webhook_ingress.served import SIGNED, URL, served, until
from topics.webhooks import RawWebhook

pytestmark = pytest.mark.integration


async def test_bytes_and_headers_arrive_exactly(stack: Stack, topic_prefix: str) -> None:
    body = bytes(range(256)) * 3
    headers = [
        (b"Stripe-Signature", b"t=1,v1=00"),
        (b"X-Twice", b"second"),
        (b"x-twice", b"first"),
        (b"X-Odd", b"\xff\xfe caf\xc3\xa9"),
    ]
    async with served(stack, topic_prefix) as ingress:
        response = await ingress.client.post(f"{URL}?order=%20b", content=body, headers=headers)
        (record,) = await ingress.records()

    assert (response.status_code, response.content) == (200, b"")
    assert record.value == body
    assert record.key == sha256(body).hexdigest().encode()
    webhook = RawWebhook.from_record(record.value, record.headers)
    assert (webhook.gateway, webhook.account, webhook.path) == ("stripe", "shop", f"{URL}?order=%20b")
    assert webhook.remote_address == "127.0.0.1"
    stored = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in webhook.http_headers
        if name.startswith(("stripe", "x-"))
    ]
    assert stored == [(name.lower(), value) for name, value in headers]


async def test_fifty_posts_at_once_are_fifty_records(stack: Stack, topic_prefix: str) -> None:
    bodies = {f"callback {number}".encode() for number in range(50)}
    async with served(stack, topic_prefix) as ingress:
        assert set(await asyncio.gather(*map(ingress.post, bodies))) == {200}
        records = await ingress.records()

    assert len(records) == 50
    assert {record.value for record in records} == bodies
    assert len({RawWebhook.from_record(record.value, record.headers).id for record in records}) == 50
    assert len({record.partition for record in records}) > 1


async def test_the_largest_callback_with_the_largest_headers_is_stored(stack: Stack, topic_prefix: str) -> None:
    body = os.urandom(1_048_576)
    # Each of these bytes takes six characters in the record's JSON.
    headers = [(b"stripe-signature", b"t=1"), *((b"x-padding", b"\xff" * 8_000) for _ in range(8))]
    async with served(stack, topic_prefix) as ingress:
        response = await ingress.client.post(URL, content=body, headers=headers)
        assert response.status_code == 200
        (record,) = await ingress.records()
        assert (await ingress.client.post(URL, content=body + b"x", headers=SIGNED)).status_code == 413
        too_wide = [*headers, (b"x-padding", b"\xff" * 8_000)]
        assert (await ingress.client.post(URL, content=b"{}", headers=too_wide)).status_code == 431

    assert record.value == body
    stored = RawWebhook.from_record(record.value, record.headers).http_headers
    assert [value for name, value in stored if name == "x-padding"] == ["ÿ" * 8_000] * 8


async def test_what_is_refused_is_not_stored(stack: Stack, topic_prefix: str) -> None:
    async with served(stack, topic_prefix) as ingress:
        post = ingress.client.post
        assert (await post("/webhooks/stripe/nobody", content=b"{}", headers=SIGNED)).status_code == 404
        assert (await post("/webhooks/nobody/shop", content=b"{}", headers=SIGNED)).status_code == 404
        assert (await post(URL, content=b"{}")).status_code == 401
        encoded = SIGNED | {"content-encoding": "gzip"}
        assert (await post(URL, content=b"{}", headers=encoded)).status_code == 415
        assert (await post(URL, content=b"", headers=SIGNED)).status_code == 400
        assert await ingress.records() == []


async def test_a_client_that_hangs_up_after_its_request_has_left_a_record(stack: Stack, topic_prefix: str) -> None:
    async with served(stack, topic_prefix) as ingress:
        ingress.relay.fall_silent()
        _, writer = await asyncio.open_connection(ingress.client.base_url.host, ingress.client.base_url.port)
        writer.write(f"POST {URL} HTTP/1.1\r\nhost: h\r\nstripe-signature: t=1\r\ncontent-length: 2\r\n\r\nab".encode())
        await ingress.until_waiting()
        writer.close()
        await writer.wait_closed()
        ingress.relay.talk()

        async def acknowledged() -> bool:
            return await ingress.metric("paystream_ingress_acknowledgement_seconds_count") == 1

        await until(acknowledged)
        assert [record.value for record in await ingress.records()] == [b"ab"]
