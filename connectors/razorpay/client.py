"""The Razorpay connector.

Razorpay knows no idempotency key for orders, captures and links. An order is found again by its receipt and a link by
its reference; before a capture, the order's payments are read, so that one already captured is not captured again.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from connectors.base import (
    Callback,
    GatewayAnswer,
    MandateAnswer,
    MandateChargeRequest,
    MandateRequest,
    MovementRequest,
    OrderRequest,
    PaymentLinkAnswer,
    PaymentLinkRequest,
    RedirectRequest,
    StatusRequest,
)
from connectors.callback_proofs import secret_values
from connectors.outcomes import Timeouts, nothing_moved_yet, reading
from connectors.payloads import Payload
from connectors.razorpay import links, mandates
from connectors.razorpay.api import (
    MAX_NOTE_LENGTH,
    RazorpayApi,
    id_of,
    read_facts,
    receipt_of,
    refund_reader,
    wire_money,
)
from connectors.razorpay.errors import GATEWAY_NAME
from connectors.razorpay.redirects import check_redirect
from connectors.razorpay.registration import RazorpayCredentials
from connectors.razorpay.status import Source, facts_of_order, facts_of_payment, read_money
from connectors.razorpay.webhooks import read_event, verify_signature
from domain.errors import GatewayRejected
from domain.facts import Fact

CAPTURE_WITHIN_MINUTES = 4_320
"""Three days, the longest that every account may ask for; what is not captured by then goes back to the payer."""

PAYMENT_PREFIX = "pay_"

_REFUND_KEY = re.compile(r"[A-Za-z0-9_-]{10,64}")


class RazorpayConnector:
    """Takes payments through one Razorpay account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: RazorpayCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = RazorpayApi(credentials, timeouts or Timeouts())
        self._webhook_secrets = secret_values(credentials.webhook_secret, credentials.previous_webhook_secret)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        return read_event(verify_signature(callback, self._webhook_secrets), callback)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create an order, to be paid in the payer's client with the answer's `order_id` and `key_id`.

        The receipt is the payment's id, so the same payment again finds the same order.
        """
        amount, currency = wire_money(request)
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
        order = await self._api.one(lambda timeout: self._api.sdk.order.create(data, timeout=timeout))
        if (order.get("amount"), order.get("currency")) != (amount, currency):
            raise GatewayRejected(f"the receipt {data['receipt']} belongs to another order, {id_of(order)}")
        answer = _answer_of_order(order, read_facts([order], facts_of_order, Source(request.account)))
        client_parameters = {"order_id": answer.provider_reference, "key_id": self._api.credentials.key_id}
        return replace(answer, client_parameters=client_parameters)

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture the order's authorized payment. The amount must be the authorized one."""
        amount, currency = wire_money(request)
        payment = await self._payment_to_capture(request)
        if not _is_captured(payment):
            reference, options = id_of(payment), {"currency": currency}
            payment = await self._api.one(
                lambda timeout: self._api.sdk.payment.capture(reference, amount, options, timeout=timeout)
            )
        facts = read_facts([payment], facts_of_payment, Source(request.account))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount of the order's captured payment."""
        notes = {"payment_id": request.payment_id, "command_id": request.idempotency_key[:MAX_NOTE_LENGTH]}
        if request.reason is not None:
            notes["reason"] = request.reason[:MAX_NOTE_LENGTH]
        data = {"amount": wire_money(request)[0], "notes": notes}
        headers = {"X-Refund-Idempotency": refund_key(request.idempotency_key)}
        payment = await self._payment_to_refund(request)
        reference = id_of(payment)
        refund = await self._api.one(
            lambda timeout: self._api.sdk.payment.refund(reference, data, timeout=timeout, headers=headers)
        )
        facts = read_facts([refund], refund_reader(payment), Source(request.account))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Razorpay knows of the order, the payments made on it and their refunds.

        A payment may also be named after its link, or after itself where it was made without an order.
        """
        api, reference = self._api, request.provider_reference
        if links.is_link(reference):
            return await links.read_link(api, reference, request.account)
        if reference.startswith(PAYMENT_PREFIX):
            facts = await api.facts_of_payments([await api.payment(reference)], Source(request.account))
            return GatewayAnswer(provider_reference=reference, facts=tuple(facts))
        order = await api.one(lambda timeout: api.sdk.order.fetch(reference, timeout=timeout))
        source = Source(request.account, order=order)
        facts = list(read_facts([order], facts_of_order, source))
        facts += await api.facts_of_payments(await api.payments_of(reference), source)
        return _answer_of_order(order, tuple(facts))

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Check the proof that a browser brings; then read the payment back, because it says no more than that.

        Raises VerificationFailed when there is no proof, or a false one, or one of another payment.
        """
        check_redirect(request, self._api.credentials.key_secret.get_secret_value())
        status = StatusRequest(
            payment_id=request.payment_id, account=request.account, provider_reference=request.provider_reference
        )
        return await self.fetch_status(status)

    async def setup_mandate(self, request: MandateRequest) -> MandateAnswer:
        """Begin a mandate; see `mandates`."""
        return await mandates.setup_mandate(self._api, request)

    async def charge_mandate(self, request: MandateChargeRequest) -> GatewayAnswer:
        """Charge a mandate; see `mandates`."""
        order = OrderRequest(
            payment_id=request.payment_id,
            account=request.account,
            idempotency_key=request.idempotency_key,
            amount_minor=request.amount_minor,
            currency=request.currency,
        )
        return await mandates.charge_mandate(self._api, request, lambda: self.create_order(order))

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        """Make a link to pay by; see `links`."""
        return await links.create_payment_link(self._api, request)

    async def cancel_payment_link(self, provider_reference: str) -> None:
        """Make a link unusable; see `links`."""
        await links.cancel_payment_link(self._api, provider_reference)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()

    async def _payment_to_capture(self, request: MovementRequest) -> Payload:
        payments = await self._look_up(request)
        captured = next(filter(_is_captured, payments), None)
        if captured is not None:
            if (captured.get("amount"), captured.get("currency")) != wire_money(request):
                raise GatewayRejected(f"{id_of(captured)} is captured already, with another amount")
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
        with nothing_moved_yet():
            return await self._api.payments_of(request.provider_reference)


def refund_key(idempotency_key: str) -> str:
    """Return an idempotency key that Razorpay takes: the given one, or its digest if that one does not fit."""
    if _REFUND_KEY.fullmatch(idempotency_key):
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode()).hexdigest()


def _is_captured(payment: Payload) -> bool:
    return payment.get("status") in {"captured", "refunded"} and payment.get("captured") is not False


def _answer_of_order(order: Payload, facts: tuple[Fact, ...]) -> GatewayAnswer:
    with reading(GATEWAY_NAME):
        amount_minor, currency = read_money(order.get("amount"), order)
    return GatewayAnswer(provider_reference=id_of(order), facts=facts, amount_minor=amount_minor, currency=currency)
