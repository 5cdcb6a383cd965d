from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connectors.payloads import (
    api_fact_id,
    as_objects,
    first_text,
    moment,
    moment_or,
    numbered,
    optional_identifier,
    optional_text,
    optional_url,
    parse_object,
    require_identifier,
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
