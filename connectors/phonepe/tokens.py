"""PhonePe's access tokens: fetched once, used until shortly before they expire, fetched by one at a time."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import SecretStr

from connectors.payloads import Payload
from domain.errors import MalformedPayload

RENEW_BEFORE_SECONDS = 60.0

_TOKEN = re.compile(r"[\x21-\x7e]{1,8000}")

Monotonic = Callable[[], float]
"""Seconds on a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, and until when on our own clock it is used."""

    value: SecretStr
    usable_until: float


class AccessTokens:
    """Keeps one account's access token.

    `fetch` asks PhonePe for a new one. However many calls need a token, one asks for it and the others wait.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Payload]], monotonic: Monotonic = time.monotonic) -> None:
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

        Raises MalformedPayload when PhonePe's answer has no token.
        """
        async with self._renewing:
            kept = self.kept()
            if kept is not None and kept is not instead_of:
                return kept
            asked_at = self._monotonic()
            self._kept = _read_token(await self._fetch(), asked_at)
            return self._kept


def _read_token(answer: Payload, asked_at: float) -> AccessToken:
    """Read a token. How long it lasts is reckoned on PhonePe's own clock, so that ours need not agree with it."""
    value = answer.get("access_token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise MalformedPayload("the answer has no usable token", field="access_token")
    issued_at, expires_at = answer.get("issued_at"), answer.get("expires_at")
    if type(expires_at) is not int:
        raise MalformedPayload("a token says when it expires", field="expires_at")
    lifetime = expires_at - (issued_at if type(issued_at) is int else time.time())
    return AccessToken(SecretStr(value), asked_at + lifetime - min(RENEW_BEFORE_SECONDS, lifetime / 2))
