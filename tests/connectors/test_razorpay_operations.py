"""The Razorpay connector against the local Razorpay, and the webhooks that its payments lead to."""

import json
import time
from dataclasses import replace

import pytest

from connectors.base import MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts
from connectors.razorpay.client import RazorpayConnector
from connectors.razorpay.registration import RazorpayCredentials
from devstack.gateways.razorpay import KEY_ID, build_event, sign_webhook
from domain.errors import GatewayRejected, GatewayUnavailable
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT, Delivery
from tests.connectors.cases.razorpay import CASES
from tests.connectors.fault_server import fault_server, is_silent
from tests.connectors.local_razorpay import CREDENTIALS, Payer


@pytest.fixture
def connector(razorpay: RazorpayConnector) -> RazorpayConnector:
    """The connector under test."""
    return razorpay


@pytest.fixture
def order() -> OrderRequest:
    """An order whose payment id no other test has."""
    return OrderRequest(
        payment_id=f"payment-{time.time_ns()}",
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=50000,
        currency="INR",
        manual_capture=True,
        metadata={"order": "A-1001", "payment_id": "someone-elses"},
    )


def movement(order_id: str, amount_minor: int, key: str = "command-2", capture: str | None = None) -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=order_id,
        amount_minor=amount_minor,
        currency="INR",
        capture_reference=capture,
        reason="the size was wrong",
    )


async def facts_at(connector: RazorpayConnector, order_id: str) -> tuple[Fact, ...]:
    request = StatusRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=order_id)
    answer = await connector.fetch_status(request)
    assert (answer.provider_reference, answer.amount_minor, answer.currency) == (order_id, 50000, "INR")
    return answer.facts


def said(facts: tuple[Fact, ...]) -> list[tuple[FactKind, int | None]]:
    return [(fact.kind, fact.amount_minor) for fact in facts]


async def test_an_order_is_made_once_however_often_it_is_asked_for(
    connector: RazorpayConnector, order: OrderRequest
) -> None:
    answer = await connector.create_order(order)

    assert (answer.amount_minor, answer.currency, answer.facts) == (50000, "INR", ())
    assert answer.client_parameters == {"order_id": answer.provider_reference, "key_id": KEY_ID}
    assert await connector.create_order(order) == answer


async def test_an_order_of_a_payment_with_a_long_id_is_made_once_too(
    connector: RazorpayConnector, order: OrderRequest
) -> None:
    long = replace(order, payment_id=order.payment_id + "x" * 100)

    assert await connector.create_order(long) == await connector.create_order(long)


async def test_an_order_found_with_another_amount_is_refused(connector: RazorpayConnector, order: OrderRequest) -> None:
    await connector.create_order(order)

    with pytest.raises(GatewayRejected, match="belongs to another order"):
        await connector.create_order(replace(order, amount_minor=60000))


async def test_a_payment_is_captured_as_a_whole_and_only_once(
    connector: RazorpayConnector, payer: Payer, order: OrderRequest
) -> None:
    reference = (await connector.create_order(order)).provider_reference
    payment = await payer.pay(reference)
    before = await facts_at(connector, reference)
    with pytest.raises(GatewayRejected, match="must be equal"):
        await connector.capture(movement(reference, 40000))
    answer = await connector.capture(movement(reference, 50000))

    assert said(before) == [(FactKind.PROCESSING, None), (FactKind.AUTHORIZED, 50000)]
    assert said(answer.facts) == [(FactKind.CAPTURED, 50000)]
    assert (answer.facts[0].references, answer.facts[0].movement_reference) == (
        (reference, payment["id"]),
        payment["id"],
    )
    assert await connector.capture(movement(reference, 50000)) == answer
    with pytest.raises(GatewayRejected, match="captured already"):
        await connector.capture(movement(reference, 40000))


async def test_a_status_fetch_names_our_payment_by_the_orders_notes(
    connector: RazorpayConnector, payer: Payer, order: OrderRequest
) -> None:
    reference = (await connector.create_order(order)).provider_reference
    await payer.pay(reference, "captured")

    assert {fact.payment_id for fact in await facts_at(connector, reference)} == {order.payment_id}


async def test_an_automatic_order_is_captured_by_the_payment_itself(
    connector: RazorpayConnector, payer: Payer, order: OrderRequest
) -> None:
    reference = (await connector.create_order(replace(order, manual_capture=False))).provider_reference
    payment = await payer.pay(reference)

    assert payment["status"] == "captured"
    assert said(await facts_at(connector, reference)) == [(FactKind.CAPTURED, 50000)]


async def test_an_order_can_be_paid_after_a_failed_attempt(
    connector: RazorpayConnector, payer: Payer, order: OrderRequest
) -> None:
    reference = (await connector.create_order(order)).provider_reference
    failed = await payer.pay(reference, "failed")
    with pytest.raises(GatewayRejected, match="no authorized payment"):
        await connector.capture(movement(reference, 50000))
    with pytest.raises(GatewayRejected, match="no captured payment"):
        await connector.refund(movement(reference, 50000))
    await payer.pay(reference, "captured")
    facts = await facts_at(connector, reference)

    assert said(facts) == [(FactKind.ATTEMPT_FAILED, None), (FactKind.CAPTURED, 50000)]
    assert (facts[0].movement_reference, facts[0].reason) == (failed["id"], "payment_failed: Payment failed")


