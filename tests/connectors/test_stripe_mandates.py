"""Mandates and stored payment methods at Stripe."""

from dataclasses import replace

import pytest

from connectors.base import GatewayAnswer, MandateChargeRequest, MandateRequest, PaymentMethodRequest
from connectors.stripe.client import StripeConnector
from domain.errors import GatewayDeclined, GatewayRejected, GatewayUnavailable
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.stripe import CASES
from tests.connectors.keyed_stripe import CHALLENGED, DECLINED, GOOD, RETURN_URL, Control, said


def mandate(key: str, **changes: object) -> MandateRequest:
    request = MandateRequest(
        mandate_id="mandate-1",
        account=ACCOUNT,
        idempotency_key=key,
        customer_id="customer-1",
        currency="USD",
        max_amount_minor=5000,
    )
    return replace(request, **changes)  # type: ignore[arg-type]  # the tests name fields of the request


def charge_of(key: str, reference: str) -> MandateChargeRequest:
    return MandateChargeRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1000,
        currency="USD",
        mandate_reference=reference,
        description="The monthly box",
    )


def of_card(key: str, token: str = GOOD, customer_id: str = "customer-1") -> PaymentMethodRequest:
    return PaymentMethodRequest(account=ACCOUNT, idempotency_key=key, customer_id=customer_id, token=token)


async def charge(stripe: StripeConnector, key: str, reference: str) -> GatewayAnswer:
    return await stripe.charge_mandate(charge_of(key, reference))


async def test_a_mandate_waits_for_the_payer_and_is_charged_when_confirmed(
    stripe: StripeConnector, control: Control, key: str
) -> None:
    made = await stripe.setup_mandate(mandate(key))
    with pytest.raises(GatewayRejected, match="not confirmed") as refusal:
        await charge(stripe, f"{key}-1", made.provider_reference)
    await control.confirm(made.provider_reference)
    answer = await charge(stripe, f"{key}-2", made.provider_reference)

    assert (made.status, made.payment_method_reference) == ("pending", None)
    assert made.client_parameters.keys() == {"client_secret", "publishable_key", "setup_intent_id"}
    assert made.client_parameters["publishable_key"] == CASES.credentials["publishable_key"]
    assert refusal.value.field == "mandate_reference"
    assert said(answer.facts) == [(FactKind.CAPTURED, 1000)]
    assert answer.facts[0].payment_id == "payment-1"
    assert answer.client_parameters == {}


async def test_a_mandate_with_a_good_card_is_active_at_once(stripe: StripeConnector, key: str) -> None:
    made = await stripe.setup_mandate(mandate(key, payment_method_token=GOOD))
    named = charge_of(f"{key}-2", made.provider_reference)
    answer = await stripe.charge_mandate(
        replace(
            named,
            customer_reference=made.customer_reference,
            payment_method_reference=made.payment_method_reference,
        )
    )

    assert (made.status, made.client_parameters) == ("active", {})
    assert str(made.customer_reference).startswith("cus_")
    assert str(made.payment_method_reference).startswith("pm_")
    assert said(answer.facts) == [(FactKind.CAPTURED, 1000)]


async def test_a_mandate_with_a_challenged_card_sends_the_payer_away(
    stripe: StripeConnector, control: Control, key: str
) -> None:
    made = await stripe.setup_mandate(mandate(key, payment_method_token=CHALLENGED, return_url=RETURN_URL))
    await control.authenticate(made.provider_reference)
    with pytest.raises(GatewayDeclined):
        await charge(stripe, f"{key}-2", made.provider_reference)

    assert (made.status, made.payment_method_reference) == ("pending", None)
    assert made.client_parameters["redirect_url"] == f"https://hooks.stripe.example/{made.provider_reference}"


async def test_a_declined_card_makes_no_mandate(stripe: StripeConnector, key: str) -> None:
    with pytest.raises(GatewayDeclined):
        await stripe.setup_mandate(mandate(key, payment_method_token=DECLINED))


async def test_an_unknown_mandate_is_refused(stripe: StripeConnector, key: str) -> None:
    with pytest.raises(GatewayRejected):
        await charge(stripe, key, "seti_nowhere")


async def test_a_stored_card_shows_what_a_person_may_see_of_it(stripe: StripeConnector, key: str) -> None:
    stored = await stripe.store_payment_method(of_card(key))

    assert stored.provider_reference.startswith("pm_")
    assert stored.customer_reference.startswith("cus_")
    assert (stored.kind, stored.brand, stored.last_four, stored.expires) == ("card", "visa", "4242", "03/2030")


async def test_stripes_own_customer_is_used_as_it_is(stripe: StripeConnector, key: str) -> None:
    first = await stripe.store_payment_method(of_card(key))
    second = await stripe.store_payment_method(of_card(f"{key}-2", customer_id=first.customer_reference))
    made = await stripe.setup_mandate(
        mandate(f"{key}-3", customer_id=first.customer_reference, payment_method_token=first.provider_reference)
    )

    assert second.customer_reference == made.customer_reference == first.customer_reference
    assert made.payment_method_reference == first.provider_reference


async def test_a_card_of_another_customer_is_refused(stripe: StripeConnector, key: str) -> None:
    stored = await stripe.store_payment_method(of_card(key))

    with pytest.raises(GatewayRejected, match="already been attached"):
        await stripe.store_payment_method(of_card(f"{key}-2", stored.provider_reference))


async def test_without_an_answer_about_the_customer_nothing_has_moved(
    stripe: StripeConnector, control: Control, key: str
) -> None:
    await control.plan("silent_after")

    with pytest.raises(GatewayUnavailable):
        await stripe.setup_mandate(mandate(key, payment_method_token=GOOD))
