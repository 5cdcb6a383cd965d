"""Every sample of every gateway becomes the facts that its table says."""

import pytest

from domain.errors import MalformedPayload
from domain.facts import NEEDS_AMOUNT, NEEDS_MOVEMENT, Fact, FactKind, Trust
from tests.connectors.case import ACCOUNT, FIXTURES, SIGNED_AT, Expected, GatewayCases
from topics.gateway_events import GatewayEvent


def facts_of(cases: GatewayCases, name: str) -> list[Fact]:
    return cases.facts_of(cases.delivery(cases.sample(name)))


def fact_of(cases: GatewayCases, body: bytes) -> Fact:
    (fact,) = cases.facts_of(cases.delivery(body))
    return fact


def test_every_sample_has_a_row_and_every_row_a_sample(cases: GatewayCases) -> None:
    suffix = cases.sample_suffix
    files = {path.name.removesuffix(suffix) for path in (FIXTURES / cases.gateway).glob(f"*{suffix}")}

    assert files
    assert files == set(cases.samples)


def test_every_sample_becomes_the_facts_of_its_row(cases: GatewayCases) -> None:
    for name, expected in cases.samples.items():
        assert tuple(Expected.of(fact) for fact in facts_of(cases, name)) == expected, name


def test_every_fact_has_what_its_kind_needs_and_fits_the_wire(cases: GatewayCases) -> None:
    for name in cases.samples:
        for fact in facts_of(cases, name):
            assert (fact.gateway, fact.account) == (cases.gateway, ACCOUNT), name
            assert GatewayEvent.from_fact(fact).to_fact() == fact, name
            if fact.trust is Trust.SIGNED:
                assert fact.kind not in NEEDS_AMOUNT or (fact.amount_minor is not None and fact.currency), name
                assert fact.kind not in NEEDS_MOVEMENT or fact.movement_reference, name


def test_callbacks_that_prove_too_little_are_hints(cases: GatewayCases) -> None:
    trusts = {fact.trust for name in cases.samples for fact in facts_of(cases, name) if fact.kind != FactKind.IGNORED}

    assert cases.registration.callback_trust in trusts
    assert cases.registration.callback_trust is Trust.SIGNED or trusts == {Trust.HINT}


def test_a_fact_happened_when_its_event_says(cases: GatewayCases) -> None:
    for name in cases.samples:
        happened = cases.event_time(cases.sample(name)) or SIGNED_AT
        assert {fact.occurred_at for fact in facts_of(cases, name)} == {happened}, name


def test_the_facts_of_an_event_have_ids_of_their_own(cases: GatewayCases) -> None:
    for name in cases.samples:
        ids = [fact.gateway_event_id for fact in facts_of(cases, name)]
        assert ids == [ids[0], *(f"{ids[0]}#{number}" for number in range(2, len(ids) + 1))], name


def test_a_repeated_callback_gives_equal_facts(cases: GatewayCases) -> None:
    for name in cases.samples:
        assert facts_of(cases, name) == facts_of(cases, name), name


def test_an_event_that_is_not_mapped_is_ignored_with_a_reason(cases: GatewayCases) -> None:
    unmapped = [] if cases.unmapped is None else [fact_of(cases, cases.unmapped())]
    reasons = [str(fact.reason) for fact in unmapped]

    assert all(fact.kind is FactKind.IGNORED for fact in unmapped)
    assert all(reason.startswith(("unmapped event type ", "unmapped status ")) for reason in reasons)
    assert unmapped or not any("event type" in str(row.reason) for rows in cases.samples.values() for row in rows)


def test_amounts_become_iso_minor_units(cases: GatewayCases) -> None:
    for amount, currency, amount_minor in cases.amounts:
        fact = fact_of(cases, cases.captured(amount, currency))
        assert (fact.kind, fact.amount_minor, fact.currency) == (cases.captured_kind, amount_minor, currency)


def test_only_callbacks_without_amounts_have_no_amounts_to_read(cases: GatewayCases) -> None:
    amounts = [fact.amount_minor for name in cases.samples for fact in facts_of(cases, name)]

    assert bool(cases.amounts) == any(amount_minor is not None for amount_minor in amounts)
    assert bool(cases.amounts) == bool(cases.refused_amounts)


def test_what_cannot_be_money_is_malformed(cases: GatewayCases) -> None:
    for amount, currency in cases.refused_amounts:
        with pytest.raises(MalformedPayload):
            cases.facts_of(cases.delivery(cases.captured(amount, currency)))


def test_the_echoed_payment_id_is_taken(cases: GatewayCases) -> None:
    fact = fact_of(cases, cases.captured(cases.amount, cases.currency, "payment-1"))

    assert fact.payment_id == ("payment-1" if cases.echoes_payment_id else None)


def test_an_echoed_payment_id_that_cannot_be_ours_is_left_out(cases: GatewayCases) -> None:
    for echoed in cases.unusable_payment_ids:
        fact = fact_of(cases, cases.captured(cases.amount, cases.currency, echoed))
        assert fact.payment_id is None, echoed
