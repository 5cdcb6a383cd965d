"""Callbacks of processors behind Prism: what the SDK is given of them, and what becomes of what it says."""

import base64

import pytest

from connectors.base import Callback
from connectors.payloads import Payload
from connectors.prism.client import PrismConnector
from connectors.prism.errors import PrismFailure, Stage
from connectors.prism.registration import PrismCredentials
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind, Trust
from tests.connectors.case import ACCOUNT, SIGNED_AT
from tests.connectors.cases.prism import CASES
from tests.connectors.fake_prism import Answer, ScriptedPrism

TOKEN = "suite-url-token-0001"
PAYMENT = {"connectorTransactionId": "txn_1", "merchantTransactionId": "payment-1"}


def read(event: Answer, target: str = f"/webhooks/prism/acme?token={TOKEN}", body: bytes = b"{}") -> Fact:
    return read_with(ScriptedPrism(), event, target, body)


def read_with(sdk: ScriptedPrism, event: Answer, target: str, body: bytes) -> Fact:
    sdk.event = event
    connector = PrismConnector(PrismCredentials.model_validate(CASES.credentials), sdk)
    callback = Callback(
        account=ACCOUNT,
        body=body,
        headers=(("stripe-signature", "t=1"),),
        received_at=SIGNED_AT,
        target=target,
    )
    (fact,) = connector.parse_callback(callback)
    return fact


def test_the_sdk_is_given_the_request_without_our_token() -> None:
    sdk = ScriptedPrism()
    event = {"eventType": "PAYMENT_INTENT_SUCCESS", "reference": {"payment": PAYMENT}}

    read_with(sdk, event, f"/webhooks/prism/acme?id=a%20b&token={TOKEN}", b"\xff{}")

    assert sdk.events == [
        {
            "requestDetails": {
                "method": "HTTP_METHOD_POST",
                "uri": "/webhooks/prism/acme?id=a+b",
                "queryParams": "id=a+b",
                "headers": {"stripe-signature": "t=1"},
                "body": base64.b64encode(b"\xff{}").decode(),
            }
        }
    ]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("", "signature_missing"),
        ("/webhooks/prism/acme", "signature_missing"),
        ("/webhooks/prism/acme?token=", "signature_missing"),
        (f"/webhooks/prism/acme?Token={TOKEN}", "signature_missing"),
        (f"/webhooks/prism/acme?token={TOKEN}&token={TOKEN}", "signature_missing"),
        (f"/webhooks/prism/acme?token={TOKEN}&token=another", "signature_missing"),
        (f"/webhooks/prism/acme?token={TOKEN.upper()}", "signature_invalid"),
        (f"/webhooks/prism/acme?token={TOKEN}%00", "signature_invalid"),
        (f"/webhooks/prism/acme?token={TOKEN[:-1]}", "signature_invalid"),
        ("//[?token=%FF", "signature_invalid"),
    ],
)
def test_only_the_url_with_its_token_is_listened_to(target: str, code: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        read({}, target)

    assert refusal.value.code == code


def test_the_token_may_be_written_in_any_way_that_means_it() -> None:
    event = {"eventType": "PAYMENT_INTENT_SUCCESS", "reference": {"payment": PAYMENT}}

    assert read(event, f"/w?token={TOKEN.replace('-', '%2D')}").kind is FactKind.CAPTURED


def test_an_event_is_a_hint_that_bears_the_payments_names() -> None:
    fact = read({"eventType": "PAYMENT_INTENT_SUCCESS", "reference": {"payment": PAYMENT}})

    assert (fact.kind, fact.trust, fact.payment_id) == (FactKind.CAPTURED, Trust.HINT, "payment-1")
    assert fact.references == ("txn_1", "payment-1")
    assert (fact.amount_minor, fact.occurred_at) == (None, SIGNED_AT)


def test_a_repeated_body_is_the_same_event_and_another_is_not() -> None:
    event = {"eventType": "PAYMENT_INTENT_SUCCESS", "reference": {"payment": PAYMENT}}

    first, second, other = (read(event, body=body).gateway_event_id for body in (b"{}", b"{}", b"[]"))

    assert first == second != other


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({}, "unmapped event type WEBHOOK_EVENT_TYPE_UNSPECIFIED"),
        ({"reference": []}, "unmapped event type WEBHOOK_EVENT_TYPE_UNSPECIFIED"),
        ({"eventType": 7, "reference": {"payment": PAYMENT}}, "unmapped event type WEBHOOK_EVENT_TYPE_UNSPECIFIED"),
        ({"eventType": "PAYMENT_INTENT_SUCCESS", "reference": {}}, "unmapped event type PAYMENT_INTENT_SUCCESS"),
        ({"eventType": "PAYMENT_INTENT_SUCCESS"}, "unmapped event type PAYMENT_INTENT_SUCCESS"),
        ({"eventType": "MANDATE_ACTIVE", "reference": {"mandate": {}}}, "unmapped event type MANDATE_ACTIVE"),
        (
            PrismFailure(Stage.REFUSED, "WEBHOOK_REFERENCE_ID_NOT_FOUND"),
            "Prism reads no payment in this callback: WEBHOOK_REFERENCE_ID_NOT_FOUND",
        ),
        (
            PrismFailure(Stage.REFUSED, "NOT_IMPLEMENTED"),
            "Prism reads no payment in this callback: NOT_IMPLEMENTED",
        ),
    ],
)
def test_what_is_about_no_payment_is_ignored_with_a_reason(event: Payload | PrismFailure, reason: str) -> None:
    fact = read(event)

    assert (fact.kind, fact.reason) == (FactKind.IGNORED, reason)


def test_what_prism_cannot_read_is_malformed() -> None:
    with pytest.raises(MalformedPayload, match="WEBHOOK_EVENT_TYPE_NOT_FOUND"):
        read(PrismFailure(Stage.REFUSED, "WEBHOOK_EVENT_TYPE_NOT_FOUND"))
