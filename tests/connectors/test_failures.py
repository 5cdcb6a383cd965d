"""What a failed call means: it was refused, it certainly had no effect, or nobody knows. A write is sent once."""

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import Callable

import pytest

from connectors.base import Capability
from connectors.outcomes import Timeouts
from connectors.registry import registrations
from devstack.ports import free_port
from domain.errors import (
    GatewayDeclined,
    GatewayError,
    GatewayRejected,
    GatewayUnavailable,
    OutcomeUnknown,
)
from tests.connectors.case import GatewayCases
from tests.connectors.fault_server import Fault, answers, breaks_off, drips, hangs_up, is_silent
from tests.connectors.operations import OPERATIONS, calls, connected, failing, order

TIMEOUTS = Timeouts(connect_seconds=2.0, read_seconds=0.3, total_seconds=1.2)
PATIENCE_SECONDS = 10.0
"""Far above the timeouts, far below what a call without them would take."""

SAID = "the gateway's own words"

OwnError = Callable[[int], Fault]
"""Makes an answer with the gateway's own error and a status."""

FAULTS: dict[str, tuple[Callable[[OwnError], Fault], type[GatewayError]]] = {
    "400": (lambda own: own(400), GatewayRejected),
    "401": (lambda own: own(401), GatewayRejected),
    "402": (lambda own: own(402), GatewayDeclined),
    "403": (lambda own: own(403), GatewayRejected),
    "404": (lambda own: own(404), GatewayRejected),
    "404 without JSON": (lambda _: answers(404, b"<html>not found</html>"), GatewayRejected),
    "408": (lambda own: own(408), OutcomeUnknown),
    "409": (lambda own: own(409), OutcomeUnknown),
    "422": (lambda own: own(422), GatewayRejected),
    "429": (lambda own: own(429), GatewayUnavailable),
    "429 without JSON": (lambda _: answers(429, b"slow down"), GatewayUnavailable),
    "302": (lambda _: answers(302, b""), OutcomeUnknown),
    "500": (lambda own: own(500), OutcomeUnknown),
    "502 without JSON": (lambda _: answers(502, b"<html>bad gateway</html>"), OutcomeUnknown),
    "503": (lambda own: own(503), OutcomeUnknown),
    "200 without JSON": (lambda _: answers(200, b"<html>welcome</html>"), OutcomeUnknown),
    "200 with a list": (lambda _: answers(200, []), OutcomeUnknown),
    "200 with an empty object": (lambda _: answers(200, {}), OutcomeUnknown),
    "204": (lambda _: answers(204, b""), OutcomeUnknown),
    "silence": (lambda _: is_silent, OutcomeUnknown),
    "an answer that never ends": (lambda _: drips, OutcomeUnknown),
    "a connection closed without an answer": (lambda _: hangs_up, OutcomeUnknown),
    "a connection broken off in the answer": (lambda _: breaks_off, OutcomeUnknown),
}

CLASSIFIED = (Capability.CREATES_ORDERS, Capability.REFUNDS, Capability.FETCHES_STATUS)
"""What every failure is tried with: what sets a payment up, what moves money, and what only reads."""


def gateways_that(capability: Capability, currency: str | None = None) -> list[str]:
    """The keys of the gateways with an API that have the capability, and take the currency."""
    return [
        item.key
        for item in registrations()
        if item.has(Capability.VERIFIES_WEBHOOKS)
        and item.has(capability)
        and (currency is None or currency in item.currencies)
    ]


def own_error(cases: GatewayCases, message: str = SAID) -> OwnError:
    return lambda status_code: answers(status_code, cases.error_body(message))


def first_call(cases: GatewayCases) -> Capability:
    """Setting a payment up, or what comes next where that asks nobody."""
    return next(iter(calls(cases)))


