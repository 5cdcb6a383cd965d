"""Swish's API over HTTP: known by a client certificate, with instructions named by us, failing in our terms."""

from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from http import HTTPStatus
from urllib.parse import quote

from connectors.amounts import write_decimal
from connectors.http_client import Effect, GatewayHttp, GatewayResponse
from connectors.outcomes import Timeouts, nothing_moved_yet, reading, unreadable
from connectors.payloads import Payload
from connectors.swish.errors import GATEWAY_NAME, INSTRUCTION_KNOWN, NOT_OPEN, check_answer, has_error
from connectors.swish.registration import SwishCredentials
from connectors.swish.status import CURRENCY, Source
from connectors.swish.tls import client_context
from domain.errors import GatewayRejected
from domain.facts import Fact, FactKind

ORIGIN, PREFIX = "https://cpc.getswish.net", "/swish-cpcapi/api"
PAYMENTS, REFUNDS = "paymentrequests", "refunds"
MAX_AMOUNT_MINOR = 99_999_999_999_999

CANCELLATION = [{"op": "replace", "path": "/status", "value": "cancelled"}]
PATCH_TYPE = "application/json-patch+json"


class SwishApi:
    """One account's access to Swish. Close it with `aclose`."""

    def __init__(self, credentials: SwishCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self._timeouts = timeouts

    async def read(self, collection: str, name: str) -> Payload:
        """Read a payment request or a refund. Raises the house's errors."""
        response = await self._http.read(_path("v1", collection, name))
        check_answer(response)
        return payload_of(response)

    async def find(self, collection: str, name: str) -> Payload | None:
        """Read a payment request or a refund that there may not be."""
        response = await self._http.read(_path("v1", collection, name))
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        check_answer(response)
        return payload_of(response)

    async def look_up(self, collection: str, name: str) -> Payload:
        """Read what is needed before the call that matters; without an answer nothing has moved yet."""
        with nothing_moved_yet():
            return await self.read(collection, name)

    async def instruct(self, collection: str, instruction: str, body: object) -> GatewayResponse | None:
        """Make a payment request or a refund; None when Swish has the instruction already."""
        path = _path("v2", collection, instruction)
        response = await self._http.send("PUT", path, Effect.WRITES, json_body=body)
        if has_error(response, INSTRUCTION_KNOWN):
            return None
        check_answer(response)
        if response.status_code != HTTPStatus.CREATED:
            raise unreadable(GATEWAY_NAME)
        return response

    async def cancel(self, instruction: str) -> Payload | None:
        """Withdraw a payment request; None when it is no longer open."""
        path, headers = _path("v1", PAYMENTS, instruction), {"Content-Type": PATCH_TYPE}
        response = await self._http.send("PATCH", path, Effect.WRITES, headers=headers, json_body=CANCELLATION)
        if has_error(response, NOT_OPEN):
            return None
        check_answer(response)
        return payload_of(response)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if "_http" in self.__dict__:
            await self._http.aclose()

    @cached_property
    def _http(self) -> GatewayHttp:
        origin = self.credentials.api_base or ORIGIN
        tls = client_context(self.credentials) if origin.startswith("https:") else None
        return GatewayHttp(GATEWAY_NAME, origin + PREFIX, self._timeouts, tls=tls)


def swish_amount(amount_minor: int, currency: str) -> Decimal:
    """Return the number of kronor that Swish wants for an amount. Raises GatewayRejected where it has none."""
    if currency != CURRENCY:
        raise GatewayRejected(f"{GATEWAY_NAME} takes {CURRENCY} alone", field="currency")
    if not 0 < amount_minor <= MAX_AMOUNT_MINOR:
        raise GatewayRejected(f"{GATEWAY_NAME} does not take this amount", field="amount_minor")
    return Decimal(write_decimal(GATEWAY_NAME, amount_minor, currency))


def payload_of(response: GatewayResponse) -> Payload:
    """Return the object in a success. Raises OutcomeUnknown when there is none."""
    with reading(GATEWAY_NAME):
        return response.json_object()


def read_facts(item: Payload, read: Callable[[Payload, Source], Fact], source: Source) -> tuple[Fact, ...]:
    """Return what an answer says, which is nothing in a state that is not known here.

    Raises OutcomeUnknown when it cannot be read.
    """
    with reading(GATEWAY_NAME):
        fact = read(item, source)
    return () if fact.kind is FactKind.IGNORED else (fact,)


def _path(version: str, collection: str, name: str) -> str:
    return f"/{version}/{collection}/{quote(name, safe='')}"
