"""PayPal's access tokens: asked for once, kept, renewed in time, and once more when PayPal has withdrawn one."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from pydantic import SecretStr

from connectors.access_tokens import RENEW_BEFORE_SECONDS, AccessTokens
from connectors.http_client import GatewayHttp
from connectors.outcomes import Timeouts
from connectors.paypal.client import PayPalConnector
from connectors.paypal.tokens import PATH, fetch_token
from domain.errors import GatewayRejected, GatewayUnavailable
from tests.connectors.cases.paypal import SIGNER
from tests.connectors.fault_server import Fault, answers, fault_server, hangs_up, is_silent
from tests.connectors.standing_clock import StandingClock
from tests.gateways.paypal import CLIENT_ID, CLIENT_SECRET, TOKEN_SECONDS, LocalPayPal
from tests.gateways.paypal_payer import connected, credentials_at, order, status

TIMEOUTS = Timeouts(connect_seconds=2.0, read_seconds=0.3, total_seconds=2.0)


@pytest.fixture
async def http(paypal_url: str) -> AsyncIterator[GatewayHttp]:
    """Connections there."""
    async with GatewayHttp("PayPal", paypal_url, TIMEOUTS) as http:
        yield http


async def test_a_token_is_asked_for_once_by_all_who_need_it_at_the_same_time(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    await asyncio.gather(*(paypal.create_order(order(f"payment-{number}")) for number in range(5)))
    await paypal.create_order(order("payment-5"))

    assert local_paypal.requests[PATH] == 1
    assert len(local_paypal.state.orders) == 6


async def test_a_token_is_renewed_shortly_before_it_expires(http: GatewayHttp, local_paypal: LocalPayPal) -> None:
    clock = StandingClock()
    tokens = AccessTokens("PayPal", partial(fetch_token, http, CLIENT_ID, SecretStr(CLIENT_SECRET)), clock)

    first = await tokens.renew(None)
    clock.seconds += TOKEN_SECONDS - RENEW_BEFORE_SECONDS - 1
    assert tokens.kept() is first
    clock.seconds += 1
    assert tokens.kept() is None
    renewed = await tokens.renew(None)

    assert first.value != renewed.value
    assert local_paypal.requests[PATH] == 2


async def test_a_token_that_paypal_has_withdrawn_is_replaced_once(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.tokens.clear()

    await asyncio.gather(*(paypal.fetch_status(status(reference)) for _ in range(4)))

    assert local_paypal.requests[PATH] == 2


async def test_a_write_whose_token_was_withdrawn_is_carried_out_once(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    await paypal.create_order(order())
    local_paypal.tokens.clear()

    await paypal.create_order(order("payment-2"))

    assert len(local_paypal.state.orders) == 2


async def test_a_new_token_that_is_refused_refuses_the_credentials() -> None:
    token = {"access_token": "A21AA", "expires_in": TOKEN_SECONDS}
    async with (
        fault_server(answers(401, {}), preliminary={PATH: token}) as server,
        connected(credentials_at(server.url, SIGNER.authority.pem())) as paypal,
    ):
        with pytest.raises(GatewayRejected) as refusal:
            await paypal.create_order(order())

    assert refusal.value.code == "credentials_refused"
    assert len(server.writes) == 1


async def test_credentials_that_paypal_does_not_know_are_refused(paypal_url: str, local_paypal: LocalPayPal) -> None:
    credentials = credentials_at(paypal_url, SIGNER.authority.pem(), client_secret="another")
    async with connected(credentials) as paypal:
        with pytest.raises(GatewayRejected) as refusal:
            await paypal.create_order(order())

    assert refusal.value.code == "credentials_refused"
    assert local_paypal.state.orders == {}


@pytest.mark.parametrize(
    "fault",
    [
        is_silent,
        hangs_up,
        answers(503, {}),
        answers(429, {}),
        answers(200, b"<html>"),
        answers(200, {"access_token": "A21AA"}),
        answers(200, {"access_token": "", "expires_in": 10}),
        answers(200, {"access_token": "with\nbreak", "expires_in": 10}),
        answers(200, {"access_token": "A21AA", "expires_in": True}),
    ],
)
async def test_without_a_token_nothing_was_asked(fault: Fault) -> None:
    async with (
        fault_server(fault) as server,
        connected(credentials_at(server.url, SIGNER.authority.pem()), TIMEOUTS) as paypal,
    ):
        with pytest.raises(GatewayUnavailable):
            await paypal.create_order(order())

    assert {request.path for request in server.writes} == {PATH}
