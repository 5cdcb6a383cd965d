"""What Square's errors mean, and what the SDK is kept from doing with answers."""

import json

import pytest

from connectors.http_client import GatewayResponse
from connectors.outcomes import Timeouts
from connectors.square.client import SquareConnector
from connectors.square.errors import classify
from connectors.square.registration import SquareCredentials
from domain.errors import GatewayDeclined, GatewayError, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from tests.connectors.cases.square import CASES, ORDER, PAYMENT
from tests.connectors.fault_server import Fault, answers, fault_server
from tests.gateways.square_shop import authorization, movement, order


def response(status: int, code: str, category: str = "INVALID_REQUEST_ERROR") -> GatewayResponse:
    errors = [{"category": category, "code": code, "detail": "Square's own words"}]
    return GatewayResponse(status, {}, json.dumps({"errors": errors}).encode())


@pytest.mark.parametrize(
    ("status", "category", "code", "expected"),
    [
        (402, "PAYMENT_METHOD_ERROR", "CARD_DECLINED", GatewayDeclined),
        (400, "PAYMENT_METHOD_ERROR", "CVV_FAILURE", GatewayDeclined),
        (400, "INVALID_REQUEST_ERROR", "CARD_TOKEN_USED", GatewayRejected),
        (400, "REFUND_ERROR", "REFUND_AMOUNT_INVALID", GatewayRejected),
        (400, "INVALID_REQUEST_ERROR", "IDEMPOTENCY_KEY_REUSED", OutcomeUnknown),
        (400, "INVALID_REQUEST_ERROR", "VERSION_MISMATCH", GatewayUnavailable),
        (409, "INVALID_REQUEST_ERROR", "VERSION_MISMATCH", GatewayUnavailable),
        (409, "INVALID_REQUEST_ERROR", "CONFLICT", OutcomeUnknown),
        (401, "AUTHENTICATION_ERROR", "ACCESS_TOKEN_EXPIRED", GatewayRejected),
        (403, "PAYMENT_METHOD_ERROR", "CARD_PROCESSING_NOT_ENABLED", GatewayRejected),
        (404, "INVALID_REQUEST_ERROR", "NOT_FOUND", GatewayRejected),
        (429, "RATE_LIMIT_ERROR", "RATE_LIMITED", GatewayUnavailable),
        (500, "API_ERROR", "INTERNAL_SERVER_ERROR", OutcomeUnknown),
        (503, "PAYMENT_METHOD_ERROR", "TEMPORARY_ERROR", OutcomeUnknown),
    ],
)
def test_an_error_is_classified(status: int, category: str, code: str, expected: type[GatewayError]) -> None:
    assert type(classify(response(status, code, category))) is expected


@pytest.mark.parametrize("body", [b"", b"[]", b'{"errors":[]}', b'{"errors":"no"}', b'{"errors":["no"]}', b"\xff"])
def test_an_error_that_cannot_be_read_is_still_a_refusal(body: bytes) -> None:
    failure = classify(GatewayResponse(400, {}, body))

    assert (type(failure), failure.message) == (GatewayRejected, "Square answered HTTP 400")


def test_the_code_and_the_words_are_passed_on() -> None:
    assert classify(response(400, "INVALID_LOCATION")).message == (
        "Square answered HTTP 400: INVALID_LOCATION: Square's own words"
    )


def connect(url: str | None, application_id: str = "sq0idp-live") -> SquareConnector:
    values = {**CASES.credentials, "application_id": application_id, "api_base": url}
    return SquareConnector(SquareCredentials.model_validate(values), Timeouts(connect_seconds=1, read_seconds=1))


def order_of(amount: object) -> dict[str, object]:
    return {"order": {"id": ORDER, "state": "OPEN", "total_money": {"amount": amount, "currency": "USD"}}}


@pytest.mark.parametrize("amount", [1200.5, 1200.0, "1200", True, None, [1200]])
async def test_an_amount_that_is_none_is_not_rounded_to_one(amount: object) -> None:
    async with fault_server(answers(200, order_of(amount))) as server:
        connector = connect(server.url)
        with pytest.raises(OutcomeUnknown, match="cannot be read"):
            await connector.create_order(order("command-1"))
        await connector.aclose()


async def test_an_order_for_another_sum_is_not_taken() -> None:
    async with fault_server(answers(200, order_of(1299))) as server:
        connector = connect(server.url)
        with pytest.raises(GatewayRejected, match="not for that sum"):
            await connector.create_order(order("command-1"))
        await connector.aclose()


@pytest.mark.parametrize(
    "fault",
    [answers(200, {"payment": {"id": "p1", "status": "COMPLETED"}}), answers(200, {"payment": {"status": "APPROVED"}})],
)
async def test_a_payment_that_cannot_be_read_may_have_been_made(fault: Fault) -> None:
    async with fault_server(fault, on_get=answers(200, order_of(1200))) as server:
        connector = connect(server.url)
        with pytest.raises(OutcomeUnknown, match="cannot be read"):
            await connector.authorize(authorization("command-1", ORDER))
        await connector.aclose()

    assert len(server.writes) == 1


async def test_an_authorization_that_cannot_be_read_is_not_captured() -> None:
    told = {**order_of("much"), "payment": {"id": PAYMENT, "status": "APPROVED", "total_money": {"amount": 1200}}}
    async with fault_server(answers(500, {}), on_get=answers(200, told)) as server:
        connector = connect(server.url)
        with pytest.raises(GatewayUnavailable):
            await connector.capture(movement("command-1", ORDER, authorization_reference=PAYMENT))
        await connector.aclose()

    assert server.writes == []


@pytest.mark.parametrize("owed", [1200, 2400])
@pytest.mark.parametrize(
    ("tip", "lines"),
    [({"amount": 100, "currency": "USD"}, ["payment"]), (None, ["coffee", "cake"]), (None, ["coffee"]), (None, [])],
)
async def test_only_an_amount_of_our_own_is_changed(tip: object, lines: list[str], owed: int) -> None:
    asked = 700 if owed == 1200 else 1200
    money = {"amount": 1200, "currency": "USD"}
    payment = {"id": PAYMENT, "status": "APPROVED", "total_money": money, "capabilities": ["EDIT_AMOUNT_DOWN"]}
    found = {
        "id": ORDER,
        "version": 1,
        "total_money": {**money, "amount": owed},
        "line_items": [{"uid": uid} for uid in lines],
    }
    told = {"order": found, "payment": {**payment, "tip_money": tip}}
    async with fault_server(answers(500, {}), on_get=answers(200, told)) as server:
        connector = connect(server.url)
        with pytest.raises(GatewayRejected, match="keeps its amount"):
            await connector.capture(movement("command-1", ORDER, asked, authorization_reference=PAYMENT))
        await connector.aclose()

    assert server.writes == []


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
async def test_the_sdk_repeats_nothing(status: int) -> None:
    async with fault_server(answers(status, {})) as server:
        connector = connect(server.url)
        with pytest.raises(GatewayError):
            await connector.create_order(order("command-1"))
        await connector.aclose()

    assert len(server.writes) == 1


@pytest.mark.parametrize(
    ("application_id", "base_url"),
    [
        ("sq0idp-live", "https://connect.squareup.com"),
        ("sandbox-sq0idb-test", "https://connect.squareupsandbox.com"),
    ],
)
def test_the_application_id_tells_the_sandbox(application_id: str, base_url: str) -> None:
    assert connect(None, application_id)._api._base_url == base_url
