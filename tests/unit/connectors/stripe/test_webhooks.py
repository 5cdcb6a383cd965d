"""The published vectors and samples of Stripe's webhooks, through the connector."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import Callback
from connectors.stripe.client import StripeConnector
from connectors.stripe.registration import StripeCredentials
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import FactKind
from tests.connectors.cases.stripe import CASES, sign

CURRENT, PREVIOUS = "whsec_test_9f8e7d6c", "whsec_old_1a2b3c4d"
TEST_KEY = "sk_test_1"
SECONDS = 1700000000
SIGNED_AT = datetime.fromtimestamp(SECONDS, UTC)
BODY = b'{"id":"evt_1","type":"payment_intent.succeeded"}'
BY_PREVIOUS = "de7f15b3822af36ba57bdbc10afa5088b12eb3a15b493ba53537da7bee481553"
BY_CURRENT = "56977b68fff4f8393857845e537c07533e086d0cf3ae2aee04e90322f9dc5010"
BOTH = f"t={SECONDS},v1={BY_PREVIOUS},v1={BY_CURRENT}"

SAMPLE = {
    "id": "evt_1Abc",
    "object": "event",
    "api_version": "2026-10-28.endive",
    "created": 1767322800,
    "livemode": False,
    "type": "payment_intent.succeeded",
    "pending_webhooks": 1,
    "request": {"id": "req_1", "idempotency_key": "order-1"},
    "data": {
        "object": {
            "id": "pi_1Abc",
            "object": "payment_intent",
            "amount": 1099,
            "amount_received": 1099,
            "currency": "usd",
            "status": "succeeded",
            "latest_charge": "ch_1Abc",
            "metadata": {"order_id": "order-1"},
        }
    },
}


def connector(secret: str = CURRENT, secret_key: str = TEST_KEY) -> StripeConnector:
    return StripeConnector(
        StripeCredentials.model_validate(
            {"secret_key": secret_key, "publishable_key": "pk_test_1", "webhook_secret": secret}
        )
    )


def callback(header: str, body: bytes = BODY, received_at: datetime = SIGNED_AT) -> Callback:
    return Callback(account="acme", body=body, headers=(("stripe-signature", header),), received_at=received_at)


@pytest.mark.parametrize(
    ("secret", "header"),
    [
        (CURRENT, BOTH),
        (PREVIOUS, BOTH),
        (CURRENT, f"t={SECONDS},v1={BY_CURRENT}"),
        (PREVIOUS, f"t={SECONDS},v1={BY_PREVIOUS}"),
        (CURRENT, f"t={SECONDS},v1={BY_CURRENT},v0=anything"),
    ],
)
def test_the_published_signatures_are_proven(secret: str, header: str) -> None:
    # The body is too short to be an event, which is only noticed once it is proven.
    with pytest.raises(MalformedPayload):
        connector(secret).parse_callback(callback(header))


@pytest.mark.parametrize(
    ("secret", "header"),
    [
        (CURRENT, f"t={SECONDS},v1={BY_PREVIOUS}"),
        (PREVIOUS, f"t={SECONDS},v1={BY_CURRENT}"),
        (CURRENT.removeprefix("whsec_"), BOTH),
        (CURRENT, f"t={SECONDS + 1},v1={BY_CURRENT}"),
        (CURRENT, f"t={SECONDS},v0={BY_CURRENT}"),
        (CURRENT, f"t={SECONDS},v2={BY_CURRENT}"),
        (CURRENT, f"t={SECONDS},v1={BY_CURRENT.upper()}"),
        (CURRENT, f"t={SECONDS},v1={BY_CURRENT[:-1]}"),
        (CURRENT, f"t={SECONDS},v1="),
        (CURRENT, f"t=,v1={BY_CURRENT}"),
        (CURRENT, f"t=1_700_000_000,v1={BY_CURRENT}"),
        (CURRENT, f"t={SECONDS},t={SECONDS},v1={BY_CURRENT}"),
        (CURRENT, f"v1={BY_CURRENT}"),
    ],
)
def test_anything_else_is_not(secret: str, header: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        connector(secret).parse_callback(callback(header))

    assert refusal.value.code == "signature_invalid"


def test_the_time_is_compared_with_the_receipt_and_not_with_the_clock() -> None:
    body = json.dumps(SAMPLE).encode()
    long_ago = datetime.now(UTC) - timedelta(days=400)

    facts = connector().parse_callback(
        Callback(account="acme", body=body, headers=sign(body, CURRENT, long_ago), received_at=long_ago)
    )

    assert facts[0].kind is FactKind.CAPTURED


def test_the_published_sample_is_a_capture() -> None:
    body = json.dumps(SAMPLE).encode()
    headers = sign(body, CURRENT, SIGNED_AT)

    (fact,) = connector().parse_callback(Callback(account="acme", body=body, headers=headers, received_at=SIGNED_AT))

    assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.CAPTURED, 1099, "USD")
    assert (fact.gateway_event_id, fact.provider_reference, fact.movement_reference) == (
        "evt_1Abc",
        "pi_1Abc",
        "ch_1Abc",
    )
    assert fact.occurred_at == datetime.fromtimestamp(1767322800, UTC)


@pytest.mark.parametrize(
    ("secret_key", "livemode", "kind"),
    [
        ("sk_test_1", False, FactKind.CAPTURED),
        ("sk_live_1", True, FactKind.CAPTURED),
        ("rk_live_1", True, FactKind.CAPTURED),
        ("key-of-a-stand-in", True, FactKind.CAPTURED),
        ("key-of-a-stand-in", False, FactKind.CAPTURED),
        ("sk_live_1", False, FactKind.IGNORED),
        ("rk_live_1", False, FactKind.IGNORED),
        ("sk_test_1", True, FactKind.IGNORED),
    ],
)
def test_money_of_the_other_mode_is_no_money_here(secret_key: str, *, livemode: bool, kind: FactKind) -> None:
    body = json.dumps(SAMPLE | {"livemode": livemode}).encode()
    headers = sign(body, CURRENT, SIGNED_AT)

    (fact,) = connector(secret_key=secret_key).parse_callback(
        Callback(account="acme", body=body, headers=headers, received_at=SIGNED_AT)
    )

    assert fact.kind is kind


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": "has spaces"},
        {"type": 7},
        {"created": None},
        {"created": "yesterday"},
        {"data": None},
        {"data": {"object": []}},
        {"data": {"object": {"status": "succeeded", "amount": 1, "currency": "usd"}}},
    ],
)
def test_a_proven_event_that_is_not_whole_is_malformed(change: dict[str, object]) -> None:
    body = json.dumps(SAMPLE | change).encode()
    headers = sign(body, CURRENT, SIGNED_AT)

    with pytest.raises(MalformedPayload):
        connector().parse_callback(Callback(account="acme", body=body, headers=headers, received_at=SIGNED_AT))


def test_both_refunds_of_an_older_charge_event_are_facts() -> None:
    facts = CASES.facts_of(CASES.delivery(CASES.sample("charge.refunded.older_api_version")))

    assert [fact.gateway_event_id.partition("#")[2] for fact in facts] == ["", "2"]
    assert len({fact.movement_reference for fact in facts}) == 2
