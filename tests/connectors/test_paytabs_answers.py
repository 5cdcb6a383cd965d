"""What PayTabs may answer: errors by code, and queries that find nothing, one thing or many."""

import json
from typing import Any

import pytest

from connectors.base import GatewayAnswer, StatusRequest
from connectors.http_client import GatewayResponse
from connectors.outcomes import Timeouts
from connectors.paytabs.client import PayTabsConnector
from connectors.paytabs.errors import read_answer
from connectors.paytabs.registration import HOSTS, PayTabsCredentials
from domain.errors import GatewayDeclined, GatewayError, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.paytabs import CART, CASES, SALE
from tests.connectors.fault_server import Fault, answers, answers_in_turn, fault_server

TRANSACTION = json.loads(CASES.sample("sale.approved"))


def answer(body: object, status_code: int = 200) -> GatewayResponse:
    return GatewayResponse(status_code, {}, json.dumps(body).encode())


async def read_back(fault: Fault, reference: str = CART) -> GatewayAnswer:
    async with fault_server(fault) as server:
        credentials = PayTabsCredentials.model_validate({**CASES.credentials, "api_base": server.url})
        connector = PayTabsConnector(credentials, Timeouts())
        try:
            return await connector.fetch_status(
                StatusRequest(payment_id=CART, account=ACCOUNT, provider_reference=reference)
            )
        finally:
            await connector.aclose()


@pytest.mark.parametrize("status_code", [200, 400])
@pytest.mark.parametrize(
    ("body", "error", "code"),
    [
        ({"code": 1, "message": "the key ABC is wrong"}, GatewayRejected, "credentials_refused"),
        ({"code": 4, "message": "Duplicate Request"}, GatewayUnavailable, "duplicate_request"),
        ({"code": "4", "message": "Duplicate Request"}, GatewayUnavailable, "duplicate_request"),
        ({"code": 206, "message": "Unable to process your request"}, GatewayRejected, "gateway_rejected"),
        ({"code": 10**30, "message": ["?"]}, GatewayRejected, "gateway_rejected"),
    ],
)
def test_an_error_is_told_by_its_code_whatever_its_http_status(
    status_code: int, body: dict[str, Any], error: type[GatewayError], code: str
) -> None:
    with pytest.raises(GatewayError) as failure:
        read_answer(answer(body, status_code))

    assert (type(failure.value), failure.value.code) == (error, code)
    assert "ABC" not in failure.value.message


@pytest.mark.parametrize(
    ("status_code", "error"), [(500, OutcomeUnknown), (409, OutcomeUnknown), (402, GatewayDeclined)]
)
def test_other_statuses_count_before_any_code(status_code: int, error: type[GatewayError]) -> None:
    with pytest.raises(GatewayError) as failure:
        read_answer(answer({"code": 4, "message": "Duplicate Request"}, status_code))

    assert type(failure.value) is error


@pytest.mark.parametrize("body", [{"code": 0}, {"code": None}, {"code": "-4"}, {"code": "٤"}, [], None, {}, "text", 4])
def test_what_has_no_code_is_an_answer(body: object) -> None:
    assert read_answer(answer(body)) == body


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b"<html>"])
def test_what_is_no_json_is_unknown(body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        read_answer(GatewayResponse(200, {}, body))


@pytest.mark.parametrize("found", [TRANSACTION, [TRANSACTION]])
async def test_a_cart_may_be_answered_with_one_transaction_or_a_list(found: object) -> None:
    told = await read_back(answers(200, found))

    assert [fact.movement_reference for fact in told.facts] == [SALE]
    assert (told.amount_minor, told.currency) == (15000, "AED")


@pytest.mark.parametrize("nothing", [None, []])
async def test_a_cart_that_nobody_has_paid_says_nothing(nothing: object) -> None:
    told = await read_back(answers_in_turn(nothing, None))

    assert (told.facts, told.amount_minor, told.provider_reference) == ((), None, CART)


async def test_a_name_that_is_refused_as_a_transactions_was_a_carts() -> None:
    told = await read_back(answers_in_turn([], {"code": 113, "message": "Transaction not found"}))

    assert told.facts == ()


async def test_a_transaction_may_stand_for_its_cart() -> None:
    told = await read_back(answers_in_turn([], TRANSACTION, []), SALE)

    assert [fact.references for fact in told.facts] == [(CART, SALE)]


@pytest.mark.parametrize(
    "broken",
    [
        {"tran_ref": None},
        {"tran_ref": "has spaces"},
        {"cart_amount": "much"},
        {"cart_currency": "XXX"},
    ],
)
async def test_a_transaction_that_cannot_be_read_is_unknown(broken: dict[str, object]) -> None:
    with pytest.raises(OutcomeUnknown):
        await read_back(answers(200, [{**TRANSACTION, **broken}]))


@pytest.mark.parametrize("told", ["yesterday", "2026-01-02 03:00:00", None, 1767322800])
async def test_a_time_that_cannot_be_read_does_not_hide_the_money(told: object) -> None:
    result = {**TRANSACTION["payment_result"], "transaction_time": told}

    (fact,) = (await read_back(answers(200, [{**TRANSACTION, "payment_result": result}]))).facts

    assert fact.amount_minor == 15000
    assert fact.occurred_at.tzinfo is not None


async def test_a_transaction_without_a_cart_stands_for_itself() -> None:
    told = await read_back(answers_in_turn([], {**TRANSACTION, "cart_id": None}), SALE)

    assert [(fact.references, fact.payment_id) for fact in told.facts] == [((SALE,), None)]


@pytest.mark.parametrize("result", [None, "A", {}, {"response_status": None}])
async def test_a_transaction_without_a_result_says_nothing(result: object) -> None:
    told = await read_back(answers(200, [{**TRANSACTION, "payment_result": result}]))

    assert told.facts == ()


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("ARE", "https://secure.paytabs.com"),
        ("SAU", "https://secure.paytabs.sa"),
        ("EGY", "https://secure-egypt.paytabs.com"),
        ("OMN", "https://secure-oman.paytabs.com"),
        ("JOR", "https://secure-jordan.paytabs.com"),
        ("KWT", "https://secure-kuwait.paytabs.com"),
        ("IRQ", "https://secure-iraq.paytabs.com"),
        ("MAR", "https://secure-morocco.paytabs.com"),
        ("QAT", "https://secure-doha.paytabs.com"),
        ("GLOBAL", "https://secure-global.paytabs.com"),
    ],
)
def test_every_region_has_its_own_host(region: str, host: str) -> None:
    credentials = PayTabsCredentials.model_validate({**CASES.credentials, "region": region})

    assert HOSTS[credentials.region] == host
    assert len(HOSTS) == 10
