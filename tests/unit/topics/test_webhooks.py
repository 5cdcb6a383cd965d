from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import MalformedPayload
from topics.message import header
from topics.webhooks import RawPosition, RawWebhook

WEBHOOK = RawWebhook(
    id="0198-1",
    gateway="stripe",
    account="demo",
    path="/webhooks/stripe/demo",
    remote_address="203.0.113.7",
    received_at=datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC),
    http_headers=(("stripe-signature", "t=1,v1=aa"), ("content-type", "application/json")),
    body=b'{"id": "evt_1"}',
)
# What a server hands over: bytes of an HTTP header read as Latin-1.
HEADER_TEXT = st.text(st.characters(max_codepoint=255), max_size=20)


def read_back(webhook: RawWebhook) -> RawWebhook:
    return RawWebhook.from_record(webhook.body, webhook.record_headers())


def test_a_callback_survives_its_record() -> None:
    assert read_back(WEBHOOK) == WEBHOOK


def test_headers_keep_their_order_and_their_repetitions() -> None:
    repeated = (("x-b", "2"), ("x-a", "1"), ("x-b", "1"), ("X-B", ""), ("x-b", "2"))
    assert read_back(replace(WEBHOOK, http_headers=repeated)).http_headers == repeated


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(HEADER_TEXT, HEADER_TEXT), max_size=5), st.binary(max_size=50), st.text(max_size=20))
def test_any_headers_body_and_path_survive(pairs: list[tuple[str, str]], body: bytes, path: str) -> None:
    webhook = replace(WEBHOOK, http_headers=tuple(pairs), body=body, path=path)
    assert read_back(webhook) == webhook


def test_the_body_is_in_the_value_alone() -> None:
    secret_body = replace(WEBHOOK, body=b"card=4242")
    assert all(b"4242" not in value for _, value in secret_body.record_headers())


def test_a_record_of_a_callback_is_a_cloud_event() -> None:
    headers = WEBHOOK.record_headers()
    assert header(headers, "ce_id") == "0198-1"
    assert header(headers, "ce_source") == "/webhooks/stripe/demo"
    assert header(headers, "ce_type") == "paystream.webhook.received"


@pytest.mark.parametrize("missing", ["ce_id", "ce_time", "ps_gateway", "ps_account", "ps_path", "ps_http_headers"])
def test_a_record_without_one_of_its_headers_is_malformed(missing: str) -> None:
    headers = [(name, value) for name, value in WEBHOOK.record_headers() if name != missing]
    with pytest.raises(MalformedPayload, match=missing):
        RawWebhook.from_record(WEBHOOK.body, headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_time", b"yesterday"),
        ("ps_http_headers", b"{"),
        ("ps_http_headers", b"5"),
        ("ps_http_headers", b'[["only a name"]]'),
        ("ps_path", b"\xff\xfe"),
        ("other", None),
    ],
)
def test_a_record_that_the_ingress_did_not_write_is_malformed(name: str, value: bytes) -> None:
    headers = [pair for pair in WEBHOOK.record_headers() if pair[0] != name]
    with pytest.raises(MalformedPayload, match="not a raw callback record"):
        RawWebhook.from_record(WEBHOOK.body, [*headers, (name, value)])


def test_a_position_survives_its_headers() -> None:
    position = RawPosition(partition=3, offset=2**40)
    headers = [(name, value.encode()) for name, value in position.headers()]
    assert RawPosition.from_headers(headers) == position


@pytest.mark.parametrize("headers", [None, [], [("ps_raw_partition", b"3")], [("ps_raw_offset", b"3")]])
def test_a_record_that_came_of_no_callback_has_no_position(headers: list[tuple[str, bytes]] | None) -> None:
    assert RawPosition.from_headers(headers) is None
