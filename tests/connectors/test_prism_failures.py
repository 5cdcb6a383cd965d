"""Failures of Prism's SDK in the house's terms, and access tokens, without which nothing is asked."""

from datetime import UTC, datetime

import pytest

from connectors.prism.client import PrismConnector
from connectors.prism.errors import PrismFailure, Stage
from connectors.prism.sdk import Flow
from domain.errors import GatewayDeclined, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from tests.connectors.fake_prism import NOT_SUPPORTED, ScriptedPrism
from tests.connectors.local_prism import (
    NOW,
    connector,
    credentials,
    movement,
    scripted,
    status,
)


async def test_an_access_token_is_fetched_where_there_is_one_and_kept_until_it_is_old() -> None:
    token = {"accessToken": {"value": "tok_1"}, "expiresInSeconds": "3600"}
    sdk = ScriptedPrism({Flow.CREATE_ACCESS_TOKEN: token, Flow.GET: {"status": "STARTED"}})
    times = iter([0, 3539, 3540])
    now = [NOW]
    built = PrismConnector(credentials(), sdk, clock=lambda: now[0])
    for seconds in times:
        now[0] = datetime.fromtimestamp(NOW.timestamp() + seconds, UTC)
        await built.fetch_status(status())

    assert [flow for flow, _ in sdk.asked] == [
        Flow.CREATE_ACCESS_TOKEN,
        Flow.GET,
        Flow.GET,
        Flow.CREATE_ACCESS_TOKEN,
        Flow.GET,
    ]
    assert sdk.asked[1][1]["state"] == {"accessToken": {"token": {"value": "tok_1"}, "expiresInSeconds": "3600"}}


async def test_a_processor_without_access_tokens_is_asked_for_one_only_once() -> None:
    sdk = ScriptedPrism({Flow.CREATE_ACCESS_TOKEN: NOT_SUPPORTED, Flow.GET: {"status": "STARTED"}})
    built = connector(sdk)

    await built.fetch_status(status())
    await built.fetch_status(status())

    assert [flow for flow, _ in sdk.asked] == [Flow.CREATE_ACCESS_TOKEN, Flow.GET, Flow.GET]


async def test_a_reversal_has_no_place_for_an_access_token() -> None:
    token = {"accessToken": {"value": "tok_1"}, "expiresInSeconds": "3600"}
    sdk = ScriptedPrism({Flow.CREATE_ACCESS_TOKEN: token, Flow.REVERSE: {"status": "VOIDED"}})

    await connector(sdk).reverse(movement())

    assert [flow for flow, _ in sdk.asked] == [Flow.REVERSE]


@pytest.mark.parametrize("stage", [Stage.UNREACHABLE, Stage.UNANSWERED])
async def test_without_an_access_token_nothing_was_asked(stage: Stage) -> None:
    sdk = scripted(Flow.CREATE_ACCESS_TOKEN, PrismFailure(stage, "NETWORK_FAILURE"))
    with pytest.raises(GatewayUnavailable):
        await connector(sdk).capture(movement())

    assert [flow for flow, _ in sdk.asked] == [Flow.CREATE_ACCESS_TOKEN]


async def test_an_access_token_that_cannot_be_read_is_none() -> None:
    with pytest.raises(GatewayUnavailable):
        await connector(scripted(Flow.CREATE_ACCESS_TOKEN, {"status": "x"})).capture(movement())


@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        (
            PrismFailure(Stage.REFUSED, "MISSING_REQUIRED_FIELD", said="Missing required field: email"),
            GatewayRejected,
            "Prism makes no request of it (MISSING_REQUIRED_FIELD): Missing required field: email",
        ),
        (
            PrismFailure(Stage.UNREACHABLE, "CONNECT_TIMEOUT_EXCEEDED"),
            GatewayUnavailable,
            "Prism could not reach the processor (CONNECT_TIMEOUT_EXCEEDED)",
        ),
        (
            PrismFailure(Stage.UNANSWERED, "RESPONSE_TIMEOUT_EXCEEDED"),
            OutcomeUnknown,
            "Prism got no answer from the processor (RESPONSE_TIMEOUT_EXCEEDED)",
        ),
        (PrismFailure(Stage.ANSWERED, "X"), OutcomeUnknown, "Prism got no answer from the processor (X)"),
        (
            PrismFailure(Stage.ANSWERED, "X", status_code=200),
            OutcomeUnknown,
            "Prism gave an answer that cannot be read",
        ),
        (
            PrismFailure(Stage.ANSWERED, "X", said="Declined", status_code=402),
            GatewayDeclined,
            "Prism answered HTTP 402: Declined",
        ),
        (PrismFailure(Stage.ANSWERED, "X", status_code=503), OutcomeUnknown, "Prism answered HTTP 503"),
    ],
)
async def test_a_failure_means_what_it_can_have_moved(
    failure: PrismFailure, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as told:
        await connector(scripted(Flow.CAPTURE, failure)).capture(movement())

    assert str(told.value) == message


async def test_an_operation_that_the_processor_lacks_is_refused() -> None:
    with pytest.raises(GatewayRejected, match="FLOW_NOT_SUPPORTED"):
        await connector(ScriptedPrism()).reverse(movement())


async def test_closing_closes_the_sdk() -> None:
    sdk = ScriptedPrism()

    await connector(sdk).aclose()

    assert sdk.is_closed
