"""Invoices, and how much of them is paid."""

import httpx
import pytest

from services.api_keys import Scope
from tests.integration.api.conftest import Api
from tests.integration.api.paying import Json, get, paid, post

INVOICES = "/v1/invoices"
BODY: Json = {"invoice_id": "inv-17", "amount": "12.00", "currency": "USD"}


@pytest.fixture(autouse=True)
def _gateway_of_acme(api: Api) -> None:
    api.gateway.account = "acme"


async def test_an_invoice_is_registered_and_read(acme: httpx.AsyncClient) -> None:
    answer = await acme.post(INVOICES, json=BODY)

    shown = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{INVOICES}/inv-17")
    assert {name: value for name, value in shown.items() if name != "created_at"} == {
        "id": "inv-17",
        "object": "invoice",
        "account": "acme",
        "status": "open",
        "amount_minor": 1_200,
        "amount": "12.00",
        "currency": "USD",
        "paid_minor": 0,
        "left_minor": 1_200,
    }
    assert await get(acme, f"{INVOICES}/inv-17") == shown


async def test_payments_for_it_count_until_they_are_given_back(acme: httpx.AsyncClient) -> None:
    await post(acme, INVOICES, 201, **BODY)

    async def standing() -> tuple[object, ...]:
        shown = await get(acme, f"{INVOICES}/inv-17")
        return shown["status"], shown["paid_minor"], shown["left_minor"]

    await paid(acme, amount_minor=500, resource_type="invoice", resource_id="inv-17")
    assert await standing() == ("partially_paid", 500, 700)
    rest = await paid(acme, amount_minor=700, resource_type="invoice", resource_id="inv-17")
    assert await standing() == ("paid", 1_200, 0)
    await post(acme, f"{rest}/refund", amount_minor=700)
    assert await standing() == ("partially_paid", 500, 700)


async def test_the_same_invoice_again_changes_nothing_and_another_amount_is_refused(acme: httpx.AsyncClient) -> None:
    first = await post(acme, INVOICES, 201, **BODY)
    again = await post(acme, INVOICES, 201, **BODY)
    other = await acme.post(INVOICES, json=BODY | {"amount": "13.00"})

    assert again == first
    assert (other.status_code, other.json()["code"]) == (409, "invoice_conflict")


async def test_an_id_is_the_merchants_own_and_may_hold_a_slash(acme: httpx.AsyncClient) -> None:
    answer = await acme.post(INVOICES, json=BODY | {"invoice_id": "2026/17?a#b"})

    assert (answer.status_code, answer.headers["location"]) == (201, f"{INVOICES}/2026/17%3Fa%23b")
    assert (await get(acme, answer.headers["location"]))["id"] == "2026/17?a#b"


async def test_two_accounts_may_have_invoices_of_one_id(acme: httpx.AsyncClient, rival: httpx.AsyncClient) -> None:
    await post(acme, INVOICES, 201, **BODY)
    assert (await rival.get(f"{INVOICES}/inv-17")).status_code == 404
    await post(rival, INVOICES, 201, **BODY | {"amount": "1.00"})
    assert (await get(acme, f"{INVOICES}/inv-17"))["amount_minor"] == 1_200


@pytest.mark.parametrize(
    "changes",
    [
        {"invoice_id": ""},
        {"invoice_id": "a b"},
        {"invoice_id": "4242424242424242"},
        {"amount": "0"},
        {"currency": "usd"},
    ],
)
async def test_what_is_no_invoice_is_refused(acme: httpx.AsyncClient, changes: Json) -> None:
    assert (await acme.post(INVOICES, json=BODY | changes)).status_code == 422


async def test_a_reader_may_not_register(api: Api) -> None:
    reader = api.client(await api.key(scopes=[Scope.PAYMENTS_READ]))

    assert (await reader.post(INVOICES, json=BODY)).status_code == 403
    assert (await reader.get(f"{INVOICES}/inv-17")).status_code == 404
