"""How payments begin behind Prism. Every request is checked against Prism's own messages."""

import json

import pytest

from connectors.base import GatewayAnswer
from connectors.payloads import Payload
from connectors.prism.registration import REGISTRATION
from connectors.prism.sdk import Flow
from domain.errors import GatewayRejected, OutcomeUnknown
from domain.facts import FactKind
from tests.connectors.fake_prism import ScriptedPrism, wheel
from tests.connectors.local_prism import (
    AUTOMATIC,
    MANUAL,
    authorization,
    connector,
    order,
    said,
    scripted,
)

USD_1200 = {"minorAmount": "1200", "currency": "USD"}
AUTHORIZED = {"connectorTransactionId": "txn_1", "status": "AUTHORIZED"}


async def test_a_payment_without_an_order_is_named_after_what_it_will_be() -> None:
    sdk = ScriptedPrism()

    answer = await connector(sdk).create_order(order(manual=True))

    assert answer == GatewayAnswer(provider_reference=MANUAL, amount_minor=1200, currency="USD")
    assert sdk.asked == [(Flow.CREATE_ORDER, {"merchantOrderId": "payment-1", "amount": USD_1200})]


async def test_the_order_of_a_processor_with_orders_is_part_of_the_name() -> None:
    sdk = ScriptedPrism({Flow.CREATE_ORDER: {"connectorOrderId": "ord:1"}, Flow.AUTHORIZE: AUTHORIZED})
    built = connector(sdk)

    name = (await built.create_order(order("card"))).provider_reference
    await built.authorize(authorization(name))

    assert name == f"{AUTOMATIC}:ord%3A1"
    assert sdk.asked[1][1]["connectorOrderId"] == "ord:1"


async def test_an_order_without_an_id_is_of_unknown_outcome() -> None:
    with pytest.raises(OutcomeUnknown):
        await connector(scripted(Flow.CREATE_ORDER, {"status": "STARTED"})).create_order(order())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"payment_method": "cowrie_shells"}, "payment_method"),
        ({"currency": "ISK"}, "currency"),
        ({"currency": "UGX"}, "currency"),
        ({"currency": "KWD", "amount_minor": 1234}, "amount_minor"),
        ({"payment_id": "p" * 200}, "payment_id"),
    ],
)
async def test_what_cannot_be_asked_for_is_not_asked(changes: dict[str, object], field: str) -> None:
    sdk = ScriptedPrism()
    with pytest.raises(GatewayRejected) as refusal:
        await connector(sdk).create_order(order(**changes))  # type: ignore[arg-type]  # one thing is wrong in each

    assert refusal.value.field == field
    assert sdk.asked == []


@pytest.mark.parametrize("method", [method for method in REGISTRATION.payment_methods if method != "card"])
async def test_a_payment_method_of_the_browser_begins_at_once(method: str) -> None:
    redirection = {"uri": {"uri": "https://pay.example/go"}}
    begun = {"connectorTransactionId": "txn_1", "status": "AUTHENTICATION_PENDING", "redirectionData": redirection}
    sdk = scripted(Flow.AUTHORIZE, begun)

    answer = await connector(sdk).create_order(order(method))

    assert answer.client_parameters == {"redirect_url": "https://pay.example/go"}
    assert said(answer) == [(FactKind.REQUIRES_ACTION, "txn_1", None)]
    assert answer.provider_reference == AUTOMATIC
    ((_, request),) = sdk.asked
    assert list(request["paymentMethod"].values()) == [{}]


async def test_a_token_is_put_to_the_payment() -> None:
    sdk = scripted(Flow.AUTHORIZE, {**AUTHORIZED, "authorizedAmount": "1200"})
    built = connector(sdk, return_url="https://shop.example/later", callback_url="https://pay.example/webhooks/prism")

    answer = await built.authorize(authorization(MANUAL))

    assert said(answer) == [(FactKind.AUTHORIZED, "txn_1", 1200)]
    assert answer.provider_reference == MANUAL
    assert sdk.asked == [
        (
            Flow.AUTHORIZE,
            {
                "merchantTransactionId": "payment-1",
                "merchantOrderId": "payment-1",
                "merchantRequestId": "command-2",
                "amount": USD_1200,
                "captureMethod": "MANUAL",
                "paymentMethod": {"token": {"token": {"value": "pm_1"}}},
                "address": {},
                "authType": "NO_THREE_DS",
                "description": "Payment payment-1",
                "returnUrl": "https://shop.example/later",
                "webhookUrl": "https://pay.example/webhooks/prism?token=suite-url-token-0001",
                "requestIncrementalAuthorization": True,
            },
        )
    ]


async def test_three_d_secure_may_be_asked_for_always() -> None:
    sdk = scripted(Flow.AUTHORIZE, AUTHORIZED)

    await connector(sdk, force_three_d_secure=True).authorize(authorization(AUTOMATIC))

    assert sdk.asked[0][1]["authType"] == "THREE_DS"


@pytest.mark.parametrize(
    ("redirection", "parameters"),
    [
        ({}, {}),
        ({"uri": {"uri": "javascript:alert(1)"}}, {"redirection_data": '{"uri": {"uri": "javascript:alert(1)"}}'}),
        (
            {
                "form": {
                    "endpoint": "https://acs.example/3ds?a=1",
                    "method": "HTTP_METHOD_GET",
                    "formFields": {"b": "2"},
                }
            },
            {"redirect_url": "https://acs.example/3ds?a=1&b=2"},
        ),
        (
            {"form": {"endpoint": "https://acs.example/3ds", "method": "HTTP_METHOD_GET"}},
            {"redirect_url": "https://acs.example/3ds"},
        ),
        (
            {"form": {"endpoint": "https://acs.example/3ds", "method": "HTTP_METHOD_POST", "formFields": {"b": "2"}}},
            {"form_action": "https://acs.example/3ds", "form_fields": '{"b": "2"}'},
        ),
        ({"html": {"htmlData": "<p>"}}, {"redirection_data": '{"html": {"htmlData": "<p>"}}'}),
    ],
)
async def test_where_the_browser_goes_is_told(redirection: Payload, parameters: dict[str, str]) -> None:
    pending = {"connectorTransactionId": "txn_1", "status": "AUTHENTICATION_PENDING", "redirectionData": redirection}

    answer = await connector(scripted(Flow.AUTHORIZE, pending)).authorize(authorization(AUTOMATIC))

    assert answer.client_parameters == parameters


async def test_a_payment_of_the_processors_own_cannot_be_begun_again() -> None:
    sdk = ScriptedPrism()
    with pytest.raises(GatewayRejected) as refusal:
        await connector(sdk).authorize(authorization("txn_1"))

    assert refusal.value.field == "provider_reference"
    assert sdk.asked == []


def test_every_currency_is_one_of_prisms() -> None:
    assert set(wheel()["enumerations"]["Currency"]) >= REGISTRATION.currencies
    assert {"EUR", "JPY", "KWD"} <= REGISTRATION.currencies
    assert not REGISTRATION.currencies & {"IQD", "ISK", "LYD", "MGA", "UGX"}


@pytest.mark.parametrize(("currency", "wire"), [("EUR", "1230"), ("JPY", "1230"), ("KWD", "1230")])
async def test_amounts_are_minor_units_of_iso_4217(currency: str, wire: str) -> None:
    sdk = ScriptedPrism()

    await connector(sdk).create_order(order(currency=currency, amount_minor=1230))

    assert sdk.asked[0][1]["amount"] == {"minorAmount": wire, "currency": currency}
    assert json.dumps(sdk.asked[0][1])
