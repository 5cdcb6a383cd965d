"""Payments with a stored payment method at Adyen, in the payer's presence."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from domain.errors import GatewayDeclined, GatewayRejected, OutcomeUnknown
from domain.facts import FactKind
from tests.connectors.cases.adyen import CASES
from tests.connectors.fault_server import answers
from tests.connectors.local_adyen import SHORT, Adyen, authorization, folded, local_adyen, order
from tests.connectors.operations import connected, failing
from tests.gateways.adyen import CLIENT_KEY
from tests.gateways.adyen_state import REDIRECTING, REFUSING


@pytest.fixture
async def adyen() -> AsyncIterator[Adyen]:
    async with local_adyen() as made:
        yield made


async def set_up(adyen: Adyen, key: str, **changes: object) -> str:
    """A session; returns the payment's reference."""
    return (await adyen.connector.create_order(order(key, **changes))).provider_reference


async def test_a_payment_with_a_token_says_the_same_at_once_and_by_callback(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, f"{key}-order")

    (at_once,) = (await adyen.connector.authorize(authorization(key, reference))).facts
    (called_back,) = adyen.settle()

    assert at_once.kind is FactKind.CAPTURED
    assert (at_once.kind, at_once.references, at_once.movement_reference, at_once.amount_minor) == (
        called_back.kind,
        called_back.references,
        called_back.movement_reference,
        called_back.amount_minor,
    )
    assert folded([at_once, called_back]).steps == folded([at_once]).steps


async def test_a_payment_with_a_token_is_captured_as_its_reference_says(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, f"{key}-order", manual_capture=True)

    (fact,) = (await adyen.connector.authorize(authorization(key, reference))).facts
    (attempt,) = adyen.local.state.attempts.values()

    assert (fact.kind, fact.movement_reference) == (FactKind.AUTHORIZED, attempt.psp_reference)
    assert attempt.is_manual
    assert attempt.request["shopperReference"] == "shopper-1"
    assert attempt.request["shopperInteraction"] == "ContAuth"


async def test_a_refused_token_is_a_refusal_and_an_attempt_that_failed(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, f"{key}-order")

    with pytest.raises(GatewayDeclined, match="Not enough balance"):
        await adyen.connector.authorize(authorization(key, reference, REFUSING))

    assert [fact.kind for fact in adyen.settle()] == [FactKind.ATTEMPT_FAILED]


async def test_a_payer_who_has_to_go_elsewhere_is_told_where(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, f"{key}-order")

    answer = await adyen.connector.authorize(authorization(key, reference, REDIRECTING))

    assert answer.client_parameters["redirect_url"].startswith("https://checkout.adyen.example/redirect?result=")
    assert [fact.kind for fact in answer.facts] == [FactKind.REQUIRES_ACTION]


@pytest.mark.parametrize(
    "changes",
    [{"amount_minor": None}, {"currency": None}, {"provider_reference": "order-1"}],
)
async def test_a_token_without_what_adyen_wants_with_it_is_refused(
    adyen: Adyen, key: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await adyen.connector.authorize(replace(authorization(key, "payment-1.sale"), **changes))

    assert refusal.value.field in {"amount_minor", "provider_reference"}
    assert adyen.local.movements == {}


@pytest.mark.parametrize("method", ["UNKNOWN000000001", ""])
async def test_a_token_that_adyen_does_not_know_is_refused(adyen: Adyen, key: str, method: str) -> None:
    with pytest.raises(GatewayRejected, match="Contract not found"):
        await adyen.connector.authorize(authorization(key, "payment-1.sale", method))


ACTIONS = [
    (
        {"type": "redirect", "method": "POST", "url": "https://bank.example/pay", "data": {"MD": "1", "PaReq": "a+b"}},
        {"form_action": "https://bank.example/pay", "form_fields": '{"MD":"1","PaReq":"a+b"}'},
    ),
    (
        {"type": "threeDS2", "token": "abc"},
        {"action": '{"type":"threeDS2","token":"abc"}', "client_key": CLIENT_KEY},
    ),
    ({"type": "redirect", "url": "javascript:alert(1)"}, None),
]


@pytest.mark.parametrize(("action", "parameters"), ACTIONS)
async def test_what_the_payer_has_to_do_is_passed_on(
    action: dict[str, object], parameters: dict[str, str] | None
) -> None:
    body = {"resultCode": "ChallengeShopper", "pspReference": "8835341234567890", "action": action}
    async with failing(CASES, answers(200, body)) as server, connected(CASES, server.url, SHORT) as connector:
        answer = await connector.authorize(authorization("command-1", "payment-1.sale"))

    assert "redirect_url" not in answer.client_parameters
    assert parameters is None or answer.client_parameters == parameters
    assert [fact.kind for fact in answer.facts] == [FactKind.REQUIRES_ACTION]


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ({"resultCode": "Pending", "pspReference": "8835341234567890"}, [FactKind.PROCESSING]),
        ({"resultCode": "Received"}, [FactKind.PROCESSING]),
        ({"resultCode": "PresentToShopper"}, [FactKind.REQUIRES_ACTION]),
        ({"resultCode": "Authorised", "pspReference": "8835341234567890"}, [FactKind.PROCESSING]),
        ({"resultCode": "Authorised", "amount": {"value": 1200, "currency": "USD"}}, [FactKind.PROCESSING]),
        ({"resultCode": "AuthenticationFinished", "pspReference": "8835341234567890"}, []),
        ({"resultCode": "Teleported", "pspReference": "8835341234567890"}, []),
    ],
)
async def test_an_answer_that_does_not_prove_money_tells_of_none(
    body: dict[str, object], kinds: list[FactKind]
) -> None:
    async with failing(CASES, answers(200, body)) as server, connected(CASES, server.url, SHORT) as connector:
        answer = await connector.authorize(authorization("command-1", "payment-1.sale"))

    assert [fact.kind for fact in answer.facts] == kinds


@pytest.mark.parametrize(
    "amount", [{"value": 12.5, "currency": "USD"}, {"value": "1200", "currency": "USD"}, {"value": 1200}, 1200]
)
async def test_an_authorization_of_an_unreadable_amount_is_unknown(amount: object) -> None:
    body = {"resultCode": "Authorised", "pspReference": "8835341234567890", "amount": amount}
    async with failing(CASES, answers(200, body)) as server, connected(CASES, server.url, SHORT) as connector:
        with pytest.raises(OutcomeUnknown):
            await connector.authorize(authorization("command-1", "payment-1.sale"))


@pytest.mark.parametrize("fault", ["silent_after", "delivered_twice", "error_before"])
async def test_a_payment_with_a_token_happens_once(adyen: Adyen, key: str, fault: str) -> None:
    reference = await set_up(adyen, f"{key}-order")
    adyen.will(fault)

    if fault != "delivered_twice":
        with pytest.raises(OutcomeUnknown):
            await adyen.connector.authorize(authorization(key, reference))
    answer = await adyen.connector.authorize(authorization(key, reference))

    assert [fact.kind for fact in answer.facts] == [FactKind.CAPTURED]
    assert adyen.local.movements == {"authorization": 1, "capture": 1}
