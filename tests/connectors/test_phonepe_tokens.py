"""PhonePe's access tokens: how one is read, and how many are asked for."""

import asyncio
import logging
import time

import pytest

from connectors.base import GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.payloads import Payload
from connectors.phonepe.client import PhonePeConnector
from connectors.phonepe.tokens import read_token
from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, MalformedPayload
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.phonepe import CASES
from tests.connectors.fault_server import Fault, answers, fault_server, hangs_up, is_silent
from tests.gateways.phonepe import API
from tests.gateways.phonepe_payer import IMPATIENT, Payer, connected_to

LIFETIME = 1_200
TOKEN_PATH = f"{API}/v1/oauth/token"


def issued(answer: Payload) -> tuple[str, float]:
    """The token of an answer, and how long it lasts."""
    token = read_token(answer)
    return token.value.get_secret_value(), token.lifetime_seconds


@pytest.mark.parametrize("lifetime", [1_200, 60, 0, -5])
def test_how_long_a_token_lasts_is_reckoned_on_the_clock_of_phonepe(lifetime: int) -> None:
    issued_at = 86_400 * 365

    answer = {"access_token": "token-1", "issued_at": issued_at, "expires_at": issued_at + lifetime}

    assert issued(answer) == ("token-1", lifetime)


def test_a_token_without_its_time_of_issue_lasts_from_now() -> None:
    value, lifetime = issued({"access_token": "token-1", "expires_at": int(time.time()) + LIFETIME})

    assert value == "token-1"
    assert LIFETIME - 10 < lifetime <= LIFETIME


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": "t"},
        {"access_token": "t", "expires_at": "soon"},
        {"access_token": "", "expires_at": 1},
        {"access_token": "a b", "expires_at": 1},
        {"access_token": "a\r\nX-Other: b", "expires_at": 1},
        {"access_token": 7, "expires_at": 1},
    ],
)
def test_an_answer_without_a_usable_token_is_malformed(answer: Payload) -> None:
    with pytest.raises(MalformedPayload):
        read_token(answer)


@pytest.fixture
def order(key: str) -> OrderRequest:
    """An order that no other test has."""
    return OrderRequest(
        payment_id=f"payment-of-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=50000,
        currency="INR",
        return_url="https://shop.example/back",
    )


def read(connector: PhonePeConnector, order: str) -> "asyncio.Future[GatewayAnswer]":
    request = StatusRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=order)
    return asyncio.ensure_future(connector.fetch_status(request))


async def test_many_calls_at_once_share_one_token(
    phonepe: PhonePeConnector, phonepe_payer: Payer, order: OrderRequest
) -> None:
    before = await phonepe_payer.tokens()
    await phonepe.create_order(order)

    await asyncio.gather(*(read(phonepe, order.payment_id) for _ in range(10)))

    assert await phonepe_payer.tokens() - before == 1


async def test_a_read_and_a_write_with_a_refused_token_are_sent_once_more(
    phonepe: PhonePeConnector, phonepe_payer: Payer, order: OrderRequest, key: str
) -> None:
    await phonepe.create_order(order)
    await phonepe_payer.pay(order.payment_id)
    before, refunded = await phonepe_payer.tokens(), await phonepe_payer.moved("refund")

    await phonepe_payer.revoke_tokens()
    await asyncio.gather(*(read(phonepe, order.payment_id) for _ in range(5)))
    await phonepe_payer.revoke_tokens()
    request = MovementRequest(
        payment_id=order.payment_id,
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=order.payment_id,
        amount_minor=10000,
        currency="INR",
    )
    await phonepe.refund(request)

    assert await phonepe_payer.tokens() - before == 2
    assert await phonepe_payer.moved("refund") - refunded == 1


async def test_a_new_token_that_is_refused_is_not_replaced(order: OrderRequest) -> None:
    refusal = answers(401, CASES.error_body("the token is not valid"))
    async with (
        fault_server(refusal, preliminary=CASES.preliminary) as server,
        connected_to(server.url) as connector,
    ):
        for expected_writes in (1, 3):
            with pytest.raises(GatewayRejected) as failure:
                await connector.create_order(order)
            assert failure.value.code == "credentials_refused"
            # The second call has a token from before, so it may try once more.
            assert len(server.writes) == expected_writes


async def test_wrong_credentials_are_a_definite_answer_that_repeats_none_of_them(
    local_phonepe: str, order: OrderRequest, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {"client_id": "somebody-else", "client_secret": "guessed-secret"}
    with caplog.at_level(logging.DEBUG):
        async with connected_to(local_phonepe, changes=changes) as connector:
            with pytest.raises(GatewayRejected) as failure:
                await connector.create_order(order)

    assert (failure.value.code, failure.value.message) == (
        "credentials_refused",
        "PhonePe refused our credentials (HTTP 401)",
    )
    assert "guessed-secret" not in caplog.text
    assert "somebody-else" not in caplog.text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_every_refusal_of_a_token_is_one_of_our_credentials(order: OrderRequest, status: int) -> None:
    refusal = answers(status, CASES.error_body("client SU25 with secret s3cret"))
    async with fault_server(refusal) as server, connected_to(server.url) as connector:
        with pytest.raises(GatewayRejected) as failure:
            await connector.create_order(order)

    assert (failure.value.code, failure.value.message) == (
        "credentials_refused",
        f"PhonePe refused our credentials (HTTP {status})",
    )


@pytest.mark.parametrize("fault", [is_silent, hangs_up, answers(500, {}), answers(200, {}), answers(200, [])])
async def test_without_a_token_nothing_has_moved(order: OrderRequest, fault: Fault) -> None:
    async with (
        fault_server(fault, read_paths=(TOKEN_PATH,)) as server,
        connected_to(server.url, IMPATIENT) as connector,
    ):
        with pytest.raises(GatewayError) as failure:
            await connector.create_order(order)

        assert server.writes == []
    assert type(failure.value) is GatewayUnavailable
