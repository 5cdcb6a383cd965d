"""Payment links at Razorpay."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.base import PaymentLinkRequest, StatusRequest
from connectors.razorpay.client import RazorpayConnector
from domain.errors import GatewayRejected
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.local_razorpay import Payer


def link(key: str, **changes: object) -> PaymentLinkRequest:
    request = PaymentLinkRequest(
        payment_link_id="link-1",
        payment_id=f"payment-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=50000,
        currency="INR",
        description="Two coffees",
        expires_at=datetime.now(UTC) + timedelta(days=2),
    )
    return replace(request, **changes)  # type: ignore[arg-type]  # the tests name fields of the request


async def facts_at(razorpay: RazorpayConnector, reference: str) -> tuple[Fact, ...]:
    answer = await razorpay.fetch_status(
        StatusRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=reference)
    )
    assert (answer.provider_reference, answer.amount_minor, answer.currency) == (reference, 50000, "INR")
    return answer.facts


async def test_a_link_is_paid_and_names_our_payment(razorpay: RazorpayConnector, payer: Payer, key: str) -> None:
    made = await razorpay.create_payment_link(link(key))
    before = await facts_at(razorpay, made.provider_reference)
    payment = (await payer.pay_link(made.provider_reference))["payment"]
    (fact,) = await facts_at(razorpay, made.provider_reference)

    assert made.provider_reference.startswith("plink_")
    assert made.url.startswith("https://")
    assert before == ()
    assert (fact.kind, fact.amount_minor, fact.payment_id) == (FactKind.CAPTURED, 50000, f"payment-{key}")
    assert fact.references == (payment["order_id"], payment["id"])


async def test_the_same_link_is_made_once(razorpay: RazorpayConnector, key: str) -> None:
    request = link(key)
    made = await razorpay.create_payment_link(request)

    assert await razorpay.create_payment_link(request) == made
    for another in (replace(request, amount_minor=60000), replace(request, payment_link_id="link-2")):
        with pytest.raises(GatewayRejected, match="already exists"):
            await razorpay.create_payment_link(another)


async def test_a_link_of_a_payment_with_a_long_id_is_made_once_too(razorpay: RazorpayConnector, key: str) -> None:
    request = link(key, payment_id=f"payment-{key}" + "x" * 100)

    assert await razorpay.create_payment_link(request) == await razorpay.create_payment_link(request)


async def test_a_cancelled_link_takes_no_payment_and_can_be_cancelled_again(
    razorpay: RazorpayConnector, payer: Payer, key: str
) -> None:
    request = link(key)
    reference = (await razorpay.create_payment_link(request)).provider_reference
    await razorpay.cancel_payment_link(reference)
    await razorpay.cancel_payment_link(reference)

    assert [fact.kind for fact in await facts_at(razorpay, reference)] == [FactKind.CANCELLED]
    with pytest.raises(httpx.HTTPStatusError):
        await payer.pay_link(reference)
    with pytest.raises(GatewayRejected, match="already exists"):
        await razorpay.create_payment_link(request)


async def test_a_link_that_was_paid_cannot_be_cancelled(razorpay: RazorpayConnector, payer: Payer, key: str) -> None:
    reference = (await razorpay.create_payment_link(link(key))).provider_reference
    await payer.pay_link(reference)

    with pytest.raises(GatewayRejected, match="cannot be cancelled"):
        await razorpay.cancel_payment_link(reference)


async def test_links_that_razorpay_does_not_have_are_refused(razorpay: RazorpayConnector, key: str) -> None:
    with pytest.raises(GatewayRejected, match="no reusable links") as refusal:
        await razorpay.create_payment_link(link(key, reusable=True))
    with pytest.raises(GatewayRejected, match="15 minutes"):
        await razorpay.create_payment_link(link(key, expires_at=datetime.now(UTC)))

    assert refusal.value.field == "reusable"
