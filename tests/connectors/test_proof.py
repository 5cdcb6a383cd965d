"""Nothing unproven becomes a fact: every gateway's callbacks, tampered with in every way we know."""

from datetime import timedelta

import pytest

from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import FactKind
from tests.connectors.case import SIGNED_AT, GatewayCases

PREVIOUS = "the-secret-before-this-one"


def code_of_refusal(cases: GatewayCases, headers: list[tuple[str, str]], body: bytes, **changes: str | None) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        cases.connector(**changes).parse_callback(cases.callback(body, headers))
    return refusal.value.code


def without(headers: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    return [(key, value) for key, value in headers if key != name]


@pytest.fixture
def body(cases: GatewayCases) -> bytes:
    return cases.captured(1200, "USD")


@pytest.fixture
def headers(cases: GatewayCases, body: bytes) -> list[tuple[str, str]]:
    return list(cases.sign(body, cases.secret, SIGNED_AT))


def test_a_genuine_callback_is_taken(cases: GatewayCases, body: bytes) -> None:
    facts = cases.connector().parse_callback(cases.callback(body))

    assert [(fact.kind, fact.amount_minor) for fact in facts] == [(FactKind.CAPTURED, 1200)]


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_a_body_with_any_byte_changed_is_refused(
    cases: GatewayCases, body: bytes, headers: list[tuple[str, str]], bit: int
) -> None:
    connector = cases.connector()
    for position in range(len(body)):
        tampered = bytearray(body)
        tampered[position] ^= bit
        with pytest.raises(VerificationFailed) as refusal:
            connector.parse_callback(cases.callback(bytes(tampered), headers))
        assert refusal.value.code == "signature_invalid"


@pytest.mark.parametrize("change", [lambda body: body + b" ", lambda body: body[:-1], lambda _: b""])
def test_a_body_made_longer_or_shorter_is_refused(
    cases: GatewayCases, body: bytes, headers: list[tuple[str, str]], change: object
) -> None:
    assert callable(change)
    assert code_of_refusal(cases, headers, change(body)) == "signature_invalid"


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_a_signature_with_any_character_changed_is_refused(
    cases: GatewayCases, body: bytes, headers: list[tuple[str, str]], bit: int
) -> None:
    genuine = dict(headers)[cases.signature_header]
    others = without(headers, cases.signature_header)
    for position, character in enumerate(genuine):
        changed = genuine[:position] + chr(ord(character) ^ bit) + genuine[position + 1 :]
        tampered = [*others, (cases.signature_header, changed)]
        assert code_of_refusal(cases, tampered, body) == "signature_invalid", changed


@pytest.mark.parametrize("header", ["x", "=", ",", "t=,v1=", "t=1,t=2,v1=aa", "v1=aa", "é", "0" * 64, "\x00"])
def test_a_signature_that_is_none_is_refused(
    cases: GatewayCases, body: bytes, headers: list[tuple[str, str]], header: str
) -> None:
    tampered = [*without(headers, cases.signature_header), (cases.signature_header, header)]

    assert code_of_refusal(cases, tampered, body) == "signature_invalid"


def test_a_callback_without_a_signature_is_refused(
    cases: GatewayCases, body: bytes, headers: list[tuple[str, str]]
) -> None:
    assert code_of_refusal(cases, without(headers, cases.signature_header), body) == "signature_missing"


def test_an_empty_signature_is_refused(cases: GatewayCases, body: bytes, headers: list[tuple[str, str]]) -> None:
    tampered = [*without(headers, cases.signature_header), (cases.signature_header, "")]

    assert code_of_refusal(cases, tampered, body) == "signature_missing"


def test_a_signature_that_comes_twice_is_refused(
    cases: GatewayCases, body: bytes, headers: list[tuple[str, str]]
) -> None:
    genuine = dict(headers)[cases.signature_header]

    assert code_of_refusal(cases, [*headers, (cases.signature_header, genuine)], body) == "signature_missing"


def test_a_signature_by_another_secret_is_refused(cases: GatewayCases, body: bytes) -> None:
    assert code_of_refusal(cases, list(cases.sign(body, "another", SIGNED_AT)), body) == "signature_invalid"


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_secret_proves_nothing(cases: GatewayCases, body: bytes, empty: str) -> None:
    signed = list(cases.sign(body, empty, SIGNED_AT))

    assert code_of_refusal(cases, signed, body, webhook_secret=empty) == "secret_missing"
    assert code_of_refusal(cases, signed, body, previous_webhook_secret=empty) == "signature_invalid"


def test_without_a_current_secret_the_previous_one_is_not_enough(cases: GatewayCases, body: bytes) -> None:
    signed = list(cases.sign(body, PREVIOUS, SIGNED_AT))

    code = code_of_refusal(cases, signed, body, webhook_secret="", previous_webhook_secret=PREVIOUS)

    assert code == "secret_missing"


def test_the_previous_secret_is_accepted_beside_the_current_one(cases: GatewayCases, body: bytes) -> None:
    connector = cases.connector(previous_webhook_secret=PREVIOUS)
    by_previous = cases.sign(body, PREVIOUS, SIGNED_AT)

    facts = connector.parse_callback(cases.callback(body, by_previous))

    assert facts == connector.parse_callback(cases.callback(body))
    assert code_of_refusal(cases, list(by_previous), body) == "signature_invalid"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-301, "signature_from_future"), (-300, None), (0, None), (300, None), (301, "signature_stale")],
)
def test_a_signed_time_must_be_near_the_time_of_receipt(
    cases: GatewayCases, body: bytes, seconds: int, code: str | None
) -> None:
    received_at = SIGNED_AT + timedelta(seconds=seconds)
    callback = cases.callback(body, received_at=received_at)

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
def test_a_proven_body_that_cannot_be_read_is_malformed(cases: GatewayCases, body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        cases.connector().parse_callback(cases.callback(body))
