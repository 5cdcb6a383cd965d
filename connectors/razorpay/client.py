"""The Razorpay connector: the official SDK, which blocks, in threads of its own and without retries.

Razorpay knows no idempotency key for orders and captures. An order is found again by its receipt; before a capture,
the order's payments are read, so that one already captured is not captured again.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TypedDict, Unpack

import httpx
import razorpay

from connectors.amounts import wire_amount
from connectors.base import Callback, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts, before_sending, unreadable
from connectors.payloads import Payload, as_objects, require_identifier
from connectors.razorpay.errors import GATEWAY_NAME, check_answer, classify_transport
from connectors.razorpay.registration import RazorpayCredentials
from connectors.razorpay.status import (
    WIRE_EXPONENTS,
    Source,
    facts_of_order,
    facts_of_payment,
    facts_of_refund,
    read_money,
)
from connectors.razorpay.webhooks import read_event, verify_signature
from connectors.sdk_threads import SdkThreads
from domain.errors import GatewayRejected, MalformedPayload, OutcomeUnknown
from domain.facts import Fact

MAX_THREADS = 16
PAGE_SIZE = 100
MAX_RECEIPT_LENGTH = 40
MAX_NOTE_LENGTH = 256
CAPTURE_WITHIN_MINUTES = 4_320
"""Three days, the longest that every account may ask for; what is not captured by then goes back to the payer."""

_REFUND_KEY = re.compile(r"[A-Za-z0-9_-]{10,64}")

_THREADS = SdkThreads(GATEWAY_NAME, max_threads=MAX_THREADS)

SdkCall = Callable[[httpx.Timeout], object]
"""A call of the SDK. It must be given a timeout each time: the SDK itself has none."""


class RazorpayConnector:
    """Takes payments through one Razorpay account. Close it with `aclose` when it is no longer needed.

    The SDK's client keeps no state between calls and its session is safe to share, so one serves every thread.
    """

    def __init__(self, credentials: RazorpayCredentials, timeouts: Timeouts | None = None) -> None:
        self._credentials = credentials
        self._timeouts = timeouts or Timeouts()
        secrets = (credentials.webhook_secret, credentials.previous_webhook_secret)
        self._webhook_secrets = [secret.get_secret_value() for secret in secrets if secret is not None]

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        return read_event(verify_signature(callback, self._webhook_secrets), callback)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create an order, to be paid in the payer's client with the answer's `order_id` and `key_id`.

        The receipt is the payment's id, so the same payment again finds the same order.
        """
        amount, currency = _wire_money(request)
        capture_options: dict[str, object] = {"refund_speed": "normal", "manual_expiry_period": CAPTURE_WITHIN_MINUTES}
        if not request.manual_capture:
            capture_options["automatic_expiry_period"] = CAPTURE_WITHIN_MINUTES
        data = {
            "amount": amount,
            "currency": currency,
            "receipt": receipt_of(request.payment_id),
            "unique_receipt": True,
            "notes": {**request.metadata, "payment_id": request.payment_id},
            "payment": {
                "capture": "manual" if request.manual_capture else "automatic",
                "capture_options": capture_options,
            },
        }
        order = await self._one(lambda timeout: self._sdk.order.create(data, timeout=timeout))
        if (order.get("amount"), order.get("currency")) != (amount, currency):
            raise GatewayRejected(f"the receipt {data['receipt']} belongs to another order, {_id_of(order)}")
        answer = _answer_of_order(order, _read([order], facts_of_order, Source(request.account)))
        client_parameters = {"order_id": answer.provider_reference, "key_id": self._credentials.key_id}
        return replace(answer, client_parameters=client_parameters)

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture the order's authorized payment. The amount must be the authorized one."""
        amount, currency = _wire_money(request)
        payment = await self._payment_to_capture(request)
        if not _is_captured(payment):
            reference, options = _id_of(payment), {"currency": currency}
            payment = await self._one(
                lambda timeout: self._sdk.payment.capture(reference, amount, options, timeout=timeout)
            )
        facts = _read([payment], facts_of_payment, Source(request.account))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount of the order's captured payment."""
        notes = {"payment_id": request.payment_id}
        if request.reason is not None:
            notes["reason"] = request.reason[:MAX_NOTE_LENGTH]
        data = {"amount": _wire_money(request)[0], "notes": notes}
        headers = {"X-Refund-Idempotency": refund_key(request.idempotency_key)}
        payment = await self._payment_to_refund(request)
        reference = _id_of(payment)
        refund = await self._one(
            lambda timeout: self._sdk.payment.refund(reference, data, timeout=timeout, headers=headers)
        )
        facts = _read([refund], partial(_facts_of_refund_of, payment), Source(request.account))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Razorpay knows of the order, the payments made on it and their refunds."""
        reference = request.provider_reference
        order = await self._one(lambda timeout: self._sdk.order.fetch(reference, timeout=timeout))
        source = Source(request.account, order=order)
        facts = list(_read([order], facts_of_order, source))
        for payment in await self._payments_of(reference):
            facts += _read([payment], facts_of_payment, source)
            facts += _read(await self._refunds_of(payment), partial(_facts_of_refund_of, payment), source)
        return _answer_of_order(order, tuple(facts))

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if "_session" in self.__dict__:
            self._session.close()

    @cached_property
    def _session(self) -> "SdkSession":
        return SdkSession()

    @cached_property
    def _sdk(self) -> razorpay.Client:
        key = (self._credentials.key_id, self._credentials.key_secret.get_secret_value())
        api_base = self._credentials.api_base
        options = {} if api_base is None else {"base_url": api_base}
        return razorpay.Client(session=self._session, auth=key, **options)

    async def _payment_to_capture(self, request: MovementRequest) -> Payload:
        payments = await self._look_up(request)
        captured = next(filter(_is_captured, payments), None)
        if captured is not None:
            if (captured.get("amount"), captured.get("currency")) != _wire_money(request):
                raise GatewayRejected(f"{_id_of(captured)} is captured already, with another amount")
            return captured
        authorized = next((payment for payment in payments if payment.get("status") == "authorized"), None)
        if authorized is None:
            raise GatewayRejected(f"{request.provider_reference} has no authorized payment to capture")
        return authorized

    async def _payment_to_refund(self, request: MovementRequest) -> Payload:
        if request.capture_reference is not None:
            return {"id": request.capture_reference, "order_id": request.provider_reference}
        captured = next(filter(_is_captured, await self._look_up(request)), None)
        if captured is None:
            raise GatewayRejected(f"{request.provider_reference} has no captured payment to refund")
        return captured

    async def _look_up(self, request: MovementRequest) -> list[Payload]:
        try:
            return await self._payments_of(request.provider_reference)
        except OutcomeUnknown as error:
            raise before_sending(error) from error

    async def _payments_of(self, order_id: str) -> list[Payload]:
        answer = await self._one(lambda timeout: self._sdk.order.payments(order_id, {}, timeout=timeout))
        return as_objects(answer.get("items"))

    async def _refunds_of(self, payment: Payload) -> list[Payload]:
        found: list[Payload] = []
        while payment.get("amount_refunded") and len(found) % PAGE_SIZE == 0:
            page = await self._page_of_refunds(_id_of(payment), len(found))
            if not page:
                break
            found += page
        return found

    async def _page_of_refunds(self, payment_id: str, skip: int) -> list[Payload]:
        page = {"count": PAGE_SIZE, "skip": skip}
        answer = await self._one(
            lambda timeout: self._sdk.payment.fetch_multiple_refund(payment_id, page, timeout=timeout)
        )
        return as_objects(answer.get("items"))

    async def _one(self, call: SdkCall) -> Payload:
        timeout = httpx.Timeout(self._timeouts.read_seconds, connect=self._timeouts.connect_seconds)
        answer = await _THREADS.run(lambda: call(timeout), timeout_seconds=self._timeouts.total_seconds)
        if not isinstance(answer, dict):
            raise unreadable(GATEWAY_NAME)
        return answer


class SdkOptions(TypedDict):
    """What the SDK passes with every request."""

    auth: tuple[str, str]
    headers: dict[str, str]
    timeout: httpx.Timeout
    verify: str


class SdkSession:
    """The HTTP session behind the SDK. It raises the house's errors, follows no redirects, and threads may share it."""

    def __init__(self) -> None:
        self._client = httpx.Client()

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
    """Return the receipt of a payment's order: the payment's id, or its digest when it is too long."""
    if len(payment_id) <= MAX_RECEIPT_LENGTH:
        return payment_id
    return hashlib.sha256(payment_id.encode()).hexdigest()[:MAX_RECEIPT_LENGTH]


