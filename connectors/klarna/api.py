"""Klarna's API over HTTP: Basic authentication, idempotency keys where Klarna takes them, failing in our terms."""

import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import quote

from connectors.amounts import wire_amount
from connectors.http_client import Effect, GatewayHttp, GatewayResponse
from connectors.klarna.errors import GATEWAY_NAME, check_answer
from connectors.klarna.registration import KlarnaCredentials
from connectors.klarna.status import WIRE_EXPONENTS, Source
from connectors.outcomes import Timeouts, nothing_moved_yet, reading, unreadable
from connectors.payloads import Payload, require_identifier
from domain.facts import Fact

IDEMPOTENCY_HEADER = "Klarna-Idempotency-Key"

_HOSTS: Mapping[tuple[str, str], str] = {
    ("live", "eu"): "https://api.klarna.com",
    ("live", "na"): "https://api-na.klarna.com",
    ("live", "oc"): "https://api-oc.klarna.com",
    ("playground", "eu"): "https://api.playground.klarna.com",
    ("playground", "na"): "https://api-na.playground.klarna.com",
    ("playground", "oc"): "https://api-oc.playground.klarna.com",
}


class KlarnaApi:
    """One account's access to Klarna. Close it with `aclose`."""

    def __init__(self, credentials: KlarnaCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self.base_url = credentials.api_base or _HOSTS[credentials.environment, credentials.region]
        auth = (credentials.username, credentials.password.get_secret_value())
        self._http = GatewayHttp(GATEWAY_NAME, self.base_url, timeouts, auth=auth)

    async def read(self, path: str) -> Payload:
        """Read one thing. Raises the house's errors."""
        response = await self._http.read(path)
        check_answer(response)
        return payload_of(response)

    async def look_up(self, path: str) -> Payload:
        """Read what is needed before the call that matters; without an answer nothing has moved yet."""
        with nothing_moved_yet():
            return await self.read(path)

    async def write(
        self, path: str, body: object | None = None, *, key: str | None = None, method: str = "POST"
    ) -> GatewayResponse:
        """Change something, under an idempotency key where Klarna takes one there. Raises the house's errors."""
        headers = {} if key is None else {IDEMPOTENCY_HEADER: idempotency_key(key)}
        response = await self._http.send(method, path, Effect.WRITES, headers=headers, json_body=body)
        check_answer(response)
        return response

    async def change(
        self, path: str, body: object | None = None, *, key: str | None = None, method: str = "POST"
    ) -> None:
        """Change something that makes nothing new, which Klarna confirms by an answer without content and no other."""
        response = await self.write(path, body, key=key, method=method)
        if response.status_code != HTTPStatus.NO_CONTENT:
            raise unreadable(GATEWAY_NAME)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()


def idempotency_key(key: str) -> str:
    """Return the UUID that Klarna wants for an idempotency key; always the same for one key."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, key))


def path_of(prefix: str, *names: str) -> str:
    """Return the path of something that Klarna or a caller has named."""
    return "/".join((prefix, *(quote(name, safe="") for name in names)))


def klarna_amount(amount_minor: int, currency: str) -> int:
    """Return the integer that Klarna wants for an amount; raises GatewayRejected where it has none."""
    return wire_amount(GATEWAY_NAME, amount_minor, currency, WIRE_EXPONENTS)


def payload_of(response: GatewayResponse) -> Payload:
    """Return the object in a success. Raises OutcomeUnknown when there is none."""
    with reading(GATEWAY_NAME):
        return response.json_object()


def name_in(payload: Payload, key: str) -> str:
    """Return an id in a success. Raises OutcomeUnknown when there is none."""
    with reading(GATEWAY_NAME):
        return require_identifier(payload, key)


def read_facts(item: Payload, read: Callable[[Payload, Source], list[Fact]], source: Source) -> tuple[Fact, ...]:
    """Return what an answer says. Raises OutcomeUnknown when it cannot be read."""
    with reading(GATEWAY_NAME):
        return tuple(read(item, source))
