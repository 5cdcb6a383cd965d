"""Payment links and checkout sessions at Stripe."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.base import PaymentLinkRequest, RedirectRequest, StatusRequest
from connectors.stripe.client import StripeConnector
from domain.errors import GatewayRejected, VerificationFailed
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.keyed_stripe import Control, connect, movement, said


def link(key: str, *, lifetime: timedelta | None = None, reusable: bool = False) -> PaymentLinkRequest:
    return PaymentLinkRequest(
        payment_link_id="link-1",
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1000,
        currency="USD",
        description="Two coffees",
        expires_at=None if lifetime is None else datetime.now(UTC) + lifetime,
        reusable=reusable,
    )


async def facts_at(stripe: StripeConnector, reference: str) -> tuple[Fact, ...]:
    request = StatusRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=reference)
    return (await stripe.fetch_status(request)).facts


@pytest.mark.parametrize("lifetime", [None, timedelta(hours=1)])
async def test_a_payment_by_a_link_names_our_payment_and_is_found_behind_it(
    stripe: StripeConnector, control: Control, key: str, lifetime: timedelta | None
) -> None:
    made = await stripe.create_payment_link(link(key, lifetime=lifetime))
    before = await facts_at(stripe, made.provider_reference)
    session = await control.pay(made.provider_reference)
    facts = await facts_at(stripe, made.provider_reference)

    assert made.url.startswith("https://")
    assert before == ()
    assert said(facts) == [(FactKind.CAPTURED, 1000)]
    assert (facts[0].provider_reference, facts[0].payment_id) == (session["payment_intent"], "payment-1")
    with pytest.raises(httpx.HTTPStatusError):
        await control.pay(made.provider_reference)


async def test_a_payment_still_named_after_its_link_is_refunded_by_its_charge(
    stripe: StripeConnector, control: Control, key: str
) -> None:
    made = await stripe.create_payment_link(link(key))
    session = await control.pay(made.provider_reference)
    (captured,) = await facts_at(stripe, made.provider_reference)
    request = movement(f"{key}-2", made.provider_reference, 400, captured.movement_reference)
    (refunded,) = (await stripe.refund(request)).facts

    assert (refunded.kind, refunded.amount_minor) == (FactKind.REFUNDED, 400)
    assert refunded.provider_reference == session["payment_intent"]


async def test_a_reusable_link_is_paid_again_and_again(stripe: StripeConnector, control: Control, key: str) -> None:
    made = await stripe.create_payment_link(link(key, reusable=True))
    sessions = [await control.pay(made.provider_reference) for _ in range(2)]
    facts = await facts_at(stripe, made.provider_reference)

    assert said(facts) == [(FactKind.CAPTURED, 1000)] * 2
    assert {fact.provider_reference for fact in facts} == {session["payment_intent"] for session in sessions}
    assert {fact.payment_id for fact in facts} == {None}


@pytest.mark.parametrize("lifetime", [None, timedelta(hours=1)])
async def test_a_cancelled_link_takes_no_payment_and_can_be_cancelled_again(
    stripe: StripeConnector, control: Control, key: str, lifetime: timedelta | None
) -> None:
    reference = (await stripe.create_payment_link(link(key, lifetime=lifetime))).provider_reference
    await stripe.cancel_payment_link(reference)
    await stripe.cancel_payment_link(reference)
    facts = await facts_at(stripe, reference)

    with pytest.raises(httpx.HTTPStatusError):
        await control.pay(reference)
    assert said(facts) == ([] if lifetime is None else [(FactKind.CANCELLED, None)])


async def test_a_session_that_was_paid_cannot_be_cancelled(stripe: StripeConnector, control: Control, key: str) -> None:
    reference = (await stripe.create_payment_link(link(key, lifetime=timedelta(hours=1)))).provider_reference
    await control.pay(reference)

    with pytest.raises(GatewayRejected):
        await stripe.cancel_payment_link(reference)


async def test_links_that_stripe_does_not_have_are_refused(stripe: StripeConnector, key: str) -> None:
    with pytest.raises(GatewayRejected, match="no reusable links that expire") as refusal:
        await stripe.create_payment_link(link(key, lifetime=timedelta(hours=1), reusable=True))
    with pytest.raises(GatewayRejected, match="between 30 minutes and 24 hours"):
        await stripe.create_payment_link(link(key, lifetime=timedelta(days=7)))

    assert refusal.value.field == "expires_at"


async def test_a_link_that_expires_needs_a_page_to_return_to(keyed_stripe: str, key: str) -> None:
    stripe = connect(keyed_stripe, payment_link_return_url=None)
    try:
        with pytest.raises(GatewayRejected, match="payment_link_return_url"):
            await stripe.create_payment_link(link(key, lifetime=timedelta(hours=1)))
    finally:
        await stripe.aclose()


async def test_a_browser_that_comes_from_another_session_is_refused(
    stripe: StripeConnector, control: Control, key: str
) -> None:
    reference = (await stripe.create_payment_link(link(key, lifetime=timedelta(hours=1)))).provider_reference
    await control.pay(reference)
    request = RedirectRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        provider_reference=reference,
        parameters={"session_id": reference},
    )

    assert said((await stripe.verify_redirect(request)).facts) == [(FactKind.CAPTURED, 1000)]
    with pytest.raises(VerificationFailed):
        await stripe.verify_redirect(replace(request, parameters={"session_id": "cs_test_another"}))
