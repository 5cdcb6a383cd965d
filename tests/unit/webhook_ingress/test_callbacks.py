"""What the callback path stores, answers and refuses."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256

import httpx
import pytest
from aiokafka.errors import KafkaConnectionError
from starlette.types import Message, Receive

from bootstrap.settings import IngressSettings
from tests.unit.webhook_ingress.stand_ins import (
    NOW,
    SIGNED,
    TOPIC_PREFIX,
    URL,
    Door,
    StandInProducer,
    open_door,
    until,
)


async def parts(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def error_of(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["message"]
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    return response.status_code, error["code"]


async def test_a_callback_is_stored_exactly_as_it_came() -> None:
    body = bytes(range(256))
    headers = [("Stripe-Signature", "t=1"), ("X-Twice", "b"), ("X-Twice", "a")]
    async with open_door() as door:
        response = await door.client.post(f"{URL}?a=%20b&a", content=body, headers=headers)
        (record,) = door.producer.sent

    assert response.status_code == 200
    assert record.topic == f"{TOPIC_PREFIX}payments.webhooks.raw.v1"
    assert record.value == body
    assert record.key == sha256(body).hexdigest().encode()
    webhook = record.webhook
    assert (webhook.gateway, webhook.account, webhook.received_at) == ("stripe", "shop", NOW)
    assert (webhook.path, webhook.remote_address) == (f"{URL}?a=%20b&a", "203.0.113.9")
    sent = [(name, value) for name, value in webhook.http_headers if name.startswith(("stripe", "x-"))]
    assert sent == [("stripe-signature", "t=1"), ("x-twice", "b"), ("x-twice", "a")]
    assert ("content-length", "256") in webhook.http_headers


async def test_the_same_callback_twice_is_two_records_with_ids_of_their_own_and_one_key() -> None:
    async with open_door() as door:
        await door.post(b"same")
        await door.post(b"same")
        first, second = door.producer.sent
    assert first.webhook.id != second.webhook.id
    assert first.key == second.key


async def test_the_gateway_reads_the_acknowledgement_of_its_registration() -> None:
    async with open_door() as door:
        response = await door.post(url="/webhooks/loose/shop", headers={})
    assert (response.status_code, response.content) == (202, b"[accepted]")
    assert response.headers["content-type"] == "application/problem"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_nothing_is_answered_before_the_broker_has_stored_it() -> None:
    async with open_door(producer=StandInProducer(hangs=True)) as door:
        request = asyncio.create_task(door.post())
        await until(lambda: door.producer.waiting)
        await asyncio.sleep(0.02)
        assert not request.done()
        assert await door.metric("paystream_ingress_in_flight") == 1
        door.producer.acknowledge()
        assert (await request).status_code == 200
        assert await door.metric("paystream_ingress_in_flight") == 0


@pytest.mark.parametrize("kind", ["form", "text", "none"])
async def test_any_content_type_is_taken(kind: str) -> None:
    types = {"form": "application/x-www-form-urlencoded", "text": "text/plain"}
    headers = SIGNED | ({"content-type": types[kind]} if kind in types else {})
    async with open_door() as door:
        assert (await door.post(b"a=1&b=2", headers=headers)).status_code == 200
        assert door.producer.sent[0].value == b"a=1&b=2"


async def test_a_chunked_body_is_put_together() -> None:
    async with open_door() as door:
        response = await door.post(parts(b"ab", b"", b"cd"))
        assert response.status_code == 200
        assert door.producer.sent[0].value == b"abcd"


async def test_header_values_that_are_no_text_are_kept_byte_for_byte() -> None:
    headers = [(b"stripe-signature", b"\xff\xfe"), (b"x-name", "naïve €".encode())]
    async with open_door() as door:
        assert (await door.post(headers=headers)).status_code == 200
        stored = dict(door.producer.sent[0].webhook.http_headers)
    assert stored["stripe-signature"].encode("latin-1") == b"\xff\xfe"
    assert stored["x-name"].encode("latin-1").decode() == "naïve €"


async def test_an_unknown_gateway_and_an_unknown_account_are_told_the_same_and_nothing_is_stored() -> None:
    paths = ["/webhooks/nobody/shop", "/webhooks/stripe/nobody", "/webhooks/forgotten/shop", "/webhooks/stripe/shop/x"]
    async with open_door() as door:
        responses = [await door.post(url=path) for path in [*paths, "/webhooks/stripe", "/webhooks//shop"]]
        assert {error_of(response) for response in responses} == {(404, "not_found")}
        assert len({response.content for response in responses}) == 1
        assert door.producer.sent == []
        assert await door.metric('paystream_ingress_requests_total{gateway="unknown",outcome="not_found"}') == 6


async def test_nobody_is_unknown_before_the_accounts_have_been_read() -> None:
    async with open_door() as door:
        door.directory.is_ready = False
        response = await door.post()
        assert error_of(response) == (503, "starting")
        assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("headers", [{}, {"stripe-signature": ""}, {"stripe-signature": "  "}, {"x-signature": "t=1"}])
async def test_a_callback_without_its_signature_header_is_refused(headers: dict[str, str]) -> None:
    async with open_door() as door:
        assert error_of(await door.post(headers=headers)) == (401, "signature_header_missing")
        assert door.producer.sent == []


async def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    async with open_door(IngressSettings(max_body_bytes=100)) as door:
        assert (await door.post(b"x" * 100)).status_code == 200
        assert error_of(await door.post(b"x" * 101)) == (413, "too_large")
        assert (await door.post(parts(b"x" * 100))).status_code == 200
        too_large = await door.post(parts(b"x" * 100, b"x"))
        assert error_of(too_large) == (413, "too_large")
        assert len(door.producer.sent) == 2


async def test_reading_stops_where_a_body_without_length_is_too_large() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 10
            yield b"x" * 10

    async with open_door(IngressSettings(max_body_bytes=100)) as door:
        response = await door.post(endless())
    assert error_of(response) == (413, "too_large")
    assert read <= 120


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    async def receive() -> Message:
        raise AssertionError("the body was read")

    async with open_door(IngressSettings(max_body_bytes=100)) as door:
        assert await call(door, receive, [(b"content-length", b"101")]) == [413]


@pytest.mark.parametrize("length", ["3", "5", "-4", "4.0", "four", "٤"])
async def test_a_body_that_is_not_as_long_as_it_says_is_malformed(length: str) -> None:
    async with open_door() as door:
        response = await door.post(
            b"1234", headers=[(b"stripe-signature", b"t=1"), (b"content-length", length.encode())]
        )
        assert error_of(response) == (400, "malformed")
        assert door.producer.sent == []


async def test_a_callback_may_be_empty_only_when_its_query_says_something() -> None:
    async with open_door() as door:
        assert error_of(await door.post(b"")) == (400, "malformed")
        assert door.producer.sent == []
        assert (await door.post(b"", url=f"{URL}?order=1")).status_code == 200
        assert door.producer.sent[0].webhook.path == f"{URL}?order=1"


@pytest.mark.parametrize(("encoding", "status"), [("gzip", 415), ("br, identity", 415), ("identity", 200), ("", 200)])
async def test_an_encoded_body_is_not_what_was_signed(encoding: str, status: int) -> None:
    async with open_door() as door:
        response = await door.post(headers=SIGNED | {"content-encoding": encoding})
        assert response.status_code == status
        assert len(door.producer.sent) == (status == 200)


async def test_other_methods_are_told_which_one_it_is() -> None:
    async with open_door() as door:
        response = await door.client.get(URL, headers=SIGNED)
        assert error_of(response) == (405, "method_not_allowed")
        assert response.headers["allow"] == "POST"


async def test_each_account_has_a_rate_of_its_own() -> None:
    limits = IngressSettings(rate_limit_per_second=0.5, rate_limit_burst=2, rate_limit_peer_share=1)
    async with open_door(limits) as door:
        assert [(await door.post()).status_code for _ in range(2)] == [200, 200]
        refused = await door.post()
        assert error_of(refused) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) in {1, 2}
        assert (await door.post(url="/webhooks/stripe/other")).status_code == 200
        door.monotonic[0] += 2.0
        assert [(await door.post()).status_code for _ in range(2)] == [200, 429]
        assert len(door.producer.sent) == 4


async def test_the_gateway_is_asked_to_come_again_when_the_broker_does_not_answer_in_time() -> None:
    for producer in (StandInProducer(hangs=True), StandInProducer(knows_no_partitions=True)):
        async with open_door(IngressSettings(acknowledge_timeout_seconds=0.05), producer=producer) as door:
            async with asyncio.timeout(1):
                response = await door.post()
            assert error_of(response) == (503, "not_acknowledged")
            assert int(response.headers["retry-after"]) > 0
            assert await door.metric("paystream_ingress_in_flight") == 0


async def test_the_gateway_is_asked_to_come_again_when_the_broker_refuses() -> None:
    async with open_door(producer=StandInProducer(error=KafkaConnectionError("gone: 10.0.0.7"))) as door:
        response = await door.post()
        assert error_of(response) == (503, "not_acknowledged")
        assert "10.0.0.7" not in response.text


async def until_waiting(door: Door, requests: int) -> None:
    """Wait until so many callbacks are being taken."""
    async with asyncio.timeout(5):
        while await door.metric("paystream_ingress_in_flight") != requests:  # noqa: ASYNC110 - a count announces nothing
            await asyncio.sleep(0.001)


async def test_no_more_requests_wait_than_are_allowed() -> None:
    async with open_door(IngressSettings(max_in_flight=2), producer=StandInProducer(hangs=True)) as door:
        waiting = [asyncio.create_task(door.post()) for _ in range(2)]
        await until_waiting(door, 2)
        refused = await door.post()
        assert error_of(refused) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) > 0
        door.producer.hangs = False
        door.producer.acknowledge()
        assert [(await task).status_code for task in waiting] == [200, 200]
        assert (await door.post()).status_code == 200


async def test_no_more_bytes_wait_than_are_allowed_and_only_what_is_read_counts() -> None:
    async with open_door(IngressSettings(max_body_bytes=10), producer=StandInProducer(hangs=True)) as door:
        chunked = [asyncio.create_task(door.post(parts(b"1234567"))) for _ in range(64)]
        await until_waiting(door, 64)
        full = [asyncio.create_task(door.post(b"x" * 10)) for _ in range(19)]
        await until_waiting(door, 83)
        assert error_of(await door.post(b"xxx")) == (503, "overloaded")
        last = asyncio.create_task(door.post(b"xx"))
        await until_waiting(door, 84)
        door.producer.hangs = False
        door.producer.acknowledge()
        assert {(await task).status_code for task in [*chunked, *full, last]} == {200}


async def call(door: Door, receive: Receive, headers: list[tuple[bytes, bytes]]) -> list[int]:
    """Call the application as a server does, without a client that behaves; return the statuses it sent."""
    statuses = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": URL,
        "raw_path": URL.encode(),
        "query_string": b"",
        "headers": [(b"stripe-signature", b"t=1"), *headers],
        "client": None,
    }
    await door.app(scope, receive, send)
    return statuses


async def test_a_client_that_leaves_before_its_body_is_complete_is_not_answered_and_nothing_is_stored() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"12", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async with open_door() as door:
        assert await call(door, receive, [(b"content-length", b"4")]) == []
        assert door.producer.sent == []
        assert await door.metric('paystream_ingress_requests_total{gateway="stripe",outcome="client_gone"}') == 1
        assert await door.metric("paystream_ingress_in_flight") == 0


async def test_a_client_that_leaves_while_its_callback_is_stored_takes_nothing_with_it() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"1234", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async with open_door(producer=StandInProducer(hangs=True)) as door:
        request = asyncio.create_task(call(door, receive, []))
        await until(lambda: door.producer.waiting)
        door.producer.acknowledge()
        assert await request == [200]
        assert door.producer.sent[0].value == b"1234"


async def test_our_own_mistakes_are_told_without_their_traces() -> None:
    async with open_door(producer=StandInProducer(error=ZeroDivisionError("secret"))) as door:
        with pytest.raises(ZeroDivisionError):
            await door.post()
        assert await door.metric('paystream_ingress_requests_total{gateway="stripe",outcome="internal_error"}') == 1
        assert await door.metric("paystream_ingress_in_flight") == 0
        transport = httpx.ASGITransport(door.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingress") as client:
            response = await client.post(URL, content=b"{}", headers=SIGNED)
        assert error_of(response) == (500, "internal_error")
        assert "secret" not in response.text
