"""X-VERIFY of PhonePe's legacy API: the published vectors, and what a callback proves by one."""

import base64
import json

import pytest
from pydantic import SecretStr

from connectors.base import Callback
from connectors.phonepe_v1.checksums import Salt, checksum, is_signed
from connectors.phonepe_v1.client import PhonePeV1Connector
from connectors.phonepe_v1.registration import PhonePeV1Credentials
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import FactKind
from tests.connectors.case import Delivery
from tests.connectors.cases.phonepe_v1 import CASES

SALT = Salt(SecretStr("099eb0cd-02cf-4e2a-8aca-3e6c6aff0399"), 1)
RESPONSE = (
    "eyJzdWNjZXNzIjp0cnVlLCJjb2RlIjoiUEFZTUVOVF9TVUNDRVNTIiwiZGF0YSI6eyJtZXJjaGFudElkIjoiTTEiLCJtZXJjaGFudFRyYW5z"
    "YWN0aW9uSWQiOiJNVDEiLCJ0cmFuc2FjdGlvbklkIjoiVDEiLCJhbW91bnQiOjEwMCwic3RhdGUiOiJDT01QTEVURUQifX0="
)
OF_RESPONSE = "e16261551262393eb8e194f2cb205cffd36da1d11f3869b070891d476b6e3661###1"
PAY = "eyJtZXJjaGFudElkIjoiTTEiLCJtZXJjaGFudFRyYW5zYWN0aW9uSWQiOiJNVDEiLCJhbW91bnQiOjEwMH0="
OF_PAY = "04a41c7a7b3082f3af1738f6cdb563fb1027a194767df703400f778342e89706###1"
OF_STATUS = "6550b506ce8d1be18bd70fc03716c98eb1efc4c733a6a718f38e57a8ee72e319###1"


def connector(**changes: object) -> PhonePeV1Connector:
    return PhonePeV1Connector(PhonePeV1Credentials.model_validate({**CASES.credentials, **changes}))


def posted(response: str, told: str) -> Callback:
    body = json.dumps({"response": response}).encode()
    return CASES.callback(Delivery(body=body, headers=(("x-verify", told),)))


def signed(document: object, salt: Salt = SALT) -> Callback:
    response = base64.b64encode(json.dumps(document).encode()).decode()
    return posted(response, checksum(response, salt))


@pytest.mark.parametrize(
    ("text", "told"),
    [(RESPONSE, OF_RESPONSE), (PAY + "/pg/v1/pay", OF_PAY), ("/pg/v1/status/M1/MT1", OF_STATUS)],
    ids=["callback", "pay", "status"],
)
def test_the_published_vectors(text: str, told: str) -> None:
    assert checksum(text, SALT) == told
    assert is_signed(text, told, [SALT])


def test_the_published_callback_is_a_capture() -> None:
    (fact,) = connector().parse_callback(posted(RESPONSE, OF_RESPONSE))

    assert (fact.kind, fact.provider_reference, fact.movement_reference) == (FactKind.CAPTURED, "MT1", "T1")
    assert (fact.amount_minor, fact.currency, fact.gateway_event_id) == (100, "INR", "MT1:PAYMENT_SUCCESS")


@pytest.mark.parametrize(
    "told",
    [
        OF_RESPONSE.removesuffix("###1"),
        OF_RESPONSE.replace("###1", "###2"),
        OF_RESPONSE.replace("###", "##"),
        OF_RESPONSE.upper(),
        OF_RESPONSE + " ",
        OF_PAY,
        "###1",
    ],
)
def test_a_checksum_is_right_as_a_whole_or_not_at_all(told: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        connector().parse_callback(posted(RESPONSE, told))

    assert refusal.value.code == "signature_invalid"


@pytest.mark.parametrize("previous_index", [None, 1, 2])
def test_the_previous_salt_key_counts_with_its_own_number(previous_index: int | None) -> None:
    earlier = Salt(SecretStr("the-salt-key-before"), previous_index or 3)
    rotating = connector(salt_index=3, previous_salt_key="the-salt-key-before", previous_salt_index=previous_index)
    callback = posted(RESPONSE, checksum(RESPONSE, earlier))
    other_number = posted(RESPONSE, checksum(RESPONSE, Salt(earlier.key, 9)))

    assert rotating.parse_callback(callback)
    assert rotating.parse_callback(posted(RESPONSE, checksum(RESPONSE, Salt(SALT.key, 3))))
    with pytest.raises(VerificationFailed):
        rotating.parse_callback(other_number)


def test_the_numbers_of_two_salt_keys_are_not_interchangeable() -> None:
    rotating = connector(salt_index=3, previous_salt_key="the-salt-key-before", previous_salt_index=2)

    with pytest.raises(VerificationFailed):
        rotating.parse_callback(posted(RESPONSE, checksum(RESPONSE, Salt(SALT.key, 2))))


def test_a_callback_about_another_merchant_is_refused() -> None:
    transaction = {"merchantId": "M2", "merchantTransactionId": "MT1", "transactionId": "T1", "amount": 100}

    with pytest.raises(VerificationFailed) as refusal:
        connector().parse_callback(signed({"code": "PAYMENT_SUCCESS", "data": transaction}))

    assert refusal.value.code == "reference_mismatch"


@pytest.mark.parametrize(
    "response",
    ["", "not base64!", f"{RESPONSE[:8]}\n{RESPONSE[8:]}", "e30", "bnVsbA==", "e30=", "/////w==", "eyJhIjoxfQ==\n"],
)
def test_a_proven_response_that_cannot_be_read_is_malformed(response: str) -> None:
    with pytest.raises(MalformedPayload):
        connector().parse_callback(posted(response, checksum(response, SALT)))


@pytest.mark.parametrize("change", [{"transactionId": None}, {"merchantTransactionId": None}, {"amount": 1.5}])
def test_a_proven_capture_that_lacks_something_is_malformed(change: dict[str, object]) -> None:
    transaction = {"merchantId": "M1", "merchantTransactionId": "MT1", "transactionId": "T1", "amount": 100}

    with pytest.raises(MalformedPayload):
        connector().parse_callback(signed({"code": "PAYMENT_SUCCESS", "data": {**transaction, **change}}))


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"{}", b'{"response":7}', b"[]", b'{"response":["a"]}', b'{"response":"\\ud800"}']
)
def test_a_body_without_a_response_proves_nothing(body: bytes) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        connector().parse_callback(CASES.callback(Delivery(body=body, headers=(("x-verify", OF_RESPONSE),))))

    assert refusal.value.code == "signature_invalid"
