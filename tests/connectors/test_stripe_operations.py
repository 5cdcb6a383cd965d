"""The Stripe connector against a local Stripe that keeps state."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connectors.base import MandateRequest, MovementRequest, OrderRequest, PaymentMethodRequest, StatusRequest
from connectors.stripe.client import StripeConnector
from connectors.stripe.registration import StripeCredentials
from connectors.tls import system_tls
from domain.errors import GatewayRejected
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.stripe import CASES
from tests.connectors.fault_server import answers, answers_in_turn, fault_server

GOOD_CARD, DECLINED_CARD, CHALLENGED_CARD = "4242424242424242", "4000000000000341", "4000002500003155"


@pytest.fixture
async def connector(local_stripe: str) -> AsyncIterator[StripeConnector]:
    connector = StripeConnector(StripeCredentials.model_validate({**CASES.credentials, "api_base": local_stripe}))
    yield connector
    await connector.aclose()


class Payer:
    """Confirms payment intents as a payer's client does."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def confirm(self, intent_id: str, card: str = GOOD_CARD) -> httpx.Response:
        await self._post(f"/v1/payment_intents/{intent_id}", {"payment_method": await self.method(card)})
        return await self._http.post(f"/v1/payment_intents/{intent_id}/confirm")

    async def method(self, card: str = GOOD_CARD) -> str:
        details = {"card[number]": card, "card[exp_month]": "12", "card[exp_year]": "2030", "card[cvc]": "123"}
        return str((await self._post("/v1/payment_methods", {"type": "card", **details}))["id"])

    async def _post(self, path: str, data: dict[str, str]) -> dict[str, Any]:
        response = await self._http.post(path, data=data)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


@pytest.fixture
async def payer(local_stripe: str) -> AsyncIterator[Payer]:
    async with httpx.AsyncClient(
        base_url=local_stripe, auth=(CASES.credentials["secret_key"], ""), verify=system_tls()
    ) as http:
        yield Payer(http)


def order(*, amount_minor: int = 1000, currency: str = "USD", manual_capture: bool = False) -> OrderRequest:
    return OrderRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=amount_minor,
        currency=currency,
        manual_capture=manual_capture,
        metadata={"order": "A-1001", "payment_id": "someone-elses"},
    )


def movement(intent_id: str, amount_minor: int, reason: str | None = None) -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-2",
        provider_reference=intent_id,
        amount_minor=amount_minor,
        currency="USD",
        reason=reason,
    )


async def facts_at(connector: StripeConnector, intent_id: str) -> tuple[Fact, ...]:
    answer = await connector.fetch_status(
        StatusRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=intent_id)
    )
    assert answer.provider_reference == intent_id
    return answer.facts


def said(facts: tuple[Fact, ...]) -> list[tuple[FactKind, int | None]]:
    return [(fact.kind, fact.amount_minor) for fact in facts]


async def test_an_order_is_a_payment_intent_that_names_our_payment(connector: StripeConnector, payer: Payer) -> None:
    answer = await connector.create_order(order())
    await payer.confirm(answer.provider_reference)
    facts = await facts_at(connector, answer.provider_reference)

    assert (answer.amount_minor, answer.currency, answer.facts) == (1000, "USD", ())
    assert answer.client_parameters["payment_intent_id"] == answer.provider_reference
    assert answer.client_parameters["client_secret"].startswith(f"{answer.provider_reference}_secret_")
    assert answer.client_parameters["publishable_key"] == CASES.credentials["publishable_key"]
    assert said(facts) == [(FactKind.CAPTURED, 1000)]
    assert facts[0].payment_id == "payment-1"
    assert facts[0].movement_reference == facts[0].related_references[0]
    assert facts[0].movement_reference.startswith("ch_")
    assert abs((facts[0].occurred_at - datetime.now(UTC)).total_seconds()) < 60


async def test_whole_units_are_sent_times_a_hundred_where_stripe_wants_it(
    connector: StripeConnector, payer: Payer
) -> None:
    answer = await connector.create_order(order(amount_minor=500, currency="ISK"))
    await payer.confirm(answer.provider_reference)

    assert (answer.amount_minor, answer.currency) == (500, "ISK")
    assert said(await facts_at(connector, answer.provider_reference)) == [(FactKind.CAPTURED, 500)]


async def test_an_authorized_payment_is_captured_in_part(connector: StripeConnector, payer: Payer) -> None:
    reference = (await connector.create_order(order(manual_capture=True))).provider_reference
    await payer.confirm(reference)
    authorized = await facts_at(connector, reference)
    answer = await connector.capture(movement(reference, 700))

    assert said(authorized) == [(FactKind.AUTHORIZED, 1000)]
    assert said(answer.facts) == [(FactKind.CAPTURED, 700)]
    assert await facts_at(connector, reference) == answer.facts


