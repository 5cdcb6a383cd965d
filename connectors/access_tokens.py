"""Access tokens of gateways that want one with every request: fetched by one call at a time, and renewed in time.

An answer 401 certainly had no effect: with a token from before, the request is sent once more with a new one.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import SecretStr

from connectors.http_client import GatewayResponse
from connectors.outcomes import nothing_moved_yet, reading
from connectors.payloads import Payload
from domain.errors import MalformedPayload

RENEW_BEFORE_SECONDS = 60.0
"""How long before its end a token is no longer used: a request must arrive while it is good."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,8000}")

Monotonic = Callable[[], float]
"""Seconds on a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token as a gateway has issued it just now, and for how long."""

    value: SecretStr
    lifetime_seconds: float


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, and until when on our own clock it is used."""

    value: SecretStr
    usable_until: float


class AccessTokens:
    """Keeps one account's access token.

    `fetch` asks the gateway for a new one, and raises MalformedPayload for an answer that has none. However many calls
    need a token, one asks for it and the others wait.
    """

    def __init__(
        self,
        gateway_name: str,
        fetch: Callable[[], Awaitable[IssuedToken]],
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._gateway_name = gateway_name
        self._fetch = fetch
        self._monotonic = monotonic
        self._kept: AccessToken | None = None
        self._renewing = asyncio.Lock()

    def kept(self) -> AccessToken | None:
        """The token that is there already, unless it is about to expire."""
        token = self._kept
        return token if token is not None and self._monotonic() < token.usable_until else None

    async def renew(self, instead_of: AccessToken | None) -> AccessToken:
        """Return another token than the one given, a new one if nobody has fetched one meanwhile.

        Raises GatewayRejected when the credentials are refused, GatewayUnavailable when no token can be had now: what
        the token was for has not been asked yet.
        """
        async with self._renewing:
            kept = self.kept()
            if kept is not None and kept is not instead_of:
                return kept
            asked_at = self._monotonic()
            with nothing_moved_yet(), reading(self._gateway_name):
                issued = await self._fetch()
            lifetime = issued.lifetime_seconds
            self._kept = AccessToken(issued.value, asked_at + lifetime - min(RENEW_BEFORE_SECONDS, lifetime / 2))
            return self._kept

    async def send(self, request: Callable[[SecretStr], Awaitable[GatewayResponse]]) -> GatewayResponse:
        """Send a request with a token, and once more with a new one when a token from before is refused.

        Raises what `renew` and the request raise.
        """
        kept = self.kept()
        token = kept or await self.renew(None)
        response = await request(token.value)
        if response.status_code == HTTPStatus.UNAUTHORIZED and kept is not None:
            token = await self.renew(kept)
            response = await request(token.value)
        return response


def token_in(answer: Payload) -> SecretStr:
    """Return the `access_token` of an answer, which can stand in a header. Raises MalformedPayload."""
    value = answer.get("access_token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise MalformedPayload("the answer has no usable token", field="access_token")
    return SecretStr(value)