async def failure_of(capability: Capability, cases: GatewayCases, url: str) -> GatewayError:
    async with connected(cases, url, TIMEOUTS) as connector, asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(GatewayError) as failure:
            await OPERATIONS[capability](connector, cases)
    return failure.value


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failed_call_is_classified_and_no_write_is_repeated(cases: GatewayCases, fault: str) -> None:
    make, classified = FAULTS[fault]
    tried = [capability for capability in CLASSIFIED if capability in calls(cases)]
    for capability in tried:
        async with failing(cases, make(own_error(cases))) as server:
            failure = await failure_of(capability, cases, server.url)

        # Where a look-up comes first, its failure leaves nothing to be unsure of.
        failed_before_writing = capability is not Capability.FETCHES_STATUS and not server.writes
        is_certain = classified is OutcomeUnknown and failed_before_writing
        assert type(failure) is (GatewayUnavailable if is_certain else classified), (capability, failure.message)
        assert len(server.writes) <= 1, capability
        assert server.requests, capability
        assert max(Counter(server.reads).values(), default=0) <= cases.read_attempts, capability
    assert tried


async def test_a_refused_connection_had_no_effect(cases: GatewayCases) -> None:
    for capability in calls(cases):
        failure = await failure_of(capability, cases, f"http://127.0.0.1:{free_port()}")
        assert type(failure) is GatewayUnavailable, capability


async def test_the_gateways_words_are_passed_on(cases: GatewayCases) -> None:
    async with failing(cases, own_error(cases)(400)) as server:
        failure = await failure_of(first_call(cases), cases, server.url)

    assert failure.message.startswith(f"{cases.registration.display_name} answered HTTP 400: ")
    assert failure.message.endswith(SAID)


async def test_what_is_not_the_gateways_own_error_is_not_passed_on(cases: GatewayCases) -> None:
    async with failing(cases, answers(502, b"<html>" + b"x" * 10_000)) as server:
        failure = await failure_of(first_call(cases), cases, server.url)

    assert failure.message == f"{cases.registration.display_name} answered HTTP 502"


async def test_no_secret_is_in_the_error_or_log_of_a_failed_call(
    cases: GatewayCases, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    echo = own_error(cases, str(cases.secrets))
    told = ""
    with caplog.at_level(logging.DEBUG):
        for fault in (echo(401), echo(403), answers(500, b""), hangs_up):
            async with failing(cases, fault) as server:
                failure = await failure_of(first_call(cases), cases, server.url)
            told += "".join(traceback.format_exception(failure)) + repr(failure)
    printed = capsys.readouterr()

    for secret in cases.secrets:
        assert secret not in told + caplog.text + printed.out + printed.err
    assert printed.out == ""


@pytest.mark.parametrize("cases", gateways_that(Capability.CREATES_ORDERS, "KWD"), indirect=True)
async def test_an_amount_the_gateway_cannot_express_is_refused_before_it_is_asked(cases: GatewayCases) -> None:
    request = order(cases, amount_minor=1_234, currency="KWD")
    async with failing(cases, hangs_up) as server, connected(cases, server.url, TIMEOUTS) as connector:
        with pytest.raises(GatewayError) as failure:
            await connector.create_order(request)

    if cases.takes_thousandths:
        # A connector that looks before it writes fails there already.
        assert type(failure.value) is (OutcomeUnknown if server.writes else GatewayUnavailable)
        assert server.requests
    else:
        assert type(failure.value) is GatewayRejected
        assert "steps of ten" in failure.value.message
        assert server.requests == []


@pytest.mark.parametrize("cases", gateways_that(Capability.CAPTURES), indirect=True)
async def test_a_capture_without_an_answer_is_unknown(cases: GatewayCases) -> None:
    on_get = None if cases.before_capture is None else answers(200, cases.before_capture)
    async with failing(cases, is_silent, on_get=on_get) as server:
        failure = await failure_of(Capability.CAPTURES, cases, server.url)

    assert type(failure) is OutcomeUnknown
    assert len(server.writes) == 1