def refund_key(idempotency_key: str) -> str:
    """Return an idempotency key that Razorpay takes: the given one, or its digest if that one does not fit."""
    if _REFUND_KEY.fullmatch(idempotency_key):
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode()).hexdigest()


def _is_captured(payment: Payload) -> bool:
    return payment.get("status") in {"captured", "refunded"} and payment.get("captured") is not False


def _facts_of_refund_of(payment: Payload, refund: Payload, source: Source) -> list[Fact]:
    return facts_of_refund(refund, payment, source)


def _read(items: Sequence[Payload], read: Callable[[Payload, Source], list[Fact]], source: Source) -> tuple[Fact, ...]:
    try:
        return tuple(fact for item in items for fact in read(item, source))
    except MalformedPayload as error:
        raise unreadable(GATEWAY_NAME) from error


def _answer_of_order(order: Payload, facts: tuple[Fact, ...]) -> GatewayAnswer:
    try:
        amount_minor, currency = read_money(order.get("amount"), order)
    except MalformedPayload as error:
        raise unreadable(GATEWAY_NAME) from error
    return GatewayAnswer(provider_reference=_id_of(order), facts=facts, amount_minor=amount_minor, currency=currency)


def _id_of(entity: Payload) -> str:
    try:
        return require_identifier(entity, "id")
    except MalformedPayload as error:
        raise unreadable(GATEWAY_NAME) from error


def _wire_money(request: OrderRequest | MovementRequest) -> tuple[int, str]:
    return wire_amount(GATEWAY_NAME, request.amount_minor, request.currency, WIRE_EXPONENTS), request.currency
