"""Payment methods that Adyen stores, and charges of them without the payer."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from connectors.base import MandateChargeRequest, MandateRequest
from domain.errors import GatewayDeclined, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from domain.facts import FactKind
from tests.connectors.cases.adyen import CASES
from tests.connectors.fault_server import answers, is_silent
from tests.connectors.local_adyen import ACCOUNT, SHORT, Adyen, local_adyen
from tests.connectors.operations import connected, failing
from tests.gateways.adyen import CLIENT_KEY
from tests.gateways.adyen_state import REDIRECTING, REFUSING, SHOPPER, STORED

MANDATE = "mandate-1.mandate"


@pytest.fixture
async def adyen() -> AsyncIterator[Adyen]:
    async with local_adyen() as made:
        yield made


def mandate(key: str, method: str | None = None) -> MandateRequest:
    return MandateRequest(
        mandate_id="mandate-1",
        account=ACCOUNT,
        idempotency_key=key,
        customer_id="customer-1",
        currency="USD",
        payment_method_token=None if method is None else f"{SHOPPER}/{method}",
        max_amount_minor=5_000,
    )


def charge(key: str, customer: str | None = MANDATE, method: str | None = None) -> MandateChargeRequest:
    return MandateChargeRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1200,
        currency="USD",
        mandate_reference=MANDATE,
        customer_reference=customer,
        payment_method_reference=method,
    )


async def test_a_mandate_begins_in_a_session_of_nothing(adyen: Adyen, key: str) -> None:
    answer = await adyen.connector.setup_mandate(mandate(key))

    (session,) = adyen.local.state.sessions.values()
    assert (answer.provider_reference, answer.customer_reference, answer.status) == (MANDATE, MANDATE, "pending")
    assert answer.payment_method_reference is None
    assert answer.client_parameters == {
        "session_id": session.id,
        "session_data": session.data,
        "client_key": CLIENT_KEY,
    }
    assert session.request["amount"] == {"value": 0, "currency": "USD"}
    assert session.request["storePaymentMethodMode"] == "enabled"
    assert session.request["shopperReference"] == MANDATE


async def test_a_mandate_that_the_payer_confirmed_is_charged(adyen: Adyen, key: str) -> None:
    await adyen.connector.setup_mandate(mandate(key))
    about_the_mandate = adyen.pay(MANDATE)

    answer = await adyen.connector.charge_mandate(charge(f"{key}-charge"))
    (called_back,) = adyen.settle()

    assert [fact.kind for fact in about_the_mandate] == [FactKind.IGNORED] * 3
    assert all(fact.payment_id is None for fact in about_the_mandate)
    (fact,) = answer.facts
    assert (fact.kind, fact.amount_minor, fact.payment_id) == (FactKind.CAPTURED, 1200, "payment-1")
    assert answer.provider_reference == called_back.provider_reference == "payment-1.sale"
    attempt = adyen.local.state.attempts[str(fact.movement_reference)]
    assert attempt.request["recurringProcessingModel"] == "UnscheduledCardOnFile"
    assert attempt.request["shopperInteraction"] == "ContAuth"


async def test_a_mandate_is_found_by_its_own_name_where_its_shopper_is_not_given(adyen: Adyen, key: str) -> None:
    await adyen.connector.setup_mandate(mandate(key))
    adyen.pay(MANDATE)

    answer = await adyen.connector.charge_mandate(charge(f"{key}-charge", customer=None))

    assert [fact.kind for fact in answer.facts] == [FactKind.CAPTURED]


async def test_a_mandate_that_nobody_confirmed_is_not_charged(adyen: Adyen, key: str) -> None:
    await adyen.connector.setup_mandate(mandate(key))

    with pytest.raises(GatewayRejected, match="keeps 0 payment methods") as refusal:
        await adyen.connector.charge_mandate(charge(f"{key}-charge"))

    assert refusal.value.field == "mandate_reference"
    assert adyen.local.movements == {}


async def test_one_of_several_payment_methods_is_not_guessed(adyen: Adyen, key: str) -> None:
    with pytest.raises(GatewayRejected, match="keeps 3 payment methods"):
        await adyen.connector.charge_mandate(charge(key, customer=SHOPPER))

    assert adyen.local.movements == {}


async def test_a_mandate_with_a_token_is_confirmed_at_once(adyen: Adyen, key: str) -> None:
    answer = await adyen.connector.setup_mandate(mandate(key, STORED))
    request = charge(f"{key}-charge", answer.customer_reference, answer.payment_method_reference)
    charged = await adyen.connector.charge_mandate(request)

    assert (answer.status, answer.customer_reference, answer.payment_method_reference) == ("active", SHOPPER, STORED)
    assert [fact.kind for fact in charged.facts] == [FactKind.CAPTURED]
    assert [fact.kind for fact in adyen.settle()] == [FactKind.IGNORED, FactKind.CAPTURED]


async def test_a_mandate_that_the_payer_must_confirm_elsewhere_waits(adyen: Adyen, key: str) -> None:
    answer = await adyen.connector.setup_mandate(mandate(key, REDIRECTING))

    assert (answer.status, answer.payment_method_reference) == ("pending", None)
    assert answer.client_parameters["redirect_url"].startswith("https://checkout.adyen.example/")


async def test_a_refused_payment_method_makes_no_mandate_and_no_payment(adyen: Adyen, key: str) -> None:
    with pytest.raises(GatewayDeclined):
        await adyen.connector.setup_mandate(mandate(key, REFUSING))
    with pytest.raises(GatewayDeclined):
        await adyen.connector.charge_mandate(charge(f"{key}-charge", SHOPPER, REFUSING))

    assert adyen.local.movements == {}


async def test_a_charge_that_was_never_answered_is_repeated_without_a_second_effect(adyen: Adyen, key: str) -> None:
    request = charge(key, SHOPPER, STORED)
    adyen.will("silent_after")

    with pytest.raises(OutcomeUnknown):
        await adyen.connector.charge_mandate(request)
    answer = await adyen.connector.charge_mandate(request)

    assert [fact.kind for fact in answer.facts] == [FactKind.CAPTURED]
    assert adyen.local.movements == {"authorization": 1, "capture": 1}


async def test_a_look_up_without_an_answer_has_moved_nothing() -> None:
    async with failing(CASES, is_silent) as server, connected(CASES, server.url, SHORT) as connector:
        with pytest.raises(GatewayUnavailable):
            await connector.charge_mandate(charge("command-1"))

    assert (len(server.reads), len(server.writes)) == (1, 0)


async def test_a_payment_method_without_a_usable_name_is_not_charged() -> None:
    kept = {"storedPaymentMethods": [{"brand": "visa"}]}
    account = failing(CASES, is_silent, on_get=answers(200, kept))
    async with account as server, connected(CASES, server.url, SHORT) as connector:
        with pytest.raises(GatewayRejected):
            await connector.charge_mandate(charge("command-1"))

    assert server.writes == []


async def test_a_charge_is_of_the_payments_amount_in_adyens_units(adyen: Adyen, key: str) -> None:
    request = replace(charge(key, SHOPPER, STORED), amount_minor=1099, currency="CLP")

    (fact,) = (await adyen.connector.charge_mandate(request)).facts

    assert adyen.local.state.attempts[str(fact.movement_reference)].authorised == 109_900
    assert (fact.amount_minor, fact.currency) == (1099, "CLP")
