"""The Stripe connector: the official SDK, asynchronous, without retries of its own."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

import httpx
import stripe

from connectors.amounts import wire_amount
from connectors.base import Callback, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts, unreadable
from connectors.payloads import MAX_REASON_LENGTH, Payload, require_identifier
from connectors.stripe.errors import GATEWAY_NAME, classify
from connectors.stripe.registration import StripeCredentials
from connectors.stripe.status import (
    WIRE_EXPONENTS,
    Source,
    charge_of,
    facts_of_dispute,
    facts_of_intent,
    facts_of_refund,
    is_released_rest,
    read_money,
)
from connectors.stripe.webhooks import read_event, verify_signature
from domain.errors import MalformedPayload
from domain.facts import Fact

# Below this level the SDK logs whole answers, and with them the secrets that let a payer's client confirm a payment.
logging.getLogger("stripe").setLevel(logging.WARNING)

PAGE_SIZE = 100
EXPANDED = ["latest_charge.balance_transaction"]

_MODE = re.compile(r"[sr]k_(live|test)_")

Item = TypeVar("Item", stripe.Refund, stripe.Dispute)


class StripeConnector:
    """Takes payments through one Stripe account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: StripeCredentials, timeouts: Timeouts | None = None) -> None:
        self._credentials = credentials
        self._timeouts = timeouts or Timeouts()
        mode = _MODE.match(credentials.secret_key.get_secret_value())
        self._is_live = None if mode is None else mode.group(1) == "live"
        secrets = (credentials.webhook_secret, credentials.previous_webhook_secret)
        self._webhook_secrets = [secret.get_secret_value() for secret in secrets if secret is not None]

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        text = verify_signature(callback, self._webhook_secrets)
        return read_event(text, callback, is_live=self._is_live)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create a payment intent, to be confirmed by the payer's client with the answer's `client_secret`."""
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": wire_amount(GATEWAY_NAME, request.amount_minor, request.currency, WIRE_EXPONENTS),
            "currency": request.currency.lower(),
            "capture_method": "manual" if request.manual_capture else "automatic",
            "metadata": {**request.metadata, "payment_id": request.payment_id},
        }
        if request.description is not None:
            params["description"] = request.description
        call = self._sdk.v1.payment_intents.create_async(params, {"idempotency_key": request.idempotency_key})
        intent = await self._one(call)
        answer = _answer_of_intent(intent, Source(request.account))
        client_parameters = {
            "client_secret": str(intent.get("client_secret")),
            "publishable_key": self._credentials.publishable_key,
            "payment_intent_id": answer.provider_reference,
        }
        return replace(answer, client_parameters=client_parameters)

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture the amount. What is left of the authorization is released."""
        params: stripe.params.PaymentIntentCaptureParams = {
            "amount_to_capture": wire_amount(GATEWAY_NAME, request.amount_minor, request.currency, WIRE_EXPONENTS),
            "expand": EXPANDED,
        }
        call = self._sdk.v1.payment_intents.capture_async(
            request.provider_reference, params, {"idempotency_key": request.idempotency_key}
        )
        return _answer_of_intent(await self._one(call), Source(request.account))

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount. The reason is kept as metadata: Stripe's own reasons have consequences for the payer."""
        params: stripe.params.RefundCreateParams = {
            "payment_intent": request.provider_reference,
            "amount": wire_amount(GATEWAY_NAME, request.amount_minor, request.currency, WIRE_EXPONENTS),
            "metadata": {"payment_id": request.payment_id},
        }
        if request.reason is not None:
            params["metadata"] = {"payment_id": request.payment_id, "reason": request.reason[:MAX_REASON_LENGTH]}
        call = self._sdk.v1.refunds.create_async(params, {"idempotency_key": request.idempotency_key})
        facts = _read([await self._one(call)], facts_of_refund, Source(request.account))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Stripe knows of the payment intent, its refunds and its disputes."""
        source = Source(request.account)
        reference = request.provider_reference
        intent = await self._one(self._sdk.v1.payment_intents.retrieve_async(reference, {"expand": EXPANDED}))
        answer = _answer_of_intent(intent, source)
        facts = list(answer.facts)
        charge = charge_of(intent)
        if charge.get("captured") is True:
            found = await self._all(self._sdk.v1.refunds.list_async({"payment_intent": reference, "limit": PAGE_SIZE}))
            facts += _read([refund for refund in found if not is_released_rest(refund)], facts_of_refund, source)
        if charge.get("disputed") is True:
            found = await self._all(self._sdk.v1.disputes.list_async({"payment_intent": reference, "limit": PAGE_SIZE}))
            facts += _read(found, facts_of_dispute, source)
        return replace(answer, facts=tuple(facts))

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if "_http" in self.__dict__:
            await self._http.close_async()  # type: ignore[no-untyped-call]  # unannotated in the SDK

    @cached_property
    def _http(self) -> "SdkHttpClient":
        return SdkHttpClient(timeout=httpx.Timeout(self._timeouts.read_seconds, connect=self._timeouts.connect_seconds))

    @cached_property
    def _sdk(self) -> stripe.StripeClient:
        api_base = self._credentials.api_base
        return stripe.StripeClient(
            self._credentials.secret_key.get_secret_value(),
            http_client=self._http,
            base_addresses={} if api_base is None else {"api": api_base},
            max_network_retries=0,
        )

    async def _one(self, call: Awaitable[object]) -> Payload:
        async with _in_our_terms(self._timeouts):
            return _json_of(await call)

    async def _all(self, call: Awaitable[stripe.ListObject[Item]]) -> list[Payload]:
        async with _in_our_terms(self._timeouts):
            return [_json_of(item) async for item in (await call).auto_paging_iter()]


class SdkHttpClient(stripe.HTTPXClient):
    """The SDK's client, handing bodies over in the way that httpx asks for; the SDK's own way is deprecated there."""

    def _get_request_args_kwargs(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | bytes | None
    ) -> tuple[list[str], dict[str, object]]:
        return [method, url], {"headers": headers, "content": post_data or None, "timeout": self._timeout}


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


def _read(items: Sequence[Payload], read: Callable[[Payload, Source], list[Fact]], source: Source) -> tuple[Fact, ...]:
    try:
        return tuple(fact for item in items for fact in read(item, source))
    except MalformedPayload as error:
        raise unreadable(GATEWAY_NAME) from error


def _answer_of_intent(intent: Payload, source: Source) -> GatewayAnswer:
    try:
        reference = require_identifier(intent, "id")
        amount_minor, currency = read_money(intent.get("amount"), intent)
    except MalformedPayload as error:
        raise unreadable(GATEWAY_NAME) from error
    facts = _read([intent], facts_of_intent, source)
    return GatewayAnswer(provider_reference=reference, facts=facts, amount_minor=amount_minor, currency=currency)
