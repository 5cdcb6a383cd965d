"""PhonePe's API of version 2: JSON over HTTPS, with an access token that is fetched first.

An answer 401 certainly had no effect: with a token from before, the request is sent once more with a new one.
"""

from collections.abc import Mapping
from http import HTTPStatus

from connectors.http_client import Effect, GatewayHttp, GatewayResponse
from connectors.outcomes import Timeouts, before_sending, unreadable
from connectors.payloads import Payload
from connectors.phonepe.errors import CREDENTIALS_REFUSED, GATEWAY_NAME, is_about_credentials, read_answer
from connectors.phonepe.registration import PhonePeCredentials
from connectors.phonepe.tokens import AccessToken, AccessTokens
from domain.errors import GatewayRejected, GatewayUnavailable, MalformedPayload, OutcomeUnknown

ORIGINS = {"production": "https://api.phonepe.com", "sandbox": "https://api-preprod.phonepe.com"}
TOKEN_PATHS = {
    "production": "/apis/identity-manager/v1/oauth/token",
    "sandbox": "/apis/pg-sandbox/v1/oauth/token",
}
API_PREFIXES = {"production": "/apis/pg", "sandbox": "/apis/pg-sandbox"}


class PhonePeApi:
    """One account's access to PhonePe. Close it with `aclose`."""

    def __init__(self, credentials: PhonePeCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self._prefix = API_PREFIXES[credentials.environment]
        self._http = GatewayHttp(GATEWAY_NAME, credentials.api_base or ORIGINS[credentials.environment], timeouts)
        self._tokens = AccessTokens(self._fetch_token)

    async def read(self, path: str, params: Mapping[str, str] | None = None) -> Payload:
        """GET an object. Raises the house's errors."""
        return read_answer(await self._send("GET", path, Effect.READS, params=params))

    async def write(self, path: str, body: Payload) -> Payload:
        """POST an object. Raises the house's errors."""
        return read_answer(await self._send("POST", path, Effect.WRITES, body=body))

    async def prepare(self, path: str) -> Payload:
        """GET an object that is needed before the request that matters; without an answer nothing has moved yet."""
        try:
            return await self.read(path)
        except OutcomeUnknown as error:
            raise before_sending(error) from error

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
        async def send_with(token: AccessToken) -> GatewayResponse:
            headers = {"Authorization": f"O-Bearer {token.value.get_secret_value()}"}
            return await self._http.send(
                method, self._prefix + path, effect, params=params, headers=headers, json_body=body
            )

        kept = self._tokens.kept()
        response = await send_with(kept or await self._renewed(None))
        if response.status_code == HTTPStatus.UNAUTHORIZED and kept is not None:
            response = await send_with(await self._renewed(kept))
        return response

    async def _renewed(self, instead_of: AccessToken | None) -> AccessToken:
        try:
            return await self._tokens.renew(instead_of)
        except MalformedPayload as error:
            raise before_sending(unreadable(GATEWAY_NAME)) from error
        except OutcomeUnknown as error:
            raise before_sending(error) from error

    async def _fetch_token(self) -> Payload:
        credentials = self.credentials
        form = {
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret.get_secret_value(),
            "client_version": str(credentials.client_version),
            "grant_type": "client_credentials",
        }
        response = await self._http.send("POST", TOKEN_PATHS[credentials.environment], Effect.READS, form=form)
        try:
            return read_answer(response)
        except GatewayRejected:
            # What is asked for here is nothing but our credentials, and PhonePe may repeat parts of them.
            message = f"{GATEWAY_NAME} refused our credentials (HTTP {response.status_code})"
            raise GatewayRejected(message, code=CREDENTIALS_REFUSED) from None
