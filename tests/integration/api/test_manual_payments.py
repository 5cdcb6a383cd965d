"""Manual payments: submitted, listed, and decided on by somebody else."""

import httpx
import pytest

from services.api_keys import Scope
from tests.integration.api.conftest import Api
from tests.integration.api.paying import Json, get, post

MANUAL = "/v1/manual-payments"
INVOICE: Json = {"invoice_id": "inv-17", "amount_minor": 1_200, "currency": "USD"}
BODY: Json = {
    "method": "bank_transfer",
    "transaction_reference": "TRX-1",
    "notes": "seen on the statement",
    "amount_minor": 1_200,
    "currency": "USD",
    "resource_type": "invoice",
    "resource_id": "inv-17",
}


@pytest.fixture
async def invoiced(acme: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of `acme`, which has an invoice of 12.00 USD."""
    await post(acme, "/v1/invoices", 201, **INVOICE)
    return acme


async def test_a_submitted_payment_waits_for_approval(invoiced: httpx.AsyncClient) -> None:
    answer = await invoiced.post(MANUAL, json=BODY)

    shown = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{MANUAL}/{shown['payment_id']}")
    assert (shown["method"], shown["transaction_reference"], shown["notes"]) == (
        "bank_transfer",
        "TRX-1",
        "seen on the statement",
    )
    assert (shown["payment"]["status"], shown["payment"]["gateway"]) == ("pending_approval", "manual")
    assert shown["payment"]["client_parameters"]["instructions"].startswith("Pay 1200 USD by bank_transfer")
    assert shown["submitted_by"].startswith("key:")
    assert shown["decided_by"] is None

    read = await get(invoiced, f"{MANUAL}/{shown['payment_id']}")
    assert read["payment"]["client_parameters"] is None
    assert (await get(invoiced, f"/v1/payments/{shown['payment_id']}"))["status"] == "pending_approval"


async def test_those_awaiting_approval_are_listed_until_somebody_else_decides(
    api: Api, invoiced: httpx.AsyncClient
) -> None:
    first = (await post(invoiced, MANUAL, 201, **BODY))["payment_id"]
    second = (await post(invoiced, MANUAL, 201, **BODY | {"transaction_reference": "TRX-2"}))["payment_id"]

    async def waiting() -> list[str]:
        page = await get(invoiced, MANUAL, status="pending_approval")
        return [item["payment_id"] for item in page["data"]]

    assert await waiting() == [second, first]
    boss = api.client(await api.key())
    await post(boss, f"/v1/payments/{first}/approve")
    await post(boss, f"/v1/payments/{second}/reject", reason="sent twice")
    assert await waiting() == []

    decided = await get(invoiced, f"{MANUAL}/{first}")
    assert decided["decided_by"] not in (None, decided["submitted_by"])
    assert [item["payment"]["status"] for item in (await get(invoiced, MANUAL))["data"]] == ["failed", "completed"]
    assert (await get(invoiced, "/v1/invoices/inv-17"))["status"] == "paid"


async def test_pages_go_on(invoiced: httpx.AsyncClient) -> None:
    made = [
        (await post(invoiced, MANUAL, 201, **BODY | {"transaction_reference": f"TRX-{number}"}))["payment_id"]
        for number in range(3)
    ]

    first = await get(invoiced, MANUAL, limit=2, order="asc")
    rest = await get(invoiced, MANUAL, limit=2, order="asc", cursor=first["next_cursor"])

    assert [item["payment_id"] for item in first["data"] + rest["data"]] == made


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"amount_minor": 1_100}, 409, "wrong_amount"),
        ({"currency": "EUR"}, 409, "wrong_amount"),
        ({"resource_id": "inv-18"}, 404, "not_found"),
        ({"method": "cash"}, 422, "invalid_request"),
        ({"transaction_reference": "4242 4242 4242 4242"}, 422, "invalid_request"),
        ({"notes": "card 4242424242424242"}, 422, "invalid_request"),
        ({"notes": "\x00"}, 422, "invalid_request"),
        ({"gateway": "stripe"}, 422, "invalid_request"),
    ],
)
async def test_what_does_not_pay_the_invoice_is_refused(
    invoiced: httpx.AsyncClient, changes: Json, status: int, code: str
) -> None:
    answer = await invoiced.post(MANUAL, json=BODY | changes)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await get(invoiced, MANUAL))["data"] == []


async def test_an_invoice_that_is_paid_is_not_paid_again(api: Api, invoiced: httpx.AsyncClient) -> None:
    payment_id = (await post(invoiced, MANUAL, 201, **BODY))["payment_id"]
    await post(api.client(await api.key()), f"/v1/payments/{payment_id}/approve")

    answer = await invoiced.post(MANUAL, json=BODY)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")


async def test_another_accounts_are_not_there(invoiced: httpx.AsyncClient, rival: httpx.AsyncClient) -> None:
    payment_id = (await post(invoiced, MANUAL, 201, **BODY))["payment_id"]

    assert (await rival.get(f"{MANUAL}/{payment_id}")).status_code == 404
    assert (await get(rival, MANUAL))["data"] == []
    # An invoice of another account is none.
    assert (await rival.post(MANUAL, json=BODY)).status_code == 404


async def test_a_payment_at_a_gateway_is_no_manual_one(acme: httpx.AsyncClient) -> None:
    other = await post(
        acme,
        "/v1/payments",
        201,
        amount_minor=1,
        currency="USD",
        gateway="testgate",
        resource_type="o",
        resource_id="1",
    )
    assert (await acme.get(f"{MANUAL}/{other['id']}")).status_code == 404
    assert (await get(acme, MANUAL))["data"] == []


async def test_a_reader_may_not_submit(api: Api, invoiced: httpx.AsyncClient) -> None:
    reader = api.client(await api.key(scopes=[Scope.PAYMENTS_READ]))

    assert (await reader.post(MANUAL, json=BODY)).status_code == 403
    assert (await reader.get(MANUAL)).status_code == 200
