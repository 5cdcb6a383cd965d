"""PhonePe's access tokens: one at a time, in time, and once more when one is refused."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from connectors.base import GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.payloads import Payload
from connectors.phonepe.client import PhonePeConnector
from connectors.phonepe.tokens import AccessTokens
from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, MalformedPayload
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.phonepe import CASES
from tests.connectors.fault_server import Fault, answers, fault_server, hangs_up, is_silent
from tests.gateways.phonepe import API
from tests.gateways.phonepe_payer import IMPATIENT, Payer, connected_to, payer_at
from tests.gateways.serving import serving

LIFETIME = 1_200
TOKEN_PATH = f"{API}/v1/oauth/token"


class Issuer:
    """Issues tokens as fast as they are asked for, on a clock of its own that is far from ours."""

    def __init__(self, lifetime: int = LIFETIME) -> None:
        self.now = 1_000.0
        self.issued = 0
        self.lifetime = lifetime

    async def issue(self) -> Payload:
        """A new token, after a moment in which others may ask too."""
        await asyncio.sleep(0)
        self.issued += 1
        issued_at = 86_400 * 365
        times = {"issued_at": issued_at, "expires_at": issued_at + self.lifetime}
        return {"access_token": f"token-{self.issued}", **times}

    def tokens(self) -> AccessTokens:
        """What is under test, on a clock that the test moves."""
        return AccessTokens(self.issue, lambda: self.now)


@pytest.fixture
def issuer() -> Issuer:
    """An issuer of tokens."""
    return Issuer()


async def test_however_many_wait_one_asks(issuer: Issuer) -> None:
    tokens = issuer.tokens()

    found = await asyncio.gather(*(tokens.renew(None) for _ in range(20)))

    assert issuer.issued == 1
    assert {token.value.get_secret_value() for token in found} == {"token-1"}
    assert tokens.kept() is found[0]


async def test_a_refused_token_is_replaced_once_for_all_who_had_it(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    refused = await tokens.renew(None)

    found = await asyncio.gather(*(tokens.renew(refused) for _ in range(20)))

    assert issuer.issued == 2
    assert {token.value.get_secret_value() for token in found} == {"token-2"}


@pytest.mark.parametrize(
    ("lifetime", "elapsed", "is_kept"),
    [(1_200, 1_139, True), (1_200, 1_140, False), (60, 29, True), (60, 30, False), (0, 0, False), (-5, 0, False)],
)
async def test_a_token_is_used_until_shortly_before_it_expires(lifetime: int, elapsed: int, *, is_kept: bool) -> None:
    issuer = Issuer(lifetime)
    tokens = issuer.tokens()
    token = await tokens.renew(None)

    issuer.now += elapsed

    assert (tokens.kept() is token) == is_kept


async def test_a_token_without_its_time_of_issue_lasts_from_now() -> None:
    async def fetch() -> Payload:
        return {"access_token": "token-1", "expires_at": int(time.time()) + LIFETIME}

    now = 0.0
    tokens = AccessTokens(fetch, lambda: now)
    token = await tokens.renew(None)

    assert LIFETIME - 70 < token.usable_until <= LIFETIME - 60


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
async def test_an_answer_without_a_usable_token_is_malformed(answer: Payload) -> None:
    async def fetch() -> Payload:
        return answer

    with pytest.raises(MalformedPayload):
        await AccessTokens(fetch).renew(None)


async def test_a_failure_to_fetch_does_not_stay(issuer: Issuer) -> None:
    problems = [GatewayUnavailable("not now")]

    async def fetch() -> Payload:
        if problems:
            raise problems.pop()
        return await issuer.issue()

    tokens = AccessTokens(fetch)
    with pytest.raises(GatewayUnavailable):
        await tokens.renew(None)

    assert (await tokens.renew(None)).value.get_secret_value() == "token-1"


async def test_no_token_is_in_a_representation(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    token = await tokens.renew(None)

    assert "token-1" not in f"{token!r} {tokens!r} {token}"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local PhonePe."""
    with serving("tests.gateways.phonepe", tmp_path_factory.mktemp("phonepe")) as url:
        yield url


@pytest.fixture
async def phonepe(url: str) -> AsyncIterator[PhonePeConnector]:
    """The connector under test."""
    async with connected_to(url) as connector:
        yield connector


@pytest.fixture
async def payer(url: str) -> AsyncIterator[Payer]:
    """The other side."""
    async with payer_at(url) as payer:
        yield payer


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


async def test_many_calls_at_once_share_one_token(phonepe: PhonePeConnector, payer: Payer, order: OrderRequest) -> None:
    before = await payer.tokens()
    await phonepe.create_order(order)

    await asyncio.gather(*(read(phonepe, order.payment_id) for _ in range(10)))

    assert await payer.tokens() - before == 1


async def test_a_read_and_a_write_with_a_refused_token_are_sent_once_more(
    phonepe: PhonePeConnector, payer: Payer, order: OrderRequest, key: str
) -> None:
    await phonepe.create_order(order)
    await payer.pay(order.payment_id)
    before, refunded = await payer.tokens(), await payer.moved("refund")

    await payer.revoke_tokens()
    await asyncio.gather(*(read(phonepe, order.payment_id) for _ in range(5)))
    await payer.revoke_tokens()
    request = MovementRequest(
        payment_id=order.payment_id,
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=order.payment_id,
        amount_minor=10000,
        currency="INR",
    )
    await phonepe.refund(request)

    assert await payer.tokens() - before == 2
    assert await payer.moved("refund") - refunded == 1


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
    url: str, order: OrderRequest, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {"client_id": "somebody-else", "client_secret": "guessed-secret"}
    with caplog.at_level(logging.DEBUG):
        async with connected_to(url, changes=changes) as connector:
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
