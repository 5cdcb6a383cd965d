"""PayPal's REST API: every request with an access token, every write with a request id, failures in our terms."""

import hashlib
import re
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote

from pydantic import SecretStr

from connectors.access_tokens import AccessTokens
from connectors.http_client import Effect, GatewayHttp, GatewayResponse
from connectors.outcomes import Timeouts, nothing_moved_yet, reading
from connectors.payloads import Payload, as_objects, optional_url, require_identifier
from connectors.paypal.errors import GATEWAY_NAME, check_answer, payload_of
from connectors.paypal.registration import PayPalCredentials
from connectors.paypal.tokens import fetch_token

API_BASES: Mapping[str, str] = {
    "live": "https://api-m.paypal.com",
    "sandbox": "https://api-m.sandbox.paypal.com",
}

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,108}")


class PayPalApi:
    """One account's access to PayPal. Close it with `aclose`."""

    def __init__(self, credentials: PayPalCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        base = credentials.api_base or API_BASES[credentials.environment]
        self._http = GatewayHttp(GATEWAY_NAME, base, timeouts)
        fetch = partial(fetch_token, self._http, credentials.client_id, credentials.client_secret)
        self._tokens = AccessTokens(GATEWAY_NAME, fetch)

    async def read(self, path: str, params: Mapping[str, str] | None = None) -> Payload:
        """GET an object. Raises the house's errors."""
        return payload_of(check_answer(await self._send("GET", path, Effect.READS, params=params)))

    async def look_up(self, path: str, params: Mapping[str, str] | None = None) -> Payload:
        """GET what a write needs to know first; without an answer nothing has moved yet."""
        with nothing_moved_yet():
            return await self.read(path, params)

    async def write(self, path: str, body: Payload, request_id: str) -> Payload:
        """POST something and return the object that PayPal answers. The same request id has no second effect."""
        return payload_of(await self.write_without_answer(path, body, request_id))

    async def write_without_answer(self, path: str, body: Payload, request_id: str) -> GatewayResponse:
        """POST something that may be answered without content."""
        headers = {"PayPal-Request-Id": request_id, "Prefer": "return=representation"}
        return check_answer(await self._send("POST", path, Effect.WRITES, headers=headers, json_body=body))

    async def ask(self, path: str, content: bytes) -> Payload:
        """POST a question, given as JSON that must not be written anew. It has no effect there."""
        headers = {"Content-Type": "application/json"}
        return payload_of(check_answer(await self._send("POST", path, Effect.READS, headers=headers, content=content)))

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
        headers: Mapping[str, str] | None = None,
        json_body: Payload | None = None,
        content: bytes | None = None,
    ) -> GatewayResponse:
        async def send(token: SecretStr) -> GatewayResponse:
            bearer = {"Authorization": f"Bearer {token.get_secret_value()}"}
            return await self._http.send(
                method,
                path,
                effect,
                params=params,
                headers={**(headers or {}), **bearer},
                json_body=json_body,
                content=content,
            )

        return await self._tokens.send(send)


def path_to(prefix: str, name: str, action: str = "") -> str:
    """Return the path of a thing at PayPal. Its name may come from outside, and must not lead elsewhere."""
    return f"{prefix}/{quote(name, safe='')}{action}"


def request_id(*parts: str) -> str:
    """Return a `PayPal-Request-Id`: the only part itself where it fits, else a digest of all parts."""
    if len(parts) == 1 and _REQUEST_ID.fullmatch(parts[0]):
        return parts[0]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def id_of(item: Payload) -> str:
    """Return the id of an answer's object. Raises OutcomeUnknown when it has none."""
    with reading(GATEWAY_NAME):
        return require_identifier(item, "id")


def link_of(item: Payload, *relations: str) -> str | None:
    """Return where the first link of one of the relations leads, None when there is none."""
    links = {str(link.get("rel")): optional_url(link.get("href")) for link in as_objects(item.get("links"))}
    return next(filter(None, (links.get(relation) for relation in relations)), None)
