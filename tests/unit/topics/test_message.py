from datetime import UTC, datetime, timedelta, timezone

from topics.message import CloudEvent, header

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_attributes_become_headers_of_kafkas_binary_mode() -> None:
    event = CloudEvent(id="evt_1", type="paystream.payment.completed", source="/accounts/demo", time=NOON)
    assert event.headers() == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"evt_1"),
        ("ce_type", b"paystream.payment.completed"),
        ("ce_source", b"/accounts/demo"),
        ("ce_time", b"2026-03-01T12:00:00+00:00"),
        ("content-type", b"application/json"),
    ]


def test_a_subject_and_further_headers_come_after_the_attributes() -> None:
    event = CloudEvent(id="evt_1", type="t", source="/s", time=NOON, subject="pay_1")
    assert event.headers([("ps_path", "/é")])[-2:] == [("ce_subject", b"pay_1"), ("ps_path", "/é".encode())]


def test_the_time_keeps_its_instant_and_its_microseconds() -> None:
    time = NOON.replace(microsecond=123_456).astimezone(timezone(timedelta(hours=5, minutes=30)))
    written = header(CloudEvent(id="1", type="t", source="/s", time=time).headers(), "ce_time")
    assert written is not None
    assert datetime.fromisoformat(written) == time


def test_a_header_is_found_by_its_name_or_is_none() -> None:
    headers = [("a", b"1"), ("b", "é".encode()), ("b", b"3")]
    assert header(headers, "b") == "é"
    assert header(headers, "c") is None
    assert header(None, "a") is None


def test_the_model_of_the_data_is_named_when_there_is_one() -> None:
    event = CloudEvent(id="1", type="t", source="/s", time=NOON, data_schema="urn:paystream:payments.events.v1:X")
    assert header(event.headers(), "ce_dataschema") == "urn:paystream:payments.events.v1:X"
    assert header(CloudEvent(id="1", type="t", source="/s", time=NOON).headers(), "ce_dataschema") is None
