"""Authorizing at Stripe, and what can be done with an authorization; and what a browser brings back."""

from dataclasses import replace

import pytest

from connectors.base import RedirectRequest
from connectors.stripe.client import StripeConnector
from domain.errors import GatewayDeclined, GatewayRejected, VerificationFailed
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.stripe import CASES
from tests.connectors.keyed_stripe import CHALLENGED, DECLINED, Control, authorization, movement, order, said


def redirect(reference: str, **parameters: str) -> RedirectRequest:
    return RedirectRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=reference, parameters=parameters)


async def test_an_order_waits_for_the_payers_client(stripe: StripeConnector, key: str) -> None:
    answer = await stripe.create_order(order(key))

    assert answer.client_parameters.keys() == {"client_secret", "publishable_key", "payment_intent_id"}


async def test_a_good_card_is_authorized(stripe: StripeConnector, key: str) -> None:
    reference = (await stripe.create_order(order(key))).provider_reference
    answer = await stripe.authorize(authorization(f"{key}-2", reference))

    assert said(answer.facts) == [(FactKind.AUTHORIZED, 1000)]
    assert (answer.provider_reference, answer.client_parameters) == (reference, {})
    assert answer.facts[0].payment_id == f"payment-of-{key}"


async def test_an_automatic_payment_is_captured_with_its_authorization(stripe: StripeConnector, key: str) -> None:
    reference = (await stripe.create_order(order(key, manual_capture=False))).provider_reference
    answer = await stripe.authorize(authorization(f"{key}-2", reference))

    assert said(answer.facts) == [(FactKind.CAPTURED, 1000)]


async def test_a_declined_card_is_declined(stripe: StripeConnector, key: str) -> None:
    reference = (await stripe.create_order(order(key))).provider_reference
    with pytest.raises(GatewayDeclined):
        await stripe.authorize(authorization(f"{key}-2", reference, DECLINED))
    second = await stripe.authorize(authorization(f"{key}-3", reference))

    assert said(second.facts) == [(FactKind.AUTHORIZED, 1000)]


async def test_a_challenge_sends_the_payer_away_and_is_read_back(
    stripe: StripeConnector, control: Control, key: str
) -> None:
    reference = (await stripe.create_order(order(key))).provider_reference
    answer = await stripe.authorize(authorization(f"{key}-2", reference, CHALLENGED))
    await control.authenticate(reference)
    secret = answer.client_parameters["client_secret"]
    back = await stripe.verify_redirect(
        redirect(reference, payment_intent=reference, payment_intent_client_secret=secret, redirect_status="failed")
    )

    assert said(answer.facts) == [(FactKind.REQUIRES_ACTION, None)]
    assert answer.client_parameters == {
        "client_secret": secret,
        "payment_intent_id": reference,
        "publishable_key": CASES.credentials["publishable_key"],
        "redirect_url": f"https://hooks.stripe.example/{reference}",
    }
    assert said(back.facts) == [(FactKind.AUTHORIZED, 1000)]


async def test_a_browser_that_claims_success_moves_nothing(stripe: StripeConnector, key: str) -> None:
    reference = (await stripe.create_order(order(key))).provider_reference
    back = await stripe.verify_redirect(redirect(reference, payment_intent=reference, redirect_status="succeeded"))

    assert (back.provider_reference, back.facts) == (reference, ())


@pytest.mark.parametrize(
    "parameters",
    [
        {"payment_intent": "pi_another"},
        {"payment_intent": ""},
        {"payment_intent_client_secret": "pi_another_secret_1"},
    ],
)
async def test_a_browser_that_comes_from_another_payment_is_refused(
    stripe: StripeConnector, key: str, parameters: dict[str, str]
) -> None:
    reference = (await stripe.create_order(order(key))).provider_reference
    with pytest.raises(VerificationFailed) as refusal:
        await stripe.verify_redirect(redirect(reference, **parameters))

    assert refusal.value.code == "reference_mismatch"


async def test_an_authorization_is_voided(stripe: StripeConnector, control: Control, key: str) -> None:
    reference = (await stripe.create_order(order(key))).provider_reference
    await stripe.authorize(authorization(f"{key}-2", reference))
    before = await control.movements()
    answer = await stripe.void(movement(f"{key}-3", reference, 1000))

    assert said(answer.facts) == [(FactKind.CANCELLED, None)]
    assert (await control.movements())["void"] == before.get("void", 0) + 1
    with pytest.raises(GatewayRejected):
        await stripe.capture(movement(f"{key}-4", reference, 1000))


async def test_a_payment_is_voided_before_it_is_authorized(stripe: StripeConnector, key: str) -> None:
    waiting = (await stripe.create_order(order(key))).provider_reference
    challenged = (await stripe.create_order(order(f"{key}-2"))).provider_reference
    await stripe.authorize(authorization(f"{key}-3", challenged, CHALLENGED))
    answers = [
        await stripe.void(movement(f"{key}-{reference}", reference, 1000)) for reference in (waiting, challenged)
    ]

    assert [said(answer.facts) for answer in answers] == [[(FactKind.CANCELLED, None)]] * 2


async def test_what_is_captured_cannot_be_voided(stripe: StripeConnector, key: str) -> None:
    reference = (await stripe.create_order(order(key, manual_capture=False))).provider_reference
    await stripe.authorize(authorization(f"{key}-2", reference))

    with pytest.raises(GatewayRejected):
        await stripe.void(movement(f"{key}-3", reference, 1000))


async def test_an_authorization_is_raised_to_a_new_total(stripe: StripeConnector, key: str) -> None:
    reference = (await stripe.create_order(order(key))).provider_reference
    await stripe.authorize(authorization(f"{key}-2", reference))
    raised = await stripe.increment_authorization(movement(f"{key}-3", reference, 1500))
    captured = await stripe.capture(movement(f"{key}-4", reference, 1500))

    assert said(raised.facts) == [(FactKind.AUTHORIZED, 1500)]
    assert (raised.amount_minor, raised.currency) == (1500, "USD")
    assert said(captured.facts) == [(FactKind.CAPTURED, 1500)]


async def test_an_authorization_cannot_be_lowered(stripe: StripeConnector, key: str) -> None:
    reference = (await stripe.create_order(order(key))).provider_reference
    await stripe.authorize(authorization(f"{key}-2", reference))

    with pytest.raises(GatewayRejected, match="greater than"):
        await stripe.increment_authorization(movement(f"{key}-3", reference, 900))


async def test_a_refund_names_the_command_that_asked_for_it(
    stripe: StripeConnector, keyed_stripe: str, key: str
) -> None:
    reference = (await stripe.create_order(order(key, manual_capture=False))).provider_reference
    await stripe.authorize(authorization(f"{key}-2", reference))
    request = replace(movement(f"{key}-3", reference, 300), reason="the size was wrong")
    (fact,) = (await stripe.refund(request)).facts
    refund = await stripe._api.one(stripe._api.v1.refunds.retrieve_async(str(fact.movement_reference)))

    assert refund["metadata"] == {
        "payment_id": "payment-1",
        "command_id": f"{key}-3",
        "reason": "the size was wrong",
    }
