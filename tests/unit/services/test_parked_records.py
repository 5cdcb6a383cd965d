import hashlib
import json
from datetime import UTC, datetime

import pytest

from domain.errors import NotFound
from services.parked_records import (
    PARKED_TOPICS,
    SOURCES,
    Place,
    dead_letter_topic,
    parked_topic,
    read_parked,
    retry_headers,
    source_headers,
)
from services.redaction import REDACTED
from tests.unit.services.fake_broker import FakeBroker
from topics.catalog import (
    COMMANDS,
    DEAD_LETTERS,
    GATEWAY_EVENTS,
    RAW_WEBHOOKS,
    REJECTED_WEBHOOKS,
    SETTLEMENT_ENTRIES,
    dead_letter,
)
from topics.message import RecordHeaders
from topics.spec import TopicSpec
from topics.webhooks import RawWebhook

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRETS = {
    "Authorization": "Basic c2VjcmV0",
    "Cookie": "session=secret",
    "Stripe-Signature": "t=1,v1=secret",
    "X-VERIFY": "secret###1",
    "X-Api-Key": "secret",
}
WEBHOOK = RawWebhook(
    id="wh_1",
    gateway="stripe",
    account="acme",
    path="/webhooks/stripe/acme?token=secret",
    remote_address="192.0.2.7",
    received_at=NOW,
    http_headers=(("Content-Type", "application/json"), *SECRETS.items()),
    body=b'{"id": "evt_1"}',
)
DEAD = (
    ("ps_dlq_topic", "t.payments.webhooks.raw.v1"),
    ("ps_dlq_partition", "3"),
    ("ps_dlq_offset", "41"),
    ("ps_dlq_error", "MalformedPayload"),
    ("ps_dlq_message", "not a raw callback record"),
    ("ps_dlq_at", NOW.isoformat()),
)
REJECTED = (
    ("ps_reason", "signature_invalid"),
    ("ps_message", "no signature fits"),
    ("ps_raw_partition", "3"),
    ("ps_raw_offset", "41"),
)


def text(headers: RecordHeaders) -> list[tuple[str, str]]:
    return [(name, value.decode()) for name, value in headers]


RAW_HEADERS = text(WEBHOOK.record_headers())


def test_a_rejected_callback_is_shown_without_what_proves_it() -> None:
    record = FakeBroker().put(REJECTED_WEBHOOKS, WEBHOOK.body, headers=[*RAW_HEADERS, *REJECTED])
    parked = read_parked(REJECTED_WEBHOOKS, record)

    assert (parked.claimed_account, parked.gateway, parked.reason) == ("acme", "stripe", "signature_invalid")
    assert (parked.message, parked.attempt) == ("no signature fits", 1)
    assert (parked.source_topic, parked.source_partition, parked.source_offset) == (RAW_WEBHOOKS.name, 3, 41)
    assert (parked.body_size, parked.body_digest) == (15, hashlib.sha256(WEBHOOK.body).hexdigest())
    assert parked.path == f"/webhooks/stripe/acme?{REDACTED}"
    assert dict(parked.http_headers) == {"Content-Type": "application/json"} | dict.fromkeys(SECRETS, REDACTED)
    assert "secret" not in repr(parked)
    assert "evt_1" not in repr(parked)


@pytest.mark.parametrize(
    ("source", "value", "account"),
    [
        (GATEWAY_EVENTS, {"account": "acme", "gateway": "stripe"}, "acme"),
        (SETTLEMENT_ENTRIES, {"account": "acme"}, "acme"),
        (COMMANDS, {"command": {"account": "acme"}}, "acme"),
        (COMMANDS, {"command": {"account": "../acme"}}, None),
        (COMMANDS, {"command": {"account": 7}}, None),
        (COMMANDS, {"command": []}, None),
        (COMMANDS, [], None),
        (COMMANDS, "acme", None),
    ],
)
def test_whose_a_record_is_stands_in_its_value(source: TopicSpec, value: object, account: str | None) -> None:
    spec = dead_letter(source)
    # A header of that name is anybody's on these topics.
    record = FakeBroker().put(spec, json.dumps(value).encode(), headers=[("ps_account", "rival"), *DEAD])
    assert read_parked(spec, record).claimed_account == account


