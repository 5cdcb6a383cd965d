"""Every claimed operation fails in the house's terms, tells no secret, and writes nothing twice; no other is there."""

import logging
import traceback
from collections import Counter

import pytest

from connectors.base import PROTOCOLS, Capability
from connectors.outcomes import Timeouts
from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from tests.connectors.case import GatewayCases
from tests.connectors.fault_server import Fault, answers, hangs_up, is_silent
from tests.connectors.operations import OPERATIONS, Operation, calls, connected, failing

TIMEOUTS = Timeouts(connect_seconds=2.0, read_seconds=0.3, total_seconds=5.0)
WITHOUT_A_CALL = {Capability.VERIFIES_WEBHOOKS, Capability.VERIFIES_REDIRECTS, Capability.GIVES_INSTRUCTIONS}
"""What is proven or told without asking a gateway. A redirect is read back by the status fetch."""


async def failure_of(operation: Operation, cases: GatewayCases, url: str) -> GatewayError:
    async with connected(cases, url, TIMEOUTS) as connector:
        with pytest.raises(GatewayError) as failure:
            await operation(connector, cases)
    return failure.value


def test_every_operation_is_in_the_table() -> None:
    assert OPERATIONS.keys() | WITHOUT_A_CALL == PROTOCOLS.keys()


def test_what_is_not_claimed_is_not_there(cases: GatewayCases) -> None:
    connector = cases.connector()

    for capability, protocol in PROTOCOLS.items():
        assert isinstance(connector, protocol) == cases.registration.has(capability), capability


@pytest.mark.parametrize("fault", [is_silent, hangs_up, answers(500, {}), answers(200, [])])
async def test_every_claimed_operation_without_an_answer_is_sent_once(cases: GatewayCases, fault: Fault) -> None:
    for capability, operation in calls(cases).items():
        async with failing(cases, fault) as server:
            failure = await failure_of(operation, cases, server.url)
        assert len(server.writes) <= 1, capability
        assert max(Counter(server.reads).values(), default=0) <= cases.read_attempts, capability
        if capability is Capability.FETCHES_STATUS:
            assert not server.writes
            has_moved_nothing = False
        else:
            has_moved_nothing = not server.writes or capability in cases.prepares_by_writing
        assert type(failure) is (GatewayUnavailable if has_moved_nothing else OutcomeUnknown), capability


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_no_claimed_operation_tells_a_secret(
    cases: GatewayCases, status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    said = str(cases.secrets) if status != 400 else "it is not right"
    told = ""
    with caplog.at_level(logging.DEBUG):
        for capability, operation in calls(cases).items():
            async with failing(cases, answers(status, cases.error_body(said))) as server:
                failure = await failure_of(operation, cases, server.url)
            assert type(failure) is GatewayRejected, capability
            told += "".join(traceback.format_exception(failure)) + repr(failure)
    printed = capsys.readouterr()

    for secret in cases.secrets:
        assert secret not in told + caplog.text + printed.out + printed.err
