"""Stripe's API through the official SDK: asynchronous, without retries of its own, failing in the house's terms."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TypeVar

import httpx
import stripe

from connectors.amounts import wire_amount
from connectors.base import GatewayAnswer
from connectors.outcomes import Timeouts, nothing_moved_yet, reading, unreadable
from connectors.payloads import Payload, optional_url, part_of, require_identifier
from connectors.stripe.errors import GATEWAY_NAME, classify
from connectors.stripe.registration import StripeCredentials
from connectors.stripe.status import WIRE_EXPONENTS, Source, facts_of_intent, read_money
from domain.facts import Fact

# Below this level the SDK logs whole answers, and with them the secrets that let a payer's client confirm a payment.
logging.getLogger("stripe").setLevel(logging.WARNING)

PAGE_SIZE = 100
EXPANDED = ["latest_charge.balance_transaction"]

Item = TypeVar("Item", stripe.Refund, stripe.Dispute, stripe.checkout.Session)


class StripeApi:
    """One account's access to Stripe. Close it with `aclose`."""

    def __init__(self, credentials: StripeCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self._timeouts = timeouts

    @cached_property
    def v1(self) -> stripe.V1Services:
        """The SDK's services. Their calls go through `one` and `all`."""
        api_base = self.credentials.api_base
        client = stripe.StripeClient(
            self.credentials.secret_key.get_secret_value(),
            http_client=self._http,
            base_addresses={} if api_base is None else {"api": api_base},
            max_network_retries=0,
        )
        return client.v1

    async def one(self, call: Awaitable[object]) -> Payload:
        """Await a call that answers with one object. Raises the house's errors."""
        async with _in_our_terms(self._timeouts):
            return _json_of(await call)

    async def all(self, call: Awaitable[stripe.ListObject[Item]]) -> list[Payload]:
        """Await a call that answers with a list, and read all its pages."""
        async with _in_our_terms(self._timeouts):
            return [_json_of(item) async for item in (await call).auto_paging_iter()]

    async def look_up(self, call: Awaitable[object]) -> Payload:
        """Await a call that comes before the one that matters; without an answer to it nothing has moved yet."""
        with nothing_moved_yet():
            return await self.one(call)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if "_http" in self.__dict__:
            await self._http.close_async()  # type: ignore[no-untyped-call]  # unannotated in the SDK

    @cached_property
    def _http(self) -> "SdkHttpClient":
        return SdkHttpClient(timeout=httpx.Timeout(self._timeouts.read_seconds, connect=self._timeouts.connect_seconds))


class SdkHttpClient(stripe.HTTPXClient):
    """The SDK's client, handing bodies over in the way that httpx asks for; the SDK's own way is deprecated there."""

    def _get_request_args_kwargs(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | bytes | None
    ) -> tuple[list[str], dict[str, object]]:
        return [method, url], {"headers": headers, "content": post_data or None, "timeout": self._timeout}


def stripe_amount(amount_minor: int, currency: str) -> int:
    """Return the integer that Stripe wants for an amount; raises GatewayRejected where it has none."""
    return wire_amount(GATEWAY_NAME, amount_minor, currency, WIRE_EXPONENTS)


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


def answer_of_intent(intent: Payload, account: str) -> GatewayAnswer:
    """Return what a payment intent says as an answer. Raises OutcomeUnknown when it cannot be read."""
    reference = id_of(intent)
    with reading(GATEWAY_NAME):
        amount_minor, currency = read_money(intent.get("amount"), intent)
    facts = read_facts([intent], facts_of_intent, Source(account))
    return GatewayAnswer(provider_reference=reference, facts=facts, amount_minor=amount_minor, currency=currency)


def parameters_of_action(intent: Payload, credentials: StripeCredentials) -> dict[str, str]:
    """Return what the payer's client needs while a payment intent or setup intent waits for it; nothing otherwise."""
    if intent.get("status") not in {"requires_action", "requires_payment_method", "requires_confirmation"}:
        return {}
    url = optional_url(part_of(part_of(intent, "next_action"), "redirect_to_url").get("url"))
    parameters = {
        "client_secret": str(intent.get("client_secret")),
        "publishable_key": credentials.publishable_key,
        f"{intent.get('object')}_id": id_of(intent),
    }
    return parameters if url is None else {**parameters, "redirect_url": url}


@asynccontextmanager
async def _in_our_terms(timeouts: Timeouts) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeouts.total_seconds):
            yield
    except (stripe.StripeError, TimeoutError) as error:
        # Stripe repeats a part of a refused key in its message, which must not get into a log as the cause.
        is_about_key = isinstance(error, stripe.AuthenticationError | stripe.PermissionError)
        raise classify(error) from (None if is_about_key else error)


def _json_of(answer: object) -> Payload:
    if not isinstance(answer, stripe.StripeObject):
        raise unreadable(GATEWAY_NAME)
    return answer.to_dict()
