"""PhonePe's API of version 2: JSON over HTTPS, with an access token that is fetched first."""

from collections.abc import Mapping
from functools import partial

from pydantic import SecretStr

from connectors.access_tokens import AccessTokens
from connectors.http_client import Effect, GatewayHttp, GatewayResponse
from connectors.outcomes import Timeouts, is_about_credentials, nothing_moved_yet
from connectors.payloads import Payload
from connectors.phonepe.errors import GATEWAY_NAME, read_answer
from connectors.phonepe.registration import PhonePeCredentials
from connectors.phonepe.tokens import fetch_token
from domain.errors import GatewayRejected, GatewayUnavailable, OutcomeUnknown

ORIGINS = {"production": "https://api.phonepe.com", "sandbox": "https://api-preprod.phonepe.com"}
API_PREFIXES = {"production": "/apis/pg", "sandbox": "/apis/pg-sandbox"}


class PhonePeApi:
    """One account's access to PhonePe. Close it with `aclose`."""

    def __init__(self, credentials: PhonePeCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self._prefix = API_PREFIXES[credentials.environment]
        self._http = GatewayHttp(GATEWAY_NAME, credentials.api_base or ORIGINS[credentials.environment], timeouts)
        self._tokens = AccessTokens(GATEWAY_NAME, partial(fetch_token, self._http, credentials))

    async def read(self, path: str, params: Mapping[str, str] | None = None) -> Payload:
        """GET an object. Raises the house's errors."""
        return read_answer(await self._send("GET", path, Effect.READS, params=params))

    async def write(self, path: str, body: Payload) -> Payload:
        """POST an object. Raises the house's errors."""
        return read_answer(await self._send("POST", path, Effect.WRITES, body=body))

    async def look_up(self, path: str) -> Payload:
        """GET an object that is needed before the request that matters; without an answer nothing has moved yet."""
        with nothing_moved_yet():
            return await self.read(path)

    async def find(self, path: str, params: Mapping[str, str] | None = None) -> Payload | None:
        """GET an object that may not be there; None when PhonePe does not know it."""
        try:
            return await self.read(path, params)
        except GatewayRejected as error:
            if is_about_credentials(error):
                raise
            return None

    async def find_made_before(
        self, refusal: GatewayRejected, path: str, params: Mapping[str, str] | None = None
    ) -> Payload:
        """Return what an earlier request under the same name has made, after PhonePe refused to make it again.

        Raises the refusal when there is no such thing, OutcomeUnknown when nobody can tell.
        """
        if is_about_credentials(refusal):
            raise refusal
        try:
            found = await self.find(path, params)
        except (GatewayRejected, GatewayUnavailable, OutcomeUnknown) as error:
            raise OutcomeUnknown(f"{refusal.message}; whether it was done before is not known") from error
        if found is None:
            raise refusal
        return found

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        effect: Effect,
        *,
        params: Mapping[str, str] | None = None,
        body: Payload | None = None,
    ) -> GatewayResponse:
        async def send(token: SecretStr) -> GatewayResponse:
            headers = {"Authorization": f"O-Bearer {token.get_secret_value()}"}
            return await self._http.send(
                method, self._prefix + path, effect, params=params, headers=headers, json_body=body
            )

        return await self._tokens.send(send)
