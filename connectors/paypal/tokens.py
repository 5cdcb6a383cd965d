"""PayPal's access tokens: asked for with the client's own credentials, kept until shortly before they expire."""

import asyncio
import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from connectors.http_client import Effect, GatewayHttp
from connectors.outcomes import before_sending, unreadable
from connectors.payloads import Payload
from connectors.paypal.errors import GATEWAY_NAME, check_success, object_of
from domain.errors import OutcomeUnknown

PATH = "/v1/oauth2/token"
MARGIN_SECONDS = 60.0
"""How long before its end a token is no longer used: a request must arrive while it is good."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,4000}")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token; `is_new` says that it was got for this very call, so that a refusal is not for its age."""

    value: SecretStr
    is_new: bool


class AccessTokens:
    """The token of one account. Calls that need a new one at the same time wait for one request."""

    def __init__(
        self, http: GatewayHttp, client_id: str, client_secret: SecretStr, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._asking = asyncio.Lock()
        self._kept: SecretStr | None = None
        self._good_until = 0.0

    async def current(self) -> AccessToken:
        """Return a token that is good for now.

        Raises GatewayRejected when the credentials are refused, GatewayUnavailable when PayPal cannot be asked.
        """
        if (kept := self._fresh()) is not None:
            return AccessToken(kept, is_new=False)
        async with self._asking:
            if (kept := self._fresh()) is not None:
                return AccessToken(kept, is_new=True)
            try:
                return AccessToken(self._keep(await self._ask()), is_new=True)
            except OutcomeUnknown as error:
                raise before_sending(error) from error

    def forget(self, refused: AccessToken) -> None:
        """Do not use a token again, unless another one took its place already."""
        if self._kept == refused.value:
            self._kept = None

    def _fresh(self) -> SecretStr | None:
        return self._kept if self._clock() < self._good_until else None

    async def _ask(self) -> Payload:
        pair = f"{self._client_id}:{self._client_secret.get_secret_value()}"
        headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        # Asking twice brings two good tokens, so it may be sent again as a read may.
        form = {"grant_type": "client_credentials"}
        return object_of(check_success(await self._http.send("POST", PATH, Effect.READS, headers=headers, form=form)))

    def _keep(self, answer: Payload) -> SecretStr:
        value, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(value, str) or _TOKEN.fullmatch(value) is None or type(seconds) is not int:
            raise unreadable(GATEWAY_NAME)
        self._kept = SecretStr(value)
        self._good_until = self._clock() + seconds - MARGIN_SECONDS
        return self._kept
