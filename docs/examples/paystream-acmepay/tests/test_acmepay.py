"""The Acmepay connector: found by Paystream, not to be deceived, and right about money."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from connectors.base import PROTOCOLS, Callback, Capability, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.registry import get_registration, load_entry_points
from domain.errors import GatewayRejected, VerificationFailed
from domain.facts import Fact, FactKind

from local_acmepay import API_KEY, LocalAcmepay, serving
from paystream_acmepay.client import AcmepayConnector
from paystream_acmepay.registration import REGISTRATION, AcmepayCredentials

SECRET, PREVIOUS_SECRET = "whsec_current", "whsec_previous"
SIGNED_AT = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
ORDER = {"id": "ord_1", "status": "paid", "amount": 1200, "currency": "EUR", "reference": "payment-1"}
BODY = json.dumps({"id": "evt_1", "type": "order.paid", "created_at": 1767322800, "order": ORDER}).encode()

T = TypeVar("T")


@pytest.fixture
def gateway() -> Iterator[LocalAcmepay]:
    with serving() as server:
        yield server


def connector(api_base: str | None = None) -> AcmepayConnector:
    secrets = {"api_key": API_KEY, "webhook_secret": SECRET, "previous_webhook_secret": PREVIOUS_SECRET}
    credentials = AcmepayCredentials.model_validate({**secrets, "api_base": api_base})
    return AcmepayConnector(credentials)


def at(url: str, call: Callable[[AcmepayConnector], Awaitable[T]]) -> T:
    """Make a call at the local gateway."""

    async def run() -> T:
        used = connector(url)
        try:
            return await call(used)
        finally:
            await used.aclose()

    return asyncio.run(run())


def callback(body: bytes = BODY, *, secret: str = SECRET, received_at: datetime = SIGNED_AT) -> Callback:
    """A callback about BODY, whatever body comes with the signature."""
    seconds = int(SIGNED_AT.timestamp())
    signature = hmac.new(secret.encode(), f"{seconds}.".encode() + BODY, hashlib.sha256).hexdigest()
    headers = (("x-acmepay-signature", f"t={seconds},v1={signature}"),)
    return Callback(account="acme", body=body, headers=headers, received_at=received_at)


def order(key: str = "command-1", *, manual_capture: bool = False) -> OrderRequest:
    return OrderRequest(
        payment_id="payment-1",
        account="acme",
        idempotency_key=key,
        amount_minor=1200,
        currency="EUR",
        manual_capture=manual_capture,
    )


def refund(amount_minor: int) -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account="acme",
        idempotency_key="command-2",
        provider_reference="ord_1",
        amount_minor=amount_minor,
        currency="EUR",
    )


def steps(answer: GatewayAnswer) -> list[tuple[FactKind, str | None, int | None]]:
    return [(fact.kind, fact.movement_reference, fact.amount_minor) for fact in answer.facts]


def refusal_of(refused: Callback) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        connector().parse_callback(refused)
    return refusal.value.code


def test_paystream_finds_the_gateway_by_its_entry_point() -> None:
    assert load_entry_points() == ()
    assert get_registration("acmepay") is REGISTRATION


def test_the_connector_has_what_its_registration_says() -> None:
    has = {capability for capability, protocol in PROTOCOLS.items() if isinstance(connector(), protocol)}

    assert has == REGISTRATION.capabilities - {Capability.PARTIAL_REFUNDS, Capability.REPEATS_SAFELY}


def test_a_signed_callback_becomes_a_fact() -> None:
    assert connector().parse_callback(callback()) == (
        Fact(
            gateway="acmepay",
            account="acme",
            gateway_event_id="evt_1",
            kind=FactKind.CAPTURED,
            provider_reference="ord_1",
            occurred_at=SIGNED_AT,
            amount_minor=1200,
            currency="EUR",
            movement_reference="ord_1",
            payment_id="payment-1",
        ),
    )


def test_the_previous_secret_still_counts_and_no_other() -> None:
    assert connector().parse_callback(callback(secret=PREVIOUS_SECRET))
    assert refusal_of(callback(secret="whsec_of_somebody_else")) == "signature_invalid"


def test_a_body_with_any_byte_changed_is_refused() -> None:
    for position in range(len(BODY)):
        tampered = bytearray(BODY)
        tampered[position] ^= 1
        assert refusal_of(callback(bytes(tampered))) == "signature_invalid"


def test_an_old_callback_is_refused() -> None:
    assert refusal_of(callback(received_at=SIGNED_AT + timedelta(seconds=301))) == "signature_stale"
    assert refusal_of(callback(received_at=SIGNED_AT - timedelta(seconds=301))) == "signature_from_future"


def test_a_payment_is_created_once_paid_and_refunded(gateway: LocalAcmepay) -> None:
    created = at(gateway.url, lambda api: api.create_order(order()))
    again = at(gateway.url, lambda api: api.create_order(order()))
    assert (created, list(gateway.orders)) == (again, ["ord_1"])
    assert created.client_parameters == {"redirect_url": "https://pay.acmepay.example/ord_1"}

    gateway.orders["ord_1"]["status"] = "paid"
    begun = at(gateway.url, lambda api: api.refund(refund(500)))
    assert steps(begun) == [(FactKind.REFUND_PENDING, "ref_1", 500)]

    gateway.orders["ord_1"]["refunds"][0]["status"] = "succeeded"
    request = StatusRequest(payment_id="payment-1", account="acme", provider_reference="ord_1")
    known = at(gateway.url, lambda api: api.fetch_status(request))
    assert steps(known) == [(FactKind.CAPTURED, "ord_1", 1200), (FactKind.REFUNDED, "ref_1", 500)]


def test_what_the_gateway_refuses_moved_nothing(gateway: LocalAcmepay) -> None:
    at(gateway.url, lambda api: api.create_order(order()))

    with pytest.raises(GatewayRejected, match="there is not as much to refund"):
        at(gateway.url, lambda api: api.refund(refund(500)))
    with pytest.raises(GatewayRejected, match="at once"):
        at(gateway.url, lambda api: api.create_order(order("command-3", manual_capture=True)))
