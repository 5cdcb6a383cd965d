"""Nothing unproven becomes a fact: every gateway's callbacks, tampered with in every way we know."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.base import VerifiesWebhooks
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind, Trust
from tests.connectors.case import SIGNED_AT, Delivery, GatewayCases

ONE_BIT_OF_EACH_KIND = pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
"""A neighbouring character, the other case, and what is no ASCII."""


def code_of_refusal(cases: GatewayCases, connector: VerifiesWebhooks, delivery: Delivery) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        connector.parse_callback(cases.callback(delivery))
    return refusal.value.code


def money_told(facts: Iterable[Fact]) -> set[tuple[object, ...]]:
    """What facts say about money with the gateway's word for it: neither hints nor ignored facts move any."""
    return {
        (
            fact.kind,
            fact.amount_minor,
            fact.currency,
            fact.provider_reference,
            fact.movement_reference,
            fact.payment_id,
        )
        for fact in facts
        if fact.trust is Trust.SIGNED and fact.kind is not FactKind.IGNORED
    }


def assert_moves_no_other_money(cases: GatewayCases, connector: VerifiesWebhooks, tampered: Delivery) -> None:
    """Whatever the proof covers: what it proves is what the genuine callback says, or nothing."""
    if cases.covers == "body":
        assert code_of_refusal(cases, connector, tampered) == "signature_invalid", tampered.body
        return
    try:
        facts = connector.parse_callback(cases.callback(tampered))
    except (VerificationFailed, MalformedPayload):
        return
    genuine = connector.parse_callback(cases.callback(cases.genuine()))
    assert money_told(facts) <= money_told(genuine), tampered.body


def test_a_genuine_callback_is_taken(cases: GatewayCases) -> None:
    facts = cases.facts_of(cases.genuine())

    amount_minor = cases.amount_minor if cases.amounts else None
    assert [(fact.kind, fact.amount_minor) for fact in facts] == [(cases.captured_kind, amount_minor)]
    assert {fact.trust for fact in facts} == {cases.registration.callback_trust}


def test_only_a_proof_that_covers_money_tells_of_money(cases: GatewayCases) -> None:
    assert cases.covers != "nothing" or cases.registration.callback_trust is Trust.HINT


@ONE_BIT_OF_EACH_KIND
def test_a_body_with_any_byte_changed_moves_no_other_money(cases: GatewayCases, bit: int) -> None:
    connector, genuine = cases.connector(), cases.genuine()
    for position in range(len(genuine.body)):
        tampered = bytearray(genuine.body)
        tampered[position] ^= bit
        assert_moves_no_other_money(cases, connector, replace(genuine, body=bytes(tampered)))


@pytest.mark.parametrize("change", [lambda body: body + b" ", lambda body: body[:-1], lambda _: b""])
def test_a_body_made_longer_or_shorter_moves_no_other_money(
    cases: GatewayCases, change: Callable[[bytes], bytes]
) -> None:
    genuine = cases.genuine()

    assert_moves_no_other_money(cases, cases.connector(), replace(genuine, body=change(genuine.body)))


@ONE_BIT_OF_EACH_KIND
def test_a_proof_with_any_character_changed_is_refused(cases: GatewayCases, bit: int) -> None:
    connector, genuine = cases.connector(), cases.genuine()
    proof = cases.proof.read(genuine)
    for position, character in enumerate(proof):
        changed = proof[:position] + chr(ord(character) ^ bit) + proof[position + 1 :]
        tampered = cases.proof.write(genuine, changed)
        assert code_of_refusal(cases, connector, tampered) == "signature_invalid", changed


@pytest.mark.parametrize("proof", ["x", "=", ",", "t=,v1=", "t=1,t=2,v1=aa", "v1=aa", "é", "0" * 64, "\x00"])
def test_a_proof_that_is_none_is_refused(cases: GatewayCases, proof: str) -> None:
    tampered = cases.proof.write(cases.genuine(), proof)

    assert code_of_refusal(cases, cases.connector(), tampered) == "signature_invalid"


def test_a_callback_without_a_proof_is_refused(cases: GatewayCases) -> None:
    unproven = cases.proof.write(cases.genuine(), None)

    assert code_of_refusal(cases, cases.connector(), unproven) == "signature_missing"


def test_an_empty_proof_is_refused(cases: GatewayCases) -> None:
    tampered = cases.proof.write(cases.genuine(), "")

    assert code_of_refusal(cases, cases.connector(), tampered) == "signature_missing"


def test_a_proof_that_comes_twice_is_refused(cases: GatewayCases) -> None:
    tampered = cases.proof.repeat(cases.genuine())

    assert code_of_refusal(cases, cases.connector(), tampered) == "signature_missing"


def test_a_proof_by_another_secret_is_refused(cases: GatewayCases) -> None:
    by_another = cases.delivery(cases.genuine_body(), cases.other_secret)

    assert code_of_refusal(cases, cases.connector(), by_another) == "signature_invalid"


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_secret_proves_nothing(cases: GatewayCases, empty: str) -> None:
    by_nothing = cases.delivery(cases.genuine_body(), empty)

    for delivery in (by_nothing, cases.genuine()):
        assert code_of_refusal(cases, cases.connector(secret=empty), delivery) == "secret_missing"
    if cases.previous_secret_field is not None:
        # A proof that is the secret itself is as empty as the secret.
        expected = "signature_invalid" if cases.proof.read(by_nothing) else "signature_missing"
        assert code_of_refusal(cases, cases.connector(previous=empty), by_nothing) == expected


def test_without_a_current_secret_the_previous_one_is_not_enough(cases: GatewayCases) -> None:
    previous = None if cases.previous_secret_field is None else cases.other_secret
    by_previous = cases.delivery(cases.genuine_body(), cases.other_secret)

    connector = cases.connector(secret="", previous=previous)

    assert code_of_refusal(cases, connector, by_previous) == "secret_missing"


def test_the_previous_secret_is_accepted_beside_the_current_one(cases: GatewayCases) -> None:
    by_previous = cases.delivery(cases.genuine_body(), cases.other_secret)
    if cases.previous_secret_field is not None:
        connector = cases.connector(previous=cases.other_secret)
        facts = connector.parse_callback(cases.callback(by_previous))
        assert facts == connector.parse_callback(cases.callback(cases.genuine()))

    assert code_of_refusal(cases, cases.connector(), by_previous) == "signature_invalid"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-301, "signature_from_future"), (-300, None), (0, None), (300, None), (301, "signature_stale")],
)
def test_a_signed_time_must_be_near_the_time_of_receipt(cases: GatewayCases, seconds: int, code: str | None) -> None:
    callback = cases.callback(cases.genuine(), SIGNED_AT + timedelta(seconds=seconds))

    if code is None or not cases.signs_time:
        assert cases.connector().parse_callback(callback)
    else:
        with pytest.raises(VerificationFailed) as refusal:
            cases.connector().parse_callback(callback)
        assert refusal.value.code == code


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"text"', b"{", b'{"id":NaN}', b"{}", b"[" * 100_000, b'{"id":"evt_1","type":"a.b"}'],
)
def test_a_body_that_cannot_be_read_is_malformed(cases: GatewayCases, body: bytes) -> None:
    # A body with no place for its proof is not proven; a callback without content may still be a hint to look.
    told: set[tuple[object, ...]] = set()
    refusals = MalformedPayload if cases.covers == "body" else (MalformedPayload, VerificationFailed)
    try:
        told = money_told(cases.facts_of(cases.delivery(body)))
    except refusals:
        return
    assert cases.covers == "nothing"
    assert told == set()
