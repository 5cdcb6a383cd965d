from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from connectors.payloads import (
    api_fact_id,
    as_objects,
    first_text,
    moment,
    moment_from_milliseconds,
    moment_from_text,
    moment_or,
    numbered,
    optional_identifier,
    optional_moment,
    optional_text,
    optional_url,
    parse_object,
    part_of,
    reason_text,
    require_identifier,
    require_url,
    unmapped_status,
)
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def fact(event_id: str) -> Fact:
    return Fact(
        gateway="stripe",
        account="acme",
        gateway_event_id=event_id,
        kind=FactKind.PROCESSING,
        provider_reference="pi_1",
        occurred_at=NOON,
    )


def test_fractions_become_decimals() -> None:
    assert parse_object('{"amount": 10.10}') == {"amount": Decimal("10.10")}


@pytest.mark.parametrize("text", ["", "nul", "[]", "1", '"x"', "null", '{"a":NaN}', '{"a":-Infinity}', "\ufeff{}"])
def test_what_is_not_a_json_object_is_malformed(text: str) -> None:
    with pytest.raises(MalformedPayload):
        parse_object(text)


def test_bytes_are_read_as_utf_8_alone() -> None:
    assert parse_object('{"name":"Å"}'.encode()) == {"name": "Å"}
    for body in (b'{"name":"\xff"}', '{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-8-sig")):
        with pytest.raises(MalformedPayload):
            parse_object(body)


def test_a_number_of_too_many_digits_is_malformed() -> None:
    with pytest.raises(MalformedPayload):
        parse_object('{"amount": ' + "9" * 10_000 + "}")


def test_a_structure_nested_too_deep_is_malformed() -> None:
    with pytest.raises(MalformedPayload):
        parse_object('{"a":' * 100_000)


def test_only_the_objects_of_a_list_are_read() -> None:
    assert as_objects([{"a": 1}, None, "x", {"b": 2}]) == [{"a": 1}, {"b": 2}]
    assert as_objects({"a": 1}) == []


@pytest.mark.parametrize("value", ["pi_1", "a", "!~", "x" * 200])
def test_printable_ascii_is_an_identifier(value: str) -> None:
    assert require_identifier({"id": value}, "id") == value


@pytest.mark.parametrize("value", [None, "", " ", "a b", "é", "x" * 201, 7, True, ["pi_1"], "a\n"])
def test_anything_else_is_no_identifier(value: object) -> None:
    assert optional_identifier(value) is None
    with pytest.raises(MalformedPayload) as refusal:
        require_identifier({"id": value}, "id")
    assert refusal.value.field == "id"


def test_a_text_is_cut_to_the_length_of_a_reason() -> None:
    assert optional_text("x" * 1_000) == "x" * 500
    assert optional_text("") is None
    assert optional_text(1) is None
    assert first_text(None, "", 3, "this one", "not this") == "this one"


def test_a_time_is_read_from_unix_seconds() -> None:
    assert moment(1767355200) == NOON
    assert moment_or(1767355200, datetime.min.replace(tzinfo=UTC)) == NOON
    assert moment_or(None, NOON) == NOON


@pytest.mark.parametrize("seconds", [None, "1767355200", 1.5, True, 10**20, -(10**20)])
def test_what_is_not_a_time_is_malformed(seconds: object) -> None:
    with pytest.raises(MalformedPayload):
        moment(seconds)


def test_a_time_is_read_from_unix_milliseconds() -> None:
    assert moment_from_milliseconds(1767355200250) == NOON + timedelta(milliseconds=250)
    assert moment_from_milliseconds(-1) == datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=1)


@pytest.mark.parametrize("milliseconds", [None, "1767355200000", 1.5, True, 10**20, -(10**20)])
def test_what_is_no_time_in_milliseconds_is_malformed(milliseconds: object) -> None:
    with pytest.raises(MalformedPayload):
        moment_from_milliseconds(milliseconds)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T12:00:00Z",
        "2026-01-02T12:00:00.000000000Z",
        "2026-01-02T12:00:00.000+0000",
        "2026-01-02T13:00:00+01:00",
        "2026-01-02 07:00:00-05:00",
        "20260102T120000Z",
    ],
)
def test_a_time_is_read_from_a_text_and_told_in_utc(text: str) -> None:
    assert moment_from_text(text) == NOON
    assert moment_from_text(text).tzinfo is UTC


