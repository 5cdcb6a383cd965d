"""One POST for each operation on a payment."""

import httpx
import pytest

from domain.errors import GatewayDeclined, GatewayUnavailable, OutcomeUnknown
from services.api_keys import Scope
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api, payment
from tests.integration.api.paying import Json, authorized, id_of, made, paid, post
from tests.integration.services.books import rows

OPERATIONS: dict[str, Json] = {
    "set-up": {},
    "authorize": {"payment_method_token": "pm_card"},
    "capture": {},
    "void": {},
    "reverse": {},
    "refund": {},
    "increment-authorization": {"amount_minor": 2000},
    "sync": {},
    "complete": {"provider_reference": "pi_1"},
    "cancel": {},
    "approve": {},
    "reject": {"reason": "no money came"},
    "verify-redirect": {"parameters": {"proof": "genuine"}},
}


@pytest.fixture(autouse=True)
def _gateway_of_acme(api: Api) -> None:
    api.gateway.account = "acme"


async def test_a_recorded_payment_is_set_up_and_paid(acme: httpx.AsyncClient) -> None:
    path = await made(acme, set_up_at_gateway=False)

    set_up = await post(acme, f"{path}/set-up", return_url="https://shop.example/back")
    done = await post(acme, f"{path}/authorize", payment_method_token="pm_card")

    assert set_up["client_parameters"] == {"client_secret": "pi_1_secret"}
    assert (done["status"], done["captured_minor"], done["provider_reference"]) == ("completed", 1099, "pi_1")


@pytest.mark.parametrize(
    ("body", "captured"), [({}, 1099), ({"amount_minor": 500}, 500), ({"amount": "5.01"}, 501), (None, 1099)]
)
async def test_an_authorization_is_captured_whole_or_in_part(
    acme: httpx.AsyncClient, body: dict[str, object] | None, captured: int
) -> None:
    path = await authorized(acme)

    answer = await acme.post(f"{path}/capture", json=body) if body is not None else await acme.post(f"{path}/capture")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["captured_minor"], answer.json()["status"]) == (captured, "completed")
    assert (await acme.get(path)).headers["etag"] == answer.headers["etag"]


async def test_an_authorization_is_raised_and_let_go(acme: httpx.AsyncClient) -> None:
    path = await authorized(acme)

    raised = await post(acme, f"{path}/increment-authorization", amount="15.00")
    void = await post(acme, f"{path}/void", reason="out of stock")

    assert raised["authorized_minor"] == 1500
    assert void["status"] == "cancelled"


@pytest.mark.parametrize("body", [{}, {"amount": "15.00", "amount_minor": 1500}, {"amount": "15.001"}])
async def test_a_new_total_is_said_exactly_once_and_exactly(
    api: Api, acme: httpx.AsyncClient, body: dict[str, object]
) -> None:
    path = await authorized(acme)
    calls = api.gateway.calls

    answer = await acme.post(f"{path}/increment-authorization", json=body)

    assert answer.status_code == 422
    assert api.gateway.calls == calls


async def test_a_capture_is_refunded_in_parts(acme: httpx.AsyncClient) -> None:
    path = await paid(acme)

    part = await post(acme, f"{path}/refund", amount="4.00", reason="one coffee was cold")
    rest = await post(acme, f"{path}/refund")
    more = await acme.post(f"{path}/refund", json={"amount_minor": 1})

    assert (part["status"], part["refunded_minor"]) == ("partially_refunded", 400)
    assert (rest["status"], rest["refunded_minor"]) == ("refunded", 1099)
    assert (more.status_code, more.json()["code"]) == (409, "operation_not_allowed")


async def test_decimals_are_of_the_payments_own_currency(acme: httpx.AsyncClient) -> None:
    path = await paid(acme, currency="JPY", amount_minor=500)

    odd = await acme.post(f"{path}/refund", json={"amount": "1.5"})
    even = await post(acme, f"{path}/refund", amount="100")

    assert (odd.status_code, odd.json()["code"]) == (422, "invalid_money")
    assert even["refunded_minor"] == 100


async def test_more_than_there_is_is_refused(acme: httpx.AsyncClient) -> None:
    path = await paid(acme)

    answer = await acme.post(f"{path}/refund", json={"amount_minor": 1100})

    assert (answer.status_code, answer.json()["code"]) == (422, "amount_exceeded")
    assert answer.json()["errors"][0]["pointer"] == "#/amount_minor"


async def test_a_capture_is_taken_back(acme: httpx.AsyncClient) -> None:
    path = await paid(acme)

    assert (await post(acme, f"{path}/reverse"))["status"] == "reversed"


async def test_a_payment_is_read_back(api: Api, acme: httpx.AsyncClient) -> None:
    path = await made(acme)
    api.gateway.pay("pi_1")

    assert (await post(acme, f"{path}/sync"))["status"] == "completed"


async def test_what_a_browser_brings_is_verified(api: Api, acme: httpx.AsyncClient) -> None:
    path = await made(acme)
    api.gateway.pay("pi_1")

    false = await acme.post(f"{path}/verify-redirect", json={"parameters": {"proof": "painted"}})
    true = await post(acme, f"{path}/verify-redirect", parameters={"proof": "genuine", "sealed": "x" * 5_000})

    assert (false.status_code, false.json()["code"]) == (422, "signature_invalid")
    assert true["status"] == "completed"


