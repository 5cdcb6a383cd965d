"""Razorpay's API through the official SDK, which blocks, in threads of its own and without retries."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypedDict, Unpack

import httpx
import razorpay

from connectors.amounts import wire_amount
from connectors.base import (
    MandateChargeRequest,
    MovementRequest,
    OrderRequest,
    PaymentLinkRequest,
)
from connectors.outcomes import Timeouts, nothing_moved_yet, reading, unreadable
from connectors.payloads import Payload, as_objects, require_identifier
from connectors.razorpay.errors import GATEWAY_NAME, check_answer, classify_transport
from connectors.razorpay.registration import RazorpayCredentials
from connectors.razorpay.status import WIRE_EXPONENTS, Source, facts_of_payment, facts_of_refund
from connectors.sdk_threads import SdkThreads
from connectors.tls import system_tls
from domain.facts import Fact

MAX_THREADS = 16
PAGE_SIZE = 100
MAX_RECEIPT_LENGTH = 40
MAX_NOTE_LENGTH = 256

_THREADS = SdkThreads(GATEWAY_NAME, max_threads=MAX_THREADS)

SdkCall = Callable[[httpx.Timeout], object]
"""A call of the SDK. It must be given a timeout each time: the SDK itself has none."""


class RazorpayApi:
    """One account's access to Razorpay. Close it with `aclose`.

    The SDK's client keeps no state between calls and its session is safe to share, so one serves every thread.
    """

    def __init__(self, credentials: RazorpayCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self._timeouts = timeouts

    @cached_property
    def sdk(self) -> razorpay.Client:
        """The SDK's client. Its calls go through `one` and `look_up`."""
        key = (self.credentials.key_id, self.credentials.key_secret.get_secret_value())
        api_base = self.credentials.api_base
        options = {} if api_base is None else {"base_url": api_base}
        return razorpay.Client(session=self._session, auth=key, **options)

    async def one(self, call: SdkCall) -> Payload:
        """Make a call that answers with an object. Raises the house's errors."""
        timeout = httpx.Timeout(self._timeouts.read_seconds, connect=self._timeouts.connect_seconds)
        answer = await _THREADS.run(lambda: call(timeout), timeout_seconds=self._timeouts.total_seconds)
        if not isinstance(answer, dict):
            raise unreadable(GATEWAY_NAME)
        return answer

    async def look_up(self, call: SdkCall) -> Payload:
        """Make a call that comes before the one that matters; without an answer to it nothing has moved yet."""
        with nothing_moved_yet():
            return await self.one(call)

    async def payment(self, payment_id: str) -> Payload:
        """Return a payment."""
        return await self.one(lambda timeout: self.sdk.payment.fetch(payment_id, timeout=timeout))

    async def payments_of(self, order_id: str) -> list[Payload]:
        """Return the payments made on an order."""
        answer = await self.one(lambda timeout: self.sdk.order.payments(order_id, {}, timeout=timeout))
        return as_objects(answer.get("items"))

    async def facts_of_payments(self, payments: Sequence[Payload], source: Source) -> list[Fact]:
        """Return what payments say, and their refunds, which are read for the purpose."""
        facts: list[Fact] = []
        for payment in payments:
            facts += read_facts([payment], facts_of_payment, source)
            facts += read_facts(await self._refunds_of(payment), refund_reader(payment), source)
        return facts

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if "_session" in self.__dict__:
            self._session.close()

    @cached_property
    def _session(self) -> "SdkSession":
        return SdkSession()

    async def _refunds_of(self, payment: Payload) -> list[Payload]:
        found: list[Payload] = []
        while payment.get("amount_refunded") and len(found) % PAGE_SIZE == 0:
            page = await self._page_of_refunds(id_of(payment), len(found))
            if not page:
                break
            found += page
        return found

    async def _page_of_refunds(self, payment_id: str, skip: int) -> list[Payload]:
        page = {"count": PAGE_SIZE, "skip": skip}
        answer = await self.one(
            lambda timeout: self.sdk.payment.fetch_multiple_refund(payment_id, page, timeout=timeout)
        )
        return as_objects(answer.get("items"))


class SdkOptions(TypedDict):
    """What the SDK passes with every request."""

    auth: tuple[str, str]
    headers: dict[str, str]
    timeout: httpx.Timeout
    verify: str


class SdkSession:
    """The HTTP session behind the SDK. It raises the house's errors, follows no redirects, and threads may share it."""

    def __init__(self) -> None:
        self._client = httpx.Client(verify=system_tls())

    def get(self, url: str, *, params: dict[str, str | int], **options: Unpack[SdkOptions]) -> httpx.Response:
        """Send a GET as the SDK asks for it."""
        headers, timeout = _stripped(options["headers"]), options["timeout"]
        request = self._client.build_request("GET", url, params=params, headers=headers, timeout=timeout)
        return self._send(request, options)

    def post(self, url: str, *, data: str, **options: Unpack[SdkOptions]) -> httpx.Response:
        """Send a POST with the body that the SDK has written."""
        headers, timeout = _stripped(options["headers"]), options["timeout"]
        request = self._client.build_request("POST", url, content=data, headers=headers, timeout=timeout)
        return self._send(request, options)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, request: httpx.Request, options: SdkOptions) -> httpx.Response:
        # `verify` is left out: the SDK's own list of certificate authorities ages with it, and httpx has a current one.
        try:
            response = self._client.send(request, auth=options["auth"])
        except httpx.HTTPError as error:
            raise classify_transport(error) from error
        check_answer(response)
        return response


def _stripped(headers: dict[str, str]) -> dict[str, str]:
    # The SDK's User-Agent ends with a space, which HTTP does not allow.
    return {name: value.strip() for name, value in headers.items()}


def receipt_of(payment_id: str) -> str:
    """Return the name that Razorpay knows a payment of ours by: its id, or the id's digest when it is too long."""
    if len(payment_id) <= MAX_RECEIPT_LENGTH:
        return payment_id
    return hashlib.sha256(payment_id.encode()).hexdigest()[:MAX_RECEIPT_LENGTH]


def read_facts(
    items: Sequence[Payload], read: Callable[[Payload, Source], list[Fact]], source: Source
) -> tuple[Fact, ...]:
    """Return the facts of an answer's entities. Raises OutcomeUnknown when they cannot be read."""
    with reading(GATEWAY_NAME):
        return tuple(fact for item in items for fact in read(item, source))


def refund_reader(payment: Payload) -> Callable[[Payload, Source], list[Fact]]:
    """Return what reads refunds of a payment."""

    def read(refund: Payload, source: Source) -> list[Fact]:
        return facts_of_refund(refund, payment, source)

    return read


def id_of(entity: Payload) -> str:
    """Return the id of an answer's entity. Raises OutcomeUnknown when it has none."""
    with reading(GATEWAY_NAME):
        return require_identifier(entity, "id")


def wire_money(
    request: OrderRequest | MovementRequest | MandateChargeRequest | PaymentLinkRequest,
) -> tuple[int, str]:
    """Return the amount that Razorpay wants, with its currency; raises GatewayRejected where it has none."""
    return wire_amount(GATEWAY_NAME, request.amount_minor, request.currency, WIRE_EXPONENTS), request.currency