async def test_refunds_are_facts_of_their_own_and_read_back_the_same(connector: StripeConnector, payer: Payer) -> None:
    reference = (await connector.create_order(order())).provider_reference
    await payer.confirm(reference)
    first = await connector.refund(movement(reference, 300, reason="the size was wrong"))
    second = await connector.refund(movement(reference, 700))
    facts = await facts_at(connector, reference)

    assert said(facts[:1]) == [(FactKind.CAPTURED, 1000)]
    assert set(facts[1:]) == {*first.facts, *second.facts}
    assert said(first.facts) == [(FactKind.REFUNDED, 300)]
    assert first.provider_reference == first.facts[0].provider_reference == reference
    assert first.facts[0].payment_id == "payment-1"


async def test_more_refunds_than_fit_a_page_are_all_read(connector: StripeConnector, payer: Payer) -> None:
    reference = (await connector.create_order(order())).provider_reference
    await payer.confirm(reference)
    for _ in range(101):
        await connector.refund(movement(reference, 1))
    refunds = (await facts_at(connector, reference))[1:]

    assert len({fact.movement_reference for fact in refunds}) == 101


async def test_a_declined_card_is_a_failed_attempt(connector: StripeConnector, payer: Payer) -> None:
    reference = (await connector.create_order(order())).provider_reference
    response = await payer.confirm(reference, DECLINED_CARD)
    facts = await facts_at(connector, reference)

    assert response.status_code == 402
    assert [(fact.kind, fact.reason) for fact in facts] == [
        (FactKind.ATTEMPT_FAILED, "card_declined: Your card was declined.")
    ]


async def test_a_challenge_requires_action(connector: StripeConnector, payer: Payer) -> None:
    reference = (await connector.create_order(order())).provider_reference
    await payer.confirm(reference, CHALLENGED_CARD)

    assert said(await facts_at(connector, reference)) == [(FactKind.REQUIRES_ACTION, None)]


@pytest.mark.parametrize("is_authorized", [True, False])
async def test_a_void_cancels_the_intent(connector: StripeConnector, payer: Payer, *, is_authorized: bool) -> None:
    reference = (await connector.create_order(order(manual_capture=True))).provider_reference
    if is_authorized:
        await payer.confirm(reference)
    answer = await connector.void(movement(reference, 1000))

    assert said(answer.facts) == [(FactKind.CANCELLED, None)]
    assert await facts_at(connector, reference) == answer.facts


async def test_a_card_is_stored_for_a_customer(connector: StripeConnector, payer: Payer) -> None:
    token = await payer.method()
    stored = await connector.store_payment_method(
        PaymentMethodRequest(account=ACCOUNT, idempotency_key="command-3", customer_id="customer-1", token=token)
    )

    assert (stored.provider_reference, stored.kind, stored.brand) == (token, "card", "visa")
    assert (stored.last_four, stored.expires) == ("4242", "12/2030")


async def test_a_mandate_waits_for_the_payer(connector: StripeConnector) -> None:
    answer = await connector.setup_mandate(
        MandateRequest(
            mandate_id="mandate-1",
            account=ACCOUNT,
            idempotency_key="command-4",
            customer_id="customer-1",
            currency="USD",
        )
    )

    assert answer.status == "pending"
    assert answer.client_parameters["client_secret"].startswith(f"{answer.provider_reference}_secret_")


async def test_an_unknown_payment_is_refused(connector: StripeConnector) -> None:
    with pytest.raises(GatewayRejected):
        await facts_at(connector, "pi_nowhere")


async def test_a_capture_of_what_is_not_authorized_is_refused(connector: StripeConnector, payer: Payer) -> None:
    reference = (await connector.create_order(order())).provider_reference
    await payer.confirm(reference)

    with pytest.raises(GatewayRejected):
        await connector.capture(movement(reference, 1000))


async def test_disputes_are_read_with_the_payment() -> None:
    charge = {"id": "ch_1", "object": "charge", "captured": True, "disputed": True, "created": 1767322800}
    money = {"amount": 1000, "amount_received": 1000, "currency": "usd"}
    intent = {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "latest_charge": charge, **money}
    dispute = {"id": "du_1", "object": "dispute", "status": "lost", "payment_intent": "pi_1", "created": 1767322801}
    pages = [{"object": "list", "data": items, "has_more": False, "url": "/v1"} for items in ([], [dispute | money])]
    async with fault_server(answers(500, {}), on_get=answers_in_turn(intent, *pages)) as server:
        credentials = StripeCredentials.model_validate({**CASES.credentials, "api_base": server.url})
        connector = StripeConnector(credentials)
        facts = await facts_at(connector, "pi_1")
        await connector.aclose()

    assert said(facts) == [(FactKind.CAPTURED, 1000), (FactKind.DISPUTE_LOST, 1000)]
    assert facts[1].movement_reference == "du_1"
