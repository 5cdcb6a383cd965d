"""Square's API through the official SDK: asynchronous, never repeated by it, failing in the house's terms.

The SDK's models turn a fraction of a cent into whole cents without a word, so answers are read as they came instead.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypedDict, cast
from urllib.parse import quote

import httpx
from square import AsyncSquare
from square.environment import SquareEnvironment

from connectors.amounts import wire_amount
from connectors.http_client import Effect, GatewayHttp
from connectors.outcomes import Timeouts, reading, unreadable
from connectors.payloads import Payload, as_objects, require_identifier
from connectors.square.errors import GATEWAY_NAME, read_answer
from connectors.square.registration import SquareCredentials
from connectors.square.status import WIRE_EXPONENTS, Source
from domain.facts import Fact

MAX_KEY_LENGTH = 45
MAX_REFERENCE_LENGTH = 40
SANDBOX_PREFIX = "sandbox-"

SdkCall = Callable[[AsyncSquare], Awaitable[object]]
"""A call of the SDK, such as `lambda square: square.payments.get(name)`."""


class Money(TypedDict):
    """An amount as Square writes it."""

    amount: int
    currency: str


class SquareApi:
    """One location's access to Square. Close it with `aclose`."""

    def __init__(self, credentials: SquareCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self._timeouts = timeouts
        # The SDK names whole addresses.
        self._http = GatewayHttp(GATEWAY_NAME, "", timeouts)

    async def ask(self, call: SdkCall) -> Payload:
        """Make a call and return the whole answer. Raises the house's errors."""
        session = SdkSession(self._http)
        client = AsyncSquare(
            token=self.credentials.access_token.get_secret_value(),
            base_url=self._base_url,
            # The SDK uses nothing of its HTTP client but `request`.
            httpx_client=cast("httpx.AsyncClient", session),
            timeout=self._timeouts.total_seconds,
        )
        await call(client)
        return session.answer

    async def one(self, call: SdkCall, name: str) -> Payload:
        """Make a call that answers with one object, by its name in the answer. Raises the house's errors."""
        told = (await self.ask(call)).get(name)
        if not isinstance(told, dict):
            raise unreadable(GATEWAY_NAME)
        return told

    async def some(self, call: SdkCall, name: str) -> list[Payload]:
        """Make a call that answers with a list, which Square leaves out when it is empty."""
        return as_objects((await self.ask(call)).get(name))

    async def order(self, order_id: str) -> Payload:
        """Return an order."""
        return await self.one(lambda square: square.orders.get(in_path(order_id)), "order")

    async def payment(self, payment_id: str) -> Payload:
        """Return one of Square's payments."""
        return await self.one(lambda square: square.payments.get(in_path(payment_id)), "payment")

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()

    @property
    def _base_url(self) -> str:
        is_sandbox = self.credentials.application_id.startswith(SANDBOX_PREFIX)
        environment = SquareEnvironment.SANDBOX if is_sandbox else SquareEnvironment.PRODUCTION
        return self.credentials.api_base or str(environment.value)


class SdkSession:
    """The HTTP client behind the SDK for one call: the house's own. Failures raise before the SDK could repeat them."""

    def __init__(self, http: GatewayHttp) -> None:
        self._http = http
        self.answer: Payload = {}

    async def request(
        self,
        *,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Sequence[tuple[str, object]] | None,
        json: object,
        **_: object,
    ) -> httpx.Response:
        """Send what the SDK wants sent; keep the answer, and hand it to the SDK too."""
        query = None if params is None else {name: str(value) for name, value in params}
        effect = Effect.READS if method == "GET" else Effect.WRITES
        response = await self._http.send(method, url, effect, params=query, headers=headers, json_body=json)
        self.answer = read_answer(response)
        return httpx.Response(response.status_code, content=response.body)


def square_key(*parts: str) -> str:
    """Return an idempotency key that Square takes: the parts, or their digest where they are too long."""
    key = ":".join(parts)
    is_short = len(key.encode()) <= MAX_KEY_LENGTH
    return key if is_short else hashlib.sha256(key.encode()).hexdigest()[:MAX_KEY_LENGTH]


def in_path(name: str) -> str:
    """Return a name as it can stand in an address; the SDK puts names there as they are."""
    return quote(name, safe=":")


def square_money(amount_minor: int, currency: str) -> Money:
    """Return an amount as Square wants it; raises GatewayRejected where it has none."""
    return {"amount": wire_amount(GATEWAY_NAME, amount_minor, currency, WIRE_EXPONENTS), "currency": currency}


def echo_of(payment_id: str) -> dict[str, str]:
    """Return the field that brings our id back with Square's payment: the reference, or the note for a long id."""
    return {"reference_id" if len(payment_id) <= MAX_REFERENCE_LENGTH else "note": payment_id}


def read_facts(
    items: Sequence[Payload], read: Callable[[Payload, Source], list[Fact]], source: Source
) -> tuple[Fact, ...]:
    """Return the facts of an answer's objects. Raises OutcomeUnknown when they cannot be read."""
    with reading(GATEWAY_NAME):
        return tuple(fact for item in items for fact in read(item, source))


def id_of(item: Payload) -> str:
    """Return the id of an answer's object. Raises OutcomeUnknown when it has none."""
    with reading(GATEWAY_NAME):
        return require_identifier(item, "id")
