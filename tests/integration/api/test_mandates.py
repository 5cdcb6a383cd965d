"""Mandates: begun, read, charged."""

from dataclasses import replace

import httpx
import pytest

from connectors.base import MandateAnswer, MandateRequest
from domain.errors import GatewayDeclined, OutcomeUnknown
from services.api_keys import Scope
from tests.integration.api.conftest import Api
from tests.integration.api.paying import Json, get, post
from tests.integration.services.commands.fake_gateway import FakeGateway
from tests.integration.services.commands.shop import TESTGATE

MANDATES = "/v1/mandates"
PAGE = "https://gateway.example/confirm"
BODY: Json = {
    "gateway": TESTGATE,
    "customer_id": "customer-17",
    "currency": "USD",
    "payment_method_token": "pm_card",
    "max_amount_minor": 5_000,
}
CHARGE: Json = {"amount": "9.99", "currency": "USD", "resource_type": "subscription", "resource_id": "sub-1"}


@pytest.fixture(autouse=True)
def _gateway_of_acme(api: Api) -> None:
    api.gateway.account = "acme"


async def test_a_mandate_is_begun_and_read(acme: httpx.AsyncClient) -> None:
    answer = await acme.post(MANDATES, json=BODY)

    shown = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{MANDATES}/{shown['id']}"
    assert {name: shown[name] for name in ("gateway", "customer_id", "currency", "max_amount_minor", "status")} == {
        "gateway": TESTGATE,
        "customer_id": "customer-17",
        "currency": "USD",
        "max_amount_minor": 5_000,
        "status": "active",
    }
    assert shown["provider_reference"] == f"seti_{shown['id']}"
    assert shown["client_parameters"] is None
    assert await get(acme, f"{MANDATES}/{shown['id']}") == shown


async def test_mandates_are_listed_by_customer_gateway_and_status(api: Api, acme: httpx.AsyncClient) -> None:
    active = (await post(acme, MANDATES, 201, **BODY))["id"]
    api.gateway.mandate_status = "pending"
    pending = (await post(acme, MANDATES, 201, **BODY | {"customer_id": "customer-18"}))["id"]

    async def ids(**query: str) -> list[str]:
        return [item["id"] for item in (await get(acme, MANDATES, **query))["data"]]

    assert await ids() == [pending, active]
    assert await ids(order="asc") == [active, pending]
    assert await ids(customer_id="customer-17") == [active]
    assert await ids(status="pending") == [pending]
    assert await ids(gateway="stripe") == []
    assert (await acme.get(MANDATES, params={"status": "odd"})).status_code == 422


async def test_charging_makes_a_payment(api: Api, acme: httpx.AsyncClient) -> None:
    mandate_id = (await post(acme, MANDATES, 201, **BODY))["id"]

    answer = await acme.post(f"{MANDATES}/{mandate_id}/charge", json=CHARGE)

    shown = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/payments/{shown['id']}"
    assert (shown["object"], shown["status"], shown["captured_minor"]) == ("payment", "completed", 999)
    assert (await get(acme, f"/v1/payments/{shown['id']}"))["resource_id"] == "sub-1"
    assert len(api.gateway.held) == 1


async def test_a_charge_goes_to_those_who_have_a_part(acme: httpx.AsyncClient) -> None:
    mandate_id = (await post(acme, MANDATES, 201, **BODY))["id"]
    splits = [{"recipient_id": "atelier", "amount_minor": 400}]

    shown = await post(acme, f"{MANDATES}/{mandate_id}/charge", 201, **CHARGE | {"splits": splits})

    assert [(part["recipient_id"], part["amount_minor"]) for part in shown["splits"]] == [
        ("atelier", 400),
        ("acme", 599),
    ]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"amount": "50.01"}, 422, "amount_exceeded"),
        ({"currency": "EUR"}, 422, "invalid_input"),
        ({"amount": "9.999"}, 422, "invalid_money"),
        ({"amount_minor": 999}, 422, "invalid_request"),
        ({"resource_id": "4242424242424242"}, 422, "invalid_request"),
    ],
)
async def test_a_charge_that_the_mandate_does_not_cover_is_refused(
    api: Api, acme: httpx.AsyncClient, changes: Json, status: int, code: str
) -> None:
    mandate_id = (await post(acme, MANDATES, 201, **BODY))["id"]

    answer = await acme.post(f"{MANDATES}/{mandate_id}/charge", json=CHARGE | changes)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert api.gateway.held == {}