async def test_completing_asks_the_gateway(api: Api, acme: httpx.AsyncClient) -> None:
    path = await made(acme, set_up_at_gateway=False)
    api.gateway.hold(1099, "USD", payment_id=id_of(path))
    api.gateway.pay("pi_1")

    done = await post(acme, f"{path}/complete", provider_reference="pi_1")
    other = await acme.post(f"{path}/complete", json={"provider_reference": "pi_2"})

    assert (done["status"], done["provider_reference"]) == ("completed", "pi_1")
    assert (other.status_code, other.json()["code"]) == (409, "command_conflict")


async def test_a_payment_is_cancelled_before_money_moves(acme: httpx.AsyncClient) -> None:
    recorded, there = await made(acme, set_up_at_gateway=False), await made(acme)

    assert (await post(acme, f"{recorded}/cancel", reason="changed my mind"))["status"] == "cancelled"
    assert (await post(acme, f"{there}/cancel"))["status"] == "cancelled"
    again = await acme.post(f"{there}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "operation_not_allowed")


@pytest.mark.parametrize(("operation", "status"), [("approve", "completed"), ("reject", "failed")])
async def test_a_payment_by_hand_is_decided_by_another_key(api: Api, operation: str, status: str) -> None:
    clerk, boss = [api.client(await api.key("acme")) for _ in range(2)]
    intent = await post(clerk, "/v1/payment-intents", 201, **payment(gateway="manual", payment_method="check"))
    path = f"/v1/payments/{intent['payment']['id']}"

    own = await clerk.post(f"{path}/{operation}", json=OPERATIONS[operation])
    decided = await post(boss, f"{path}/{operation}", **OPERATIONS[operation])

    assert (own.status_code, own.json()["code"]) == (409, "operation_not_allowed")
    assert decided["status"] == status


@pytest.mark.parametrize("operation", ["approve", "reject"])
async def test_no_person_decides_on_a_gateways_payment(acme: httpx.AsyncClient, operation: str) -> None:
    path = await made(acme)

    answer = await acme.post(f"{path}/{operation}", json=OPERATIONS[operation])

    assert (answer.status_code, answer.json()["code"]) == (422, "capability_missing")


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_payment_of_another_account_is_not_there(
    api: Api, acme: httpx.AsyncClient, rival: httpx.AsyncClient, database: Database, operation: str
) -> None:
    path, calls = await made(acme), api.gateway.calls

    foreign = await rival.post(f"{path}/{operation}", json=OPERATIONS[operation])
    unknown = await rival.post(f"/v1/payments/pay_0/{operation}", json=OPERATIONS[operation])

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json()["detail"] == unknown.json()["detail"].replace("pay_0", id_of(path))
    assert api.gateway.calls == calls
    assert await rows(database, "select 1 from commands where account = 'rival'") == []


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_reading_and_refunding_are_scopes_of_their_own(api: Api, acme: httpx.AsyncClient, operation: str) -> None:
    path, calls = await made(acme), api.gateway.calls
    needed = Scope.REFUNDS_WRITE if operation == "refund" else Scope.PAYMENTS_WRITE
    others = [scope for scope in Scope if scope not in {needed, Scope.ADMIN}]
    client = api.client(await api.key(scopes=others))

    answer = await client.post(f"{path}/{operation}", json=OPERATIONS[operation])

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert needed.value in answer.json()["detail"]
    assert api.gateway.calls == calls


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_field_that_nobody_knows_is_refused(api: Api, acme: httpx.AsyncClient, operation: str) -> None:
    path, calls = await made(acme), api.gateway.calls

    answer = await acme.post(f"{path}/{operation}", json=OPERATIONS[operation] | {"amuont": 5})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/amuont")
    assert api.gateway.calls == calls


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (GatewayDeclined("no funds"), 402, "gateway_declined"),
        (GatewayUnavailable("no connection"), 503, "gateway_unavailable"),
    ],
)
async def test_a_gateway_that_says_no_is_a_problem(
    api: Api, acme: httpx.AsyncClient, error: Exception, status: int, code: str
) -> None:
    path = await authorized(acme)
    api.gateway.fails_before.append(error)

    answer = await acme.post(f"{path}/capture")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await acme.get(path)).json()["captured_minor"] == 0


async def test_a_gateway_that_does_not_answer_is_accepted_and_not_asked_twice(api: Api) -> None:
    acme = api.client(await api.key())
    path = await paid(acme)
    api.gateway.fails_after.append(OutcomeUnknown("no answer"))
    key = {"Idempotency-Key": "refund-1"}

    first, again = [await acme.post(f"{path}/refund", json={"amount_minor": 400}, headers=key) for _ in range(2)]
    another = await acme.post(f"{path}/refund", json={"amount_minor": 1099})

    assert (first.status_code, first.json()["refunded_minor"]) == (202, 0)
    assert (again.status_code, again.content) == (202, first.content)
    assert [what for what, _ in api.gateway.effects.values()].count("refund") == 1
    # What may be on its way is not given away a second time.
    assert (another.status_code, another.json()["code"]) == (422, "amount_exceeded")
