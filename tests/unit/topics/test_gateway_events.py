from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.facts import Fact, FactKind, Trust
from domain.money import EXPONENTS, MAX_AMOUNT_MINOR
from topics.gateway_events import GatewayEvent
from topics.message import header

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)
IDENTIFIERS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=100)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
NAIVE_1970 = datetime(1970, 1, 2)  # noqa: DTZ001 - Hypothesis wants bounds without a zone and adds the zone itself.
NAIVE_2999 = datetime(2999, 1, 1)  # noqa: DTZ001 - as above

FACTS = st.builds(
    Fact,
    gateway=NAMES,
    account=NAMES,
    gateway_event_id=IDENTIFIERS,
    kind=st.sampled_from(FactKind),
    provider_reference=IDENTIFIERS,
    occurred_at=st.datetimes(NAIVE_1970, NAIVE_2999, timezones=ZONES),
    trust=st.sampled_from(Trust),
    amount_minor=st.none() | st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR),
    currency=st.none() | st.sampled_from(sorted(EXPONENTS)),
    movement_reference=st.none() | IDENTIFIERS,
    related_references=st.lists(IDENTIFIERS, max_size=3).map(tuple),
    payment_id=st.none() | IDENTIFIERS,
    reason=st.none() | TEXTS,
    receipt_url=st.none() | TEXTS,
)


def captured(**changes: object) -> GatewayEvent:
    fields = {
        "gateway": "stripe",
        "account": "demo",
        "gateway_event_id": "evt_1",
        "kind": "captured",
        "provider_reference": "pi_1",
        "occurred_at": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "trust": "signed",
        "amount_minor": 1000,
        "currency": "USD",
        "movement_reference": "ch_1",
    }
    return GatewayEvent.model_validate(fields | changes)


@settings(max_examples=500, deadline=None)
@given(FACTS)
def test_a_fact_survives_the_wire(fact: Fact) -> None:
    wire = GatewayEvent.from_fact(fact).model_dump_json().encode()
    assert GatewayEvent.model_validate_json(wire).to_fact() == fact


@settings(max_examples=100, deadline=None)
@given(FACTS)
def test_a_fact_says_the_same_after_the_wire(fact: Fact) -> None:
    wire = GatewayEvent.from_fact(fact).model_dump_json().encode()
    assert GatewayEvent.model_validate_json(wire).to_fact().content_digest() == fact.content_digest()


def test_facts_of_one_payment_at_one_gateway_share_a_key() -> None:
    assert captured(gateway_event_id="evt_1").key == captured(gateway_event_id="evt_2").key == b"stripe:pi_1"
    assert captured(provider_reference="pi_2").key != captured().key


def test_a_fact_is_a_cloud_event_about_its_payment() -> None:
    headers = captured().cloud_event().headers()
    assert header(headers, "ce_id") == "stripe:demo:evt_1"
    assert header(headers, "ce_type") == "paystream.gateway_event.captured"
    assert header(headers, "ce_source") == "/gateways/stripe/demo"
    assert header(headers, "ce_subject") == "pi_1"
    assert header(headers, "ce_time") == "2026-03-01T12:00:00+00:00"


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 10.0},
        {"amount_minor": "1000"},
        {"amount_minor": True},
        {"amount_minor": MAX_AMOUNT_MINOR + 1},
        {"currency": "usd"},
        {"currency": "DOLLAR"},
        {"occurred_at": "2026-03-01T12:00:00"},
        {"kind": "paid"},
        {"gateway": "Stripe"},
        {"provider_reference": ""},
        {"provider_reference": "two words"},
    ],
)
def test_what_is_no_fact_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        captured(**change)


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    assert not hasattr(captured(invented_later="yes"), "invented_later")
