"""PhonePe's callbacks: the constant that they carry, and the names that their hints are told apart by."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from connectors.base import Callback
from connectors.phonepe.client import PhonePeConnector
from connectors.phonepe.registration import PhonePeCredentials
from connectors.phonepe.webhooks import digest_of
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact
from tests.connectors.case import Delivery
from tests.connectors.cases.phonepe import CASES

DIGEST = "676768ea6f95c1d7241f28d6262462102c275af6a5eb71fcecdb6ed6f9a85f6e"


def with_authorization(value: str, body: bytes | None = None) -> Callback:
    sample = CASES.sample("checkout.order.completed") if body is None else body
    return CASES.callback(Delivery(body=sample, headers=(("authorization", value),)))


def connector(**changes: str) -> PhonePeConnector:
    return PhonePeConnector(PhonePeCredentials.model_validate({**CASES.credentials, **changes}))


def hints_of(event: str, payload: dict[str, Any]) -> list[Fact]:
    return CASES.facts_of(CASES.delivery(json.dumps({"event": event, "payload": payload}).encode()))


def test_the_published_vector_is_accepted_with_any_body() -> None:
    assert digest_of("merchant_user", "Passw0rd1") == DIGEST
    for name in CASES.samples:
        assert connector().parse_callback(with_authorization(DIGEST, CASES.sample(name)))


def test_the_name_of_the_algorithm_may_come_before_the_digest() -> None:
    facts = connector().parse_callback(with_authorization(f"SHA256 {DIGEST}"))

    assert facts == connector().parse_callback(with_authorization(DIGEST))


@pytest.mark.parametrize(
    "value",
    [
        DIGEST.upper(),
        f"Basic {DIGEST}",
        f"sha256 {DIGEST}",
        f"SHA256{DIGEST}",
        f"SHA256 SHA256 {DIGEST}",
        f"SHA256  {DIGEST}",
        f"{DIGEST} ",
        "SHA256 ",
        "merchant_user:Passw0rd1",
        "Basic bWVyY2hhbnRfdXNlcjpQYXNzdzByZDE=",
    ],
)
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        connector().parse_callback(with_authorization(value))

    assert refusal.value.code == "signature_invalid"


@pytest.mark.parametrize(
    ("previous", "accepted"),
    [
        ({"previous_webhook_username": "old_user", "previous_webhook_password": "0ldPassword"}, "old_user:0ldPassword"),
        ({"previous_webhook_password": "0ldPassword"}, "merchant_user:0ldPassword"),
    ],
)
def test_a_previous_pair_is_accepted_beside_the_current_one(previous: dict[str, str], accepted: str) -> None:
    rotating = connector(**previous)

    assert rotating.parse_callback(with_authorization(hashlib.sha256(accepted.encode()).hexdigest()))
    assert rotating.parse_callback(with_authorization(DIGEST))


@pytest.mark.parametrize("mixed", ["old_user:Passw0rd1", "merchant_user:0ldPassword", "old_user:"])
def test_names_and_passwords_of_different_pairs_prove_nothing(mixed: str) -> None:
    rotating = connector(previous_webhook_username="old_user", previous_webhook_password="0ldPassword")

    with pytest.raises(VerificationFailed):
        rotating.parse_callback(with_authorization(hashlib.sha256(mixed.encode()).hexdigest()))


def test_a_username_is_as_secret_as_its_password() -> None:
    credentials = PhonePeCredentials.model_validate(CASES.credentials)

    assert "merchant_user" not in repr(credentials)


def test_each_failed_attempt_is_a_hint_of_its_own() -> None:
    order = json.loads(CASES.sample("pg.transaction.failed"))["payload"]
    later = {**order, "paymentDetails": [{**order["paymentDetails"][0], "transactionId": "OM2601021200009"}]}

    ids = {hints_of("pg.transaction.failed", payload)[0].gateway_event_id for payload in (order, order, later)}

    assert len(ids) == 2


def test_each_state_of_a_refund_is_a_hint_of_its_own() -> None:
    refund = json.loads(CASES.sample("pg.refund.accepted"))["payload"]
    states = [{**refund, "state": state} for state in ("PENDING", "CONFIRMED", "CONFIRMED", "COMPLETED")]

    assert len({hints_of("pg.refund.completed", payload)[0].gateway_event_id for payload in states}) == 3


def test_only_the_state_at_the_root_counts() -> None:
    order = json.loads(CASES.sample("checkout.order.completed"))["payload"]

    facts = hints_of("checkout.order.completed", {**order, "state": "PENDING"})

    assert [fact.reason for fact in facts] == ["checkout.order.completed says nothing about the payment"]


@pytest.mark.parametrize(
    "change",
    [
        {"orderId": None},
        {"orderId": "with spaces"},
        {"amount": 100.5},
        {"paymentDetails": [{"state": "FAILED"}]},
        {"paymentDetails": [{"state": "COMPLETED", "transactionId": "OM1", "timestamp": "yesterday"}]},
        {"paymentDetails": [{"state": "COMPLETED", "transactionId": "OM1", "timestamp": 2**80}]},
    ],
)
def test_an_order_of_another_shape_is_malformed(change: dict[str, object]) -> None:
    order = json.loads(CASES.sample("checkout.order.completed"))["payload"]

    with pytest.raises(MalformedPayload):
        hints_of("checkout.order.completed", {**order, **change})


def test_a_callback_that_is_no_text_is_malformed() -> None:
    with pytest.raises(MalformedPayload):
        CASES.facts_of(replace(CASES.genuine(), body=b"\xff\xfe"))