async def test_a_refund_is_made_once_for_each_key(
    connector: RazorpayConnector, payer: Payer, order: OrderRequest
) -> None:
    reference = (await connector.create_order(order)).provider_reference
    payment = await payer.pay(reference, "captured")
    unique = order.payment_id
    first = await connector.refund(movement(reference, 20000, key=f"{unique}-1"))
    again = await connector.refund(movement(reference, 20000, key=f"{unique}-1", capture=payment["id"]))
    second = await connector.refund(movement(reference, 30000, key=f"not a valid key: {unique}"))
    facts = await facts_at(connector, reference)

    assert first.facts == again.facts
    assert said(first.facts) == [(FactKind.REFUNDED, 20000)]
    assert first.facts[0].references == (reference, payment["id"])
    assert said(facts[:1]) == [(FactKind.CAPTURED, 50000)]
    assert {fact.gateway_event_id for fact in facts[1:]} == {
        first.facts[0].gateway_event_id,
        second.facts[0].gateway_event_id,
    }
    with pytest.raises(GatewayRejected, match="fully refunded"):
        await connector.refund(movement(reference, 100, key=f"{unique}-3"))


async def test_a_refund_that_fails_later_is_read_back_as_failed(
    connector: RazorpayConnector, payer: Payer, order: OrderRequest
) -> None:
    reference = (await connector.create_order(order)).provider_reference
    await payer.pay(reference, "captured")
    kept = await connector.refund(movement(reference, 10000, key=f"{order.payment_id}-1"))
    failed = await connector.refund(movement(reference, 20000, key=f"{order.payment_id}-2"))
    await payer.settle(str(failed.facts[0].movement_reference), "failed")

    facts = await facts_at(connector, reference)

    assert set(said(facts)) == {
        (FactKind.CAPTURED, 50000),
        (FactKind.REFUNDED, 10000),
        (FactKind.REFUND_FAILED, 20000),
    }
    assert kept.facts[0].gateway_event_id in {fact.gateway_event_id for fact in facts}


async def test_more_refunds_than_fit_a_page_are_all_read(
    connector: RazorpayConnector, payer: Payer, order: OrderRequest
) -> None:
    reference = (await connector.create_order(order)).provider_reference
    payment = await payer.pay(reference, "captured")
    for number in range(101):
        await connector.refund(movement(reference, 100, key=f"{order.payment_id}-{number}", capture=payment["id"]))
    refunds = [fact for fact in await facts_at(connector, reference) if fact.kind is FactKind.REFUNDED]

    assert len({fact.movement_reference for fact in refunds}) == 101


async def test_an_unknown_order_is_refused(connector: RazorpayConnector) -> None:
    with pytest.raises(GatewayRejected, match="does not exist"):
        await facts_at(connector, "order_nowhere")


async def test_wrong_credentials_are_refused(local_razorpay: str, order: OrderRequest) -> None:
    wrong = RazorpayCredentials.model_validate({**CASES.credentials, "api_base": local_razorpay})
    connector = RazorpayConnector(wrong)
    try:
        with pytest.raises(GatewayRejected) as refusal:
            await connector.create_order(order)
    finally:
        await connector.aclose()

    assert refusal.value.code == "credentials_refused"


async def test_a_failed_look_up_before_a_capture_had_no_effect() -> None:
    async with fault_server(is_silent) as server:
        credentials = RazorpayCredentials.model_validate({**CREDENTIALS, "api_base": server.url})
        connector = RazorpayConnector(credentials, Timeouts(read_seconds=0.2, total_seconds=0.4))
        with pytest.raises(GatewayUnavailable):
            await connector.capture(movement("order_1", 50000))
        await connector.aclose()

    assert [request.method for request in server.requests] == ["GET"]


async def test_the_stand_ins_webhooks_say_what_its_api_says(
    connector: RazorpayConnector, payer: Payer, order: OrderRequest
) -> None:
    reference = (await connector.create_order(order)).provider_reference
    payment = await payer.pay(reference, "captured")
    body = build_event("payment.captured", {"payment": payment}, created_at=1767322800)
    headers = [(name.lower(), value) for name, value in sign_webhook(CASES.secret, body).items()]

    (fact,) = connector.parse_callback(CASES.callback(Delivery(body=body, headers=headers)))
    (read,) = await facts_at(connector, reference)

    assert (fact.kind, fact.amount_minor, fact.references, fact.movement_reference) == (
        read.kind,
        read.amount_minor,
        read.references,
        read.movement_reference,
    )
    assert fact.occurred_at.timestamp() == json.loads(body)["created_at"]


async def test_a_payment_without_an_order_is_read_back_by_itself(
    connector: RazorpayConnector, payer: Payer, order: OrderRequest
) -> None:
    reference = (await connector.create_order(order)).provider_reference
    payment = await payer.pay(reference, "captured")
    request = StatusRequest(payment_id=None, account=ACCOUNT, provider_reference=payment["id"])
    answer = await connector.fetch_status(request)

    assert answer.provider_reference == payment["id"]
    assert said(answer.facts) == [(FactKind.CAPTURED, 50000)]
