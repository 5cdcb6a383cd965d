"""Access tokens: one at a time, in time, and once more when one is refused."""

import asyncio

import pytest
from pydantic import SecretStr

from connectors.access_tokens import AccessTokens, IssuedToken, token_in
from connectors.http_client import GatewayResponse
from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, MalformedPayload, OutcomeUnknown

LIFETIME_SECONDS = 1_200.0


class Issuer:
    """Issues tokens as fast as they are asked for, and has a clock that the test moves."""

    def __init__(self, lifetime_seconds: float = LIFETIME_SECONDS) -> None:
        self.now = 1_000.0
        self.issued = 0
        self.lifetime_seconds = lifetime_seconds
        self.problems: list[Exception] = []

    async def issue(self) -> IssuedToken:
        """A new token, after a moment in which others may ask too."""
        await asyncio.sleep(0)
        if self.problems:
            raise self.problems.pop()
        self.issued += 1
        return IssuedToken(SecretStr(f"token-{self.issued}"), self.lifetime_seconds)

    def tokens(self) -> AccessTokens:
        """What is under test."""
        return AccessTokens("Gateway", self.issue, lambda: self.now)


class Api:
    """Refuses every token but the ones that it is told to take."""

    def __init__(self, *taken: str) -> None:
        self.taken = taken
        self.told: list[str] = []

    async def ask(self, token: SecretStr) -> GatewayResponse:
        """Answer 200 or 401."""
        self.told.append(token.get_secret_value())
        return GatewayResponse(200 if self.told[-1] in self.taken else 401, {}, b"{}")


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


async def test_a_token_lasts_from_when_it_was_asked_for(issuer: Issuer) -> None:
    async def issue_slowly() -> IssuedToken:
        issuer.now += 100
        return await issuer.issue()

    token = await AccessTokens("Gateway", issue_slowly, lambda: issuer.now).renew(None)

    assert token.usable_until == 1_000.0 + LIFETIME_SECONDS - 60


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (GatewayUnavailable("not now"), GatewayUnavailable),
        (GatewayRejected("not you"), GatewayRejected),
        (OutcomeUnknown("no answer"), GatewayUnavailable),
        (MalformedPayload("no token"), GatewayUnavailable),
    ],
)
async def test_a_failure_to_fetch_is_before_the_request_and_does_not_stay(
    issuer: Issuer, problem: Exception, expected: type[GatewayError]
) -> None:
    issuer.problems = [problem]
    tokens = issuer.tokens()

    with pytest.raises(GatewayError) as failure:
        await tokens.renew(None)

    assert type(failure.value) is expected
    assert (await tokens.renew(None)).value.get_secret_value() == "token-1"


async def test_a_request_goes_out_once_with_the_token_that_is_kept(issuer: Issuer) -> None:
    tokens, api = issuer.tokens(), Api("token-1")

    for _ in range(3):
        assert (await tokens.send(api.ask)).status_code == 200

    assert (issuer.issued, api.told) == (1, ["token-1"] * 3)


async def test_a_kept_token_that_is_refused_is_replaced_and_the_request_sent_once_more(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    await tokens.renew(None)
    api = Api("token-2")

    assert (await tokens.send(api.ask)).status_code == 200

    assert api.told == ["token-1", "token-2"]


async def test_a_new_token_that_is_refused_is_not_replaced(issuer: Issuer) -> None:
    tokens, api = issuer.tokens(), Api()

    assert (await tokens.send(api.ask)).status_code == 401
    assert api.told == ["token-1"]
    assert (await tokens.send(api.ask)).status_code == 401
    assert api.told == ["token-1", "token-1", "token-2"]


async def test_no_token_is_in_a_representation(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    token = await tokens.renew(None)

    assert "token-1" not in f"{token!r} {tokens!r} {token} {await issuer.issue()!r}"


def test_a_token_is_printable_without_spaces() -> None:
    assert token_in({"access_token": "A21AA~._-"}).get_secret_value() == "A21AA~._-"


@pytest.mark.parametrize("value", [None, 7, "", "a b", "a\r\nX-Other: b", "é", "x" * 8_001])
def test_what_could_not_stand_in_a_header_is_no_token(value: object) -> None:
    with pytest.raises(MalformedPayload):
        token_in({"access_token": value})
