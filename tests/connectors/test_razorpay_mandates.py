"""Mandates at Razorpay: registration links, and charges of the tokens that come of them."""

from dataclasses import replace

import pytest

from connectors.base import MandateAnswer, MandateChargeRequest, MandateRequest, StatusRequest
from connectors.razorpay.client import RazorpayConnector
from domain.errors import GatewayRejected
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.local_razorpay import Payer


def mandate(key: str, customer_id: str) -> MandateRequest:
    return MandateRequest(
        mandate_id=f"mandate-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        customer_id=customer_id,
        currency="INR",
        max_amount_minor=200000,
    )


def charge(key: str, mandate_reference: str) -> MandateChargeRequest:
    return MandateChargeRequest(
        payment_id=f"payment-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=50000,
        currency="INR",
        mandate_reference=mandate_reference,
    )


@pytest.fixture
async def made(razorpay: RazorpayConnector, payer: Payer, key: str) -> MandateAnswer:
    """A mandate that the payer has still to confirm."""
    customer = await payer.customer(name="A Payer", email=f"{key}@example.com", contact="+919000090000")
    answer = await razorpay.setup_mandate(mandate(key, customer))
    assert answer.customer_reference == customer
    return answer


async def test_a_mandate_waits_on_a_page_of_razorpays(razorpay: RazorpayConnector, made: MandateAnswer) -> None:
    assert made.provider_reference.startswith("inv_")
    assert made.status == "pending"
    assert made.client_parameters["redirect_url"].startswith("https://")
    with pytest.raises(GatewayRejected, match="not confirmed") as refusal:
        await razorpay.charge_mandate(charge("command-early", made.provider_reference))
    assert refusal.value.field == "mandate_reference"


async def test_a_confirmed_mandate_is_charged_once_however_often_it_is_asked_for(
    razorpay: RazorpayConnector, payer: Payer, key: str, made: MandateAnswer
) -> None:
    await payer.confirm(made.provider_reference)
    answers = [await razorpay.charge_mandate(charge(key, made.provider_reference)) for _ in range(3)]
    status = StatusRequest(
        payment_id=f"payment-{key}", account=ACCOUNT, provider_reference=answers[0].provider_reference
    )
    facts = (await razorpay.fetch_status(status)).facts

    assert answers[1:] == answers[:1] * 2
    assert [(fact.kind, fact.amount_minor, fact.payment_id) for fact in answers[0].facts] == [
        (FactKind.CAPTURED, 50000, f"payment-{key}")
    ]
    assert facts == answers[0].facts
    assert (answers[0].amount_minor, answers[0].currency) == (50000, "INR")


async def test_a_mandate_is_charged_by_the_tokens_that_are_given(
    razorpay: RazorpayConnector, payer: Payer, key: str, made: MandateAnswer
) -> None:
    token = (await payer.confirm(made.provider_reference))["token_id"]
    named = replace(
        charge(key, "inv_not_looked_at"),
        customer_reference=made.customer_reference,
        payment_method_reference=token,
    )
    answer = await razorpay.charge_mandate(named)

    assert [fact.kind for fact in answer.facts] == [FactKind.CAPTURED]
    with pytest.raises(GatewayRejected):
        await razorpay.charge_mandate(
            replace(named, payment_id=f"payment-{key}-2", payment_method_reference="token_another")
        )


async def test_a_mandate_needs_a_customer_of_razorpays_who_can_be_reached(
    razorpay: RazorpayConnector, payer: Payer, key: str
) -> None:
    with pytest.raises(GatewayRejected, match="its own customers only") as refusal:
        await razorpay.setup_mandate(mandate(key, "customer-1"))
    with pytest.raises(GatewayRejected, match="telephone"):
        await razorpay.setup_mandate(mandate(key, await payer.customer(name="Nobody knows where")))

    assert refusal.value.field == "customer_id"