async def test_a_mandate_that_is_not_active_is_not_charged(api: Api, acme: httpx.AsyncClient) -> None:
    api.gateway.mandate_status = "failed"
    mandate_id = (await post(acme, MANDATES, 201, **BODY))["id"]

    answer = await acme.post(f"{MANDATES}/{mandate_id}/charge", json=CHARGE)

    assert (answer.status_code, answer.json()["code"]) == (409, "operation_not_allowed")


async def test_answers_that_are_missing_and_answers_that_are_no(api: Api, acme: httpx.AsyncClient) -> None:
    mandate_id = (await post(acme, MANDATES, 201, **BODY))["id"]
    charge = f"{MANDATES}/{mandate_id}/charge"

    api.gateway.fails_before = [GatewayDeclined("insufficient funds")]
    declined = await acme.post(charge, json=CHARGE)
    api.gateway.fails_after = [OutcomeUnknown("no answer")]
    unknown = await acme.post(charge, json=CHARGE)
    api.gateway.fails_after = [OutcomeUnknown("no answer")]
    unknown_mandate = await acme.post(MANDATES, json=BODY)

    assert (declined.status_code, declined.json()["code"]) == (402, "gateway_declined")
    assert (unknown.status_code, unknown.json()["captured_minor"]) == (202, 0)
    assert (unknown_mandate.status_code, unknown_mandate.json()["status"]) == (202, "started")


async def test_a_charge_sent_twice_charges_once(api: Api, acme: httpx.AsyncClient) -> None:
    mandate_id = (await post(acme, MANDATES, 201, **BODY))["id"]
    client = api.client(await api.key(), **{"Idempotency-Key": "charge-1"})

    first, again = [await client.post(f"{MANDATES}/{mandate_id}/charge", json=CHARGE) for _ in range(2)]

    assert first.content == again.content
    assert sum(held.captured_minor for held in api.gateway.held.values()) == 999


async def test_another_accounts_mandate_is_not_there(acme: httpx.AsyncClient, rival: httpx.AsyncClient) -> None:
    mandate_id = (await post(acme, MANDATES, 201, **BODY))["id"]

    foreign = [
        await rival.get(f"{MANDATES}/{mandate_id}"),
        await rival.post(f"{MANDATES}/{mandate_id}/charge", json=CHARGE),
        await acme.get(f"{MANDATES}/{mandate_id}0"),
        await acme.post(f"{MANDATES}/{'m' * 600}/charge", json=CHARGE),
    ]

    assert [answer.status_code for answer in foreign] == [404] * 4
    assert (await get(rival, MANDATES))["data"] == []


class ConfirmingGateway(FakeGateway):
    """Has the customer confirm a mandate on its own page."""

    async def setup_mandate(self, request: MandateRequest) -> MandateAnswer:
        answer = await super().setup_mandate(request)
        return replace(
            answer, status="pending", client_parameters={"redirect_url": f"{PAGE}?back={request.return_url}"}
        )


async def test_what_a_customer_needs_to_confirm_is_told_once(api: Api, acme: httpx.AsyncClient) -> None:
    api.gateways[TESTGATE] = ConfirmingGateway(TESTGATE, "acme")

    shown = await post(acme, MANDATES, 201, **BODY | {"return_url": "https://shop.example/back"})

    assert shown["status"] == "pending"
    assert shown["client_parameters"] == {"redirect_url": f"{PAGE}?back=https://shop.example/back"}
    assert (await get(acme, f"{MANDATES}/{shown['id']}"))["client_parameters"] is None


async def test_a_currency_that_the_gateway_does_not_take_is_refused(acme: httpx.AsyncClient) -> None:
    answer = await acme.post(MANDATES, json=BODY | {"currency": "XAF"})

    assert (answer.status_code, answer.json()["code"]) == (422, "capability_missing")


async def test_a_reader_may_not_begin_or_charge(api: Api, acme: httpx.AsyncClient) -> None:
    mandate_id = (await post(acme, MANDATES, 201, **BODY))["id"]
    reader = api.client(await api.key(scopes=[Scope.PAYMENTS_READ]))

    assert (await reader.post(MANDATES, json=BODY)).status_code == 403
    assert (await reader.post(f"{MANDATES}/{mandate_id}/charge", json=CHARGE)).status_code == 403
    assert (await reader.get(f"{MANDATES}/{mandate_id}")).status_code == 200
