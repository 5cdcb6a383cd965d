"""PayPal's access tokens: asked for once, kept, renewed in time, and once more when PayPal has withdrawn one."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from connectors.http_client import GatewayHttp
from connectors.outcomes import Timeouts
from connectors.paypal.client import PayPalConnector
from connectors.paypal.tokens import MARGIN_SECONDS, PATH, AccessTokens
from domain.errors import GatewayRejected, GatewayUnavailable
from tests.connectors.cases.paypal import SIGNER
from tests.connectors.fault_server import Fault, answers, fault_server, hangs_up, is_silent
from tests.gateways.paypal import CLIENT_ID, CLIENT_SECRET, TOKEN_SECONDS, LocalPayPal
from tests.gateways.paypal_payer import connected, credentials_at, listening, order, status

TIMEOUTS = Timeouts(connect_seconds=2.0, read_seconds=0.3, total_seconds=2.0)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.seconds


@pytest.fixture
def gateway() -> LocalPayPal:
    """A new local PayPal."""
    return LocalPayPal(SIGNER)


@pytest.fixture
async def url(gateway: LocalPayPal) -> AsyncIterator[str]:
    """Its URL."""
    async with listening(gateway) as url:
        yield url


@pytest.fixture
async def paypal(url: str) -> AsyncIterator[PayPalConnector]:
    """A connector there."""
    async with connected(credentials_at(url, SIGNER.authority.pem())) as connector:
        yield connector


@pytest.fixture
async def http(url: str) -> AsyncIterator[GatewayHttp]:
    """Connections there."""
    async with GatewayHttp("PayPal", url, TIMEOUTS) as http:
        yield http


async def test_a_token_is_asked_for_once_by_all_who_need_it_at_the_same_time(
    paypal: PayPalConnector, gateway: LocalPayPal
) -> None:
    await asyncio.gather(*(paypal.create_order(order(f"payment-{number}")) for number in range(5)))
    await paypal.create_order(order("payment-5"))

    assert gateway.requests[PATH] == 1
    assert len(gateway.state.orders) == 6


async def test_a_token_is_renewed_shortly_before_it_expires(http: GatewayHttp, gateway: LocalPayPal) -> None:
    clock = Clock()
    tokens = AccessTokens(http, CLIENT_ID, SecretStr(CLIENT_SECRET), clock)

    first = await tokens.current()
    clock.seconds += TOKEN_SECONDS - MARGIN_SECONDS - 1
    kept = await tokens.current()
    clock.seconds += 1
    renewed = await tokens.current()

    assert (first.is_new, kept.is_new, renewed.is_new) == (True, False, True)
    assert first.value == kept.value != renewed.value
    assert gateway.requests[PATH] == 2


async def test_a_token_that_paypal_has_withdrawn_is_replaced_once(
    paypal: PayPalConnector, gateway: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    gateway.tokens.clear()

    await asyncio.gather(*(paypal.fetch_status(status(reference)) for _ in range(4)))

    assert gateway.requests[PATH] == 2


async def test_a_write_whose_token_was_withdrawn_is_carried_out_once(
    paypal: PayPalConnector, gateway: LocalPayPal
) -> None:
    await paypal.create_order(order())
    gateway.tokens.clear()

    await paypal.create_order(order("payment-2"))

    assert len(gateway.state.orders) == 2


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


async def test_credentials_that_paypal_does_not_know_are_refused(url: str, gateway: LocalPayPal) -> None:
    credentials = credentials_at(url, SIGNER.authority.pem(), client_secret="another")
    async with connected(credentials) as paypal:
        with pytest.raises(GatewayRejected) as refusal:
            await paypal.create_order(order())

    assert refusal.value.code == "credentials_refused"
    assert gateway.state.orders == {}


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
