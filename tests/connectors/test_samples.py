"""Every sample of every gateway becomes the facts that its table says."""

import json
from datetime import UTC, datetime

import pytest

from domain.errors import MalformedPayload
from domain.facts import NEEDS_AMOUNT, NEEDS_MOVEMENT, Fact, FactKind
from tests.connectors.case import ACCOUNT, FIXTURES, SIGNED_AT, Expected, GatewayCases
from topics.gateway_events import GatewayEvent


def facts_of(cases: GatewayCases, name: str) -> list[Fact]:
    return list(cases.connector().parse_callback(cases.callback(cases.sample(name))))


def test_every_sample_has_a_row_and_every_row_a_sample(cases: GatewayCases) -> None:
    assert {path.stem for path in (FIXTURES / cases.gateway).glob("*.json")} == set(cases.samples)


def test_every_sample_becomes_the_facts_of_its_row(cases: GatewayCases) -> None:
    for name, expected in cases.samples.items():
        assert tuple(Expected.of(fact) for fact in facts_of(cases, name)) == expected, name


def test_every_fact_has_what_its_kind_needs_and_fits_the_wire(cases: GatewayCases) -> None:
    for name in cases.samples:
        for fact in facts_of(cases, name):
            assert (fact.gateway, fact.account) == (cases.gateway, ACCOUNT), name
            assert fact.kind not in NEEDS_AMOUNT or (fact.amount_minor is not None and fact.currency), name
            assert fact.kind not in NEEDS_MOVEMENT or fact.movement_reference, name
            assert GatewayEvent.from_fact(fact).to_fact() == fact, name


def test_a_fact_happened_when_its_event_says(cases: GatewayCases) -> None:
    for name in cases.samples:
        told = cases.event_time(name)
        happened = datetime.fromtimestamp(told, UTC) if isinstance(told, int) else SIGNED_AT
        assert {fact.occurred_at for fact in facts_of(cases, name)} == {happened}, name


def test_the_facts_of_an_event_have_ids_of_their_own(cases: GatewayCases) -> None:
    for name in cases.samples:
        ids = [fact.gateway_event_id for fact in facts_of(cases, name)]
        assert ids == [ids[0], *(f"{ids[0]}#{number}" for number in range(2, len(ids) + 1))], name


def test_a_repeated_callback_gives_equal_facts(cases: GatewayCases) -> None:
    for name in cases.samples:
        assert facts_of(cases, name) == facts_of(cases, name), name


def test_an_event_that_is_not_mapped_is_ignored_with_a_reason(cases: GatewayCases) -> None:
    event = json.loads(cases.captured(1200, "USD")) | {cases.event_type_field: "moon.phase_changed"}

    facts = cases.connector().parse_callback(cases.callback(json.dumps(event).encode()))

    assert [(fact.kind, fact.reason) for fact in facts] == [
        (FactKind.IGNORED, "unmapped event type moon.phase_changed")
    ]


def test_amounts_become_iso_minor_units(cases: GatewayCases) -> None:
    for amount, currency, amount_minor in cases.amounts:
        fact = cases.connector().parse_callback(cases.callback(cases.captured(amount, currency)))[0]
        assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.CAPTURED, amount_minor, currency)


def test_what_cannot_be_money_is_malformed(cases: GatewayCases) -> None:
    for amount, currency in cases.refused_amounts:
        with pytest.raises(MalformedPayload):
            cases.connector().parse_callback(cases.callback(cases.captured(amount, currency)))


def test_the_echoed_payment_id_is_taken(cases: GatewayCases) -> None:
    callback = cases.callback(cases.captured(1200, "USD", "payment-1"))

    assert [fact.payment_id for fact in cases.connector().parse_callback(callback)] == ["payment-1"]


@pytest.mark.parametrize("echoed", ["has spaces", "", "x" * 300, 7, None, ["payment-1"], {"a": 1}])
def test_an_echoed_payment_id_that_cannot_be_ours_is_left_out(cases: GatewayCases, echoed: object) -> None:
    callback = cases.callback(cases.captured(1200, "USD", echoed))

    assert [fact.payment_id for fact in cases.connector().parse_callback(callback)] == [None]