@pytest.mark.parametrize("value", [b"", None, b"\xff", b"[" * 200_000, b"NaN", b'{"account": "\\ud800"}'])
@pytest.mark.parametrize("spec", PARKED_TOPICS, ids=lambda spec: spec.name)
def test_whatever_lies_there_can_be_read(spec: TopicSpec, value: bytes | None) -> None:
    broker = FakeBroker()
    odd = [("ps_http_headers", "[" * 100_000), ("ps_dlq_offset", "²"), ("ps_raw_offset", "9" * 99)]
    odd += [("ps_retry_attempt", "many")]
    parked = read_parked(spec, broker.put(spec, value, key=None, headers=odd))
    assert (parked.claimed_account, parked.source_offset, parked.attempt) == (None, None, 1)
    assert (parked.reason, parked.http_headers, parked.key) == ("unknown", (), None)


def test_the_reason_is_the_one_the_guard_wrote_and_not_one_that_came_with_the_record() -> None:
    spec = dead_letter(COMMANDS)
    forged = [("ps_dlq_error", "Nothing"), ("ps_dlq_partition", "0"), ("ps_dlq_offset", "0")]
    parked = read_parked(spec, FakeBroker().put(spec, headers=[*forged, *DEAD]))
    assert (parked.reason, parked.source_partition, parked.source_offset) == ("MalformedPayload", 3, 41)


def test_a_record_goes_back_with_the_headers_it_had() -> None:
    broker = FakeBroker()
    dead = broker.put(dead_letter(RAW_WEBHOOKS), headers=[*RAW_HEADERS, *DEAD])
    rejected = broker.put(REJECTED_WEBHOOKS, headers=[*RAW_HEADERS, *REJECTED])
    event = broker.put(dead_letter(GATEWAY_EVENTS), headers=[("ps_raw_partition", "1"), ("ps_raw_offset", "2"), *DEAD])

    assert text(source_headers(dead, dead_letter(RAW_WEBHOOKS))) == RAW_HEADERS
    assert text(source_headers(rejected, REJECTED_WEBHOOKS)) == RAW_HEADERS
    assert text(source_headers(event, dead_letter(GATEWAY_EVENTS))) == [
        ("ps_raw_partition", "1"),
        ("ps_raw_offset", "2"),
    ]


def test_attempts_are_counted_and_only_the_last_retry_is_marked() -> None:
    spec, place = dead_letter(COMMANDS), Place(topic=dead_letter(COMMANDS).name, partition=0, offset=0)
    headers: list[tuple[str, str]] = [("ce_id", "1")]
    for attempt in (1, 2, 3):
        record = FakeBroker().put(spec, headers=[*headers, *DEAD])
        assert read_parked(spec, record).attempt == attempt
        marks = text(retry_headers(record, place, "key:abc", NOW))
        headers = text(source_headers(record, spec)) + marks
        assert marks == [
            ("ps_retry_of", "payments.commands.dlq.v1/0/0"),
            ("ps_retry_attempt", str(attempt)),
            ("ps_retry_by", "key:abc"),
            ("ps_retry_at", NOW.isoformat()),
        ]
    assert [name for name, _ in headers] == ["ce_id", "ps_retry_of", "ps_retry_attempt", "ps_retry_by", "ps_retry_at"]


def test_every_parked_topic_has_a_source() -> None:
    assert SOURCES.keys() == {spec.name for spec in PARKED_TOPICS}
    assert {SOURCES[spec.name].name for spec in DEAD_LETTERS} == {
        spec.name for spec in (RAW_WEBHOOKS, GATEWAY_EVENTS, COMMANDS, SETTLEMENT_ENTRIES)
    }


def test_other_topics_hold_no_dead_letters() -> None:
    assert parked_topic(REJECTED_WEBHOOKS.name) == REJECTED_WEBHOOKS
    for name in (RAW_WEBHOOKS.name, "", "odd"):
        with pytest.raises(NotFound):
            parked_topic(name)
    with pytest.raises(NotFound):
        dead_letter_topic(REJECTED_WEBHOOKS.name)