def test_a_time_that_names_no_zone_is_in_the_one_that_is_known() -> None:
    manila = timezone(timedelta(hours=8))

    assert moment_from_text("2026-01-02T20:00:00", zone=manila) == NOON
    assert moment_from_text("2026-01-02T12:00:00Z", zone=manila) == NOON
    with pytest.raises(MalformedPayload, match="names no zone"):
        moment_from_text("2026-01-02T12:00:00")


@pytest.mark.parametrize(
    "value",
    [None, 1767355200, True, "", "noon", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-01-02T25:00:00Z"],
)
def test_what_is_no_text_of_a_time_is_malformed(value: object) -> None:
    with pytest.raises(MalformedPayload) as refusal:
        moment_from_text(value, zone=UTC, field="created_at")
    assert refusal.value.field == "created_at"


def test_a_time_may_be_missing_but_not_unreadable() -> None:
    assert optional_moment(None) is None
    assert optional_moment("2026-01-02T12:00:00Z") == NOON
    with pytest.raises(MalformedPayload):
        optional_moment("")


def test_an_api_fact_is_named_after_what_it_says() -> None:
    assert api_fact_id("ch_1", FactKind.CAPTURED, 1099, None) == "api:ch_1:captured:1099"
    assert api_fact_id("pi_1", FactKind.PROCESSING, None, None) == "api:pi_1:processing:"


def test_attempts_that_failed_for_different_reasons_have_different_names() -> None:
    first = api_fact_id("pi_1", FactKind.ATTEMPT_FAILED, None, "card_declined: No, thank you.")
    second = api_fact_id("pi_1", FactKind.ATTEMPT_FAILED, None, "expired_card")

    assert first != second
    assert optional_identifier(first) == first


def test_the_facts_of_one_event_are_numbered_from_the_second() -> None:
    ids = [numbered_fact.gateway_event_id for numbered_fact in numbered([fact("evt_1"), fact("evt_1"), fact("evt_1")])]

    assert ids == ["evt_1", "evt_1#2", "evt_1#3"]


def test_an_address_is_of_a_page_on_the_web() -> None:
    long = "https://pay.example/" + "x" * 1_000

    assert [optional_url(value) for value in (long, "http://pay.example/1#a")] == [long, "http://pay.example/1#a"]
    for value in (None, 7, "", "javascript:alert(1)", "ftp://pay.example", "https://pay.example/a b", "https://"):
        assert optional_url(value) is None, value


def test_an_address_may_be_required() -> None:
    assert require_url({"url": "https://pay.example/1"}, "url") == "https://pay.example/1"
    for payload in ({}, {"url": "javascript:alert(1)"}):
        with pytest.raises(MalformedPayload) as refusal:
            require_url(payload, "url")
        assert refusal.value.field == "url"


def test_a_status_that_is_not_known_is_quoted_at_a_bearable_length() -> None:
    assert unmapped_status("TELEPORTED") == "unmapped status TELEPORTED"
    assert unmapped_status("x" * 1_000) == "unmapped status " + "x" * 40


def test_a_part_that_is_no_object_is_empty() -> None:
    assert part_of({"card": {"brand": "visa"}}, "card") == {"brand": "visa"}
    assert part_of({}, "card") == {}
    for part in ("null", "[]", '"visa"', "7"):
        assert part_of(parse_object(f'{{"card":{part}}}'), "card") == {}


def test_a_reason_is_a_code_and_what_is_said_of_it() -> None:
    assert reason_text("card_declined", "No, thank you.") == "card_declined: No, thank you."
    assert reason_text("card_declined", None) == "card_declined"
    assert len(reason_text("card_declined", "x" * 1_000)) == 500
