"""What a failed call means: it was refused, it certainly had no effect, or nobody knows. It is never sent again."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from connectors.base import GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts
from devstack.ports import free_port
from domain.errors import (
    GatewayDeclined,
    GatewayError,
    GatewayRejected,
    GatewayUnavailable,
    OutcomeUnknown,
)
from tests.connectors.case import ACCOUNT, Connector, GatewayCases
from tests.connectors.fault_server import Fault, answers, breaks_off, drips, fault_server, hangs_up, is_silent

TIMEOUTS = Timeouts(connect_seconds=0.5, read_seconds=0.2, total_seconds=0.4)
PATIENCE_SECONDS = 10.0
"""Far above the timeouts, far below what a call without them would take."""

SAID = "the gateway's own words"
ERROR = {"error": {"type": "invalid_request_error", "code": "BAD_REQUEST_ERROR", "message": SAID, "description": SAID}}

FAULTS: dict[str, tuple[Fault, type[GatewayError]]] = {
    "400": (answers(400, ERROR), GatewayRejected),
    "401": (answers(401, ERROR), GatewayRejected),
    "402": (answers(402, ERROR), GatewayDeclined),
    "403": (answers(403, ERROR), GatewayRejected),
    "404": (answers(404, ERROR), GatewayRejected),
    "404 without JSON": (answers(404, b"<html>not found</html>"), GatewayRejected),
    "408": (answers(408, ERROR), OutcomeUnknown),
    "409": (answers(409, ERROR), OutcomeUnknown),
    "422": (answers(422, ERROR), GatewayRejected),
    "429": (answers(429, ERROR), GatewayUnavailable),
    "429 without JSON": (answers(429, b"slow down"), GatewayUnavailable),
    "302": (answers(302, b""), OutcomeUnknown),
    "500": (answers(500, ERROR), OutcomeUnknown),
    "502 without JSON": (answers(502, b"<html>bad gateway</html>"), OutcomeUnknown),
    "503": (answers(503, ERROR), OutcomeUnknown),
    "200 without JSON": (answers(200, b"<html>welcome</html>"), OutcomeUnknown),
    "200 with a list": (answers(200, []), OutcomeUnknown),
    "200 with an empty object": (answers(200, {}), OutcomeUnknown),
    "204": (answers(204, b""), OutcomeUnknown),
    "silence": (is_silent, OutcomeUnknown),
    "an answer that never ends": (drips, OutcomeUnknown),
    "a connection closed without an answer": (hangs_up, OutcomeUnknown),
    "a connection broken off in the answer": (breaks_off, OutcomeUnknown),
}

Operation = Callable[[Connector, GatewayCases], Awaitable[GatewayAnswer]]


def create_order(connector: Connector, cases: GatewayCases) -> Awaitable[GatewayAnswer]:
    request = OrderRequest(
        payment_id="payment-1", account=ACCOUNT, idempotency_key="command-1", amount_minor=1200, currency="USD"
    )
    return connector.create_order(request)


def refund(connector: Connector, cases: GatewayCases) -> Awaitable[GatewayAnswer]:
    return connector.refund(movement(cases))


def capture(connector: Connector, cases: GatewayCases) -> Awaitable[GatewayAnswer]:
    return connector.capture(movement(cases))


def fetch_status(connector: Connector, cases: GatewayCases) -> Awaitable[GatewayAnswer]:
    request = StatusRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=cases.payment_reference)
    return connector.fetch_status(request)


def movement(cases: GatewayCases) -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-2",
        provider_reference=cases.payment_reference,
        capture_reference=cases.capture_reference,
        amount_minor=1200,
        currency="USD",
    )


@asynccontextmanager
async def connected(cases: GatewayCases, url: str, timeouts: Timeouts = TIMEOUTS) -> AsyncIterator[Connector]:
    credentials = cases.registration.credentials.model_validate({**cases.credentials, "api_base": url})
    connector = cases.connect(credentials, timeouts)
    try:
        yield connector
    finally:
        await connector.aclose()


async def failure_of(operation: Operation, cases: GatewayCases, url: str) -> GatewayError:
    async with connected(cases, url) as connector, asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(GatewayError) as failure:
            await operation(connector, cases)
    return failure.value


@pytest.mark.parametrize("operation", [create_order, refund, fetch_status])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failed_call_is_classified_and_not_repeated(
    cases: GatewayCases, operation: Operation, fault: str
) -> None:
    behaviour, expected = FAULTS[fault]
    async with fault_server(behaviour) as server:
        failure = await failure_of(operation, cases, server.url)

    assert type(failure) is expected, failure.message
    assert sum(server.requests.values()) == 1


@pytest.mark.parametrize("operation", [create_order, capture, refund, fetch_status])
async def test_a_refused_connection_had_no_effect(cases: GatewayCases, operation: Operation) -> None:
    failure = await failure_of(operation, cases, f"http://127.0.0.1:{free_port()}")

    assert type(failure) is GatewayUnavailable


async def test_the_gateways_words_are_passed_on(cases: GatewayCases) -> None:
    async with fault_server(answers(400, ERROR)) as server:
        failure = await failure_of(create_order, cases, server.url)

    assert failure.message == f"{cases.registration.display_name} answered HTTP 400: {SAID}"


async def test_what_is_not_the_gateways_own_error_is_not_passed_on(cases: GatewayCases) -> None:
    async with fault_server(answers(502, b"<html>" + b"x" * 10_000)) as server:
        failure = await failure_of(create_order, cases, server.url)

    assert failure.message == f"{cases.registration.display_name} answered HTTP 502"


async def test_no_secret_is_in_the_error_or_log_of_a_failed_call(
    cases: GatewayCases, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = [value for name, value in cases.credentials.items() if "secret" in name]
    echo = {"error": {"type": "x", "code": "BAD_REQUEST_ERROR", "message": str(secrets), "description": str(secrets)}}
    told = ""
    with caplog.at_level(logging.DEBUG):
        for fault in (answers(401, echo), answers(403, echo), answers(500, b""), hangs_up):
            async with fault_server(fault) as server:
                failure = await failure_of(create_order, cases, server.url)
            told += "".join(traceback.format_exception(failure)) + repr(failure)
    printed = capsys.readouterr()

    for secret in secrets:
        assert secret not in told + caplog.text + printed.out + printed.err
    assert printed.out == ""


async def test_an_amount_the_gateway_cannot_express_is_refused_before_it_is_asked(cases: GatewayCases) -> None:
    request = OrderRequest(
        payment_id="payment-1", account=ACCOUNT, idempotency_key="command-1", amount_minor=1_234, currency="KWD"
    )
    async with fault_server(hangs_up) as server, connected(cases, server.url) as connector:
        with pytest.raises(GatewayRejected, match="steps of ten"):
            await connector.create_order(request)

    assert server.requests == {}


async def test_a_capture_without_an_answer_is_unknown(cases: GatewayCases) -> None:
    payment = {"id": cases.capture_reference, "amount": 1200, "currency": "USD", "status": "authorized"}
    async with fault_server(is_silent, on_get=answers(200, {"items": [payment]})) as server:
        failure = await failure_of(capture, cases, server.url)

    assert type(failure) is OutcomeUnknown
    assert server.requests["POST"] == 1
