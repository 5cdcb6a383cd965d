"""Requests to processors, as the JSON of the SDK's messages.

Every message says again what Prism, which keeps nothing, would otherwise not know. Ids of ours are given wherever a
message has a place for them: processors differ in which of them they echo.
"""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from connectors.amounts import wire_amount
from connectors.base import AuthorizationRequest, MandateChargeRequest, MandateRequest, MovementRequest, OrderRequest
from connectors.payloads import Payload
from connectors.prism.errors import GATEWAY_NAME
from connectors.prism.names import PlannedPayment
from connectors.prism.registration import REGISTRATION, PrismCredentials
from domain.errors import GatewayRejected

DEFAULT_CANCELLATION = "requested_by_customer"


def money(amount_minor: int, currency: str) -> Payload:
    """Return an amount as Prism wants it. Raises GatewayRejected for one that it or a processor would misread."""
    if currency not in REGISTRATION.currencies:
        raise GatewayRejected(f"{GATEWAY_NAME} does not take {currency}", field="currency")
    return {"minorAmount": str(wire_amount(GATEWAY_NAME, amount_minor, currency, {})), "currency": currency}


def by_token(token: str) -> Payload:
    """Return the payment method that a processor's token stands for."""
    return {"token": {"token": {"value": token}}}


def by_redirect(method: str) -> Payload:
    """Return a payment method that needs nothing but the payer's browser, by its name in the registration."""
    first, *others = method.split("_")
    return {"".join([first, *map(str.capitalize, others)]): {}}


class Messages:
    """Makes the messages of one account."""

    def __init__(self, credentials: PrismCredentials) -> None:
        self._return_url = credentials.return_url
        self._authentication = "THREE_DS" if credentials.force_three_d_secure else "NO_THREE_DS"
        self._webhook: Mapping[str, str] = {}
        if credentials.callback_url is not None:
            token = quote(credentials.url_token.get_secret_value(), safe="")
            self._webhook = {"webhookUrl": f"{credentials.callback_url}?token={token}"}

    def create_order(self, request: OrderRequest) -> Payload:
        """Set an order up."""
        amount = money(request.amount_minor, request.currency)
        return {"merchantOrderId": request.payment_id, "amount": amount, **self._webhook}

    def authorize(
        self,
        planned: PlannedPayment,
        payment_method: Payload,
        request: OrderRequest | AuthorizationRequest,
    ) -> Payload:
        """Put a payment method to a payment."""
        message: dict[str, object] = {
            "merchantTransactionId": planned.payment_id,
            "merchantOrderId": planned.payment_id,
            "merchantRequestId": request.idempotency_key,
            "amount": money(planned.amount_minor, planned.currency),
            "captureMethod": capture_method(planned),
            "paymentMethod": payment_method,
            "address": {},
            "authType": self._authentication,
            "description": f"Payment {planned.payment_id}",
            **self._returning(request.return_url),
            **self._webhook,
        }
        if planned.manual_capture:
            # Only an authorization that was asked for this way can be raised later.
            message["requestIncrementalAuthorization"] = True
        if planned.order_id is not None:
            message["connectorOrderId"] = planned.order_id
        return message

    def capture(self, request: MovementRequest, transaction_id: str) -> Payload:
        """Capture an authorization."""
        return {
            "merchantCaptureId": request.idempotency_key,
            "merchantOrderId": request.payment_id,
            "merchantRequestId": request.idempotency_key,
            "connectorTransactionId": transaction_id,
            "amountToCapture": money(request.amount_minor, request.currency),
            "captureMethod": "MANUAL",
        }

    def void(self, request: MovementRequest, transaction_id: str) -> Payload:
        """Let an authorization go."""
        return {
            "merchantVoidId": request.idempotency_key,
            "merchantOrderId": request.payment_id,
            "merchantRequestId": request.idempotency_key,
            "connectorTransactionId": transaction_id,
            "cancellationReason": request.reason or DEFAULT_CANCELLATION,
            "amount": money(request.amount_minor, request.currency),
        }

    def reverse(self, request: MovementRequest, transaction_id: str) -> Payload:
        """Take a capture back."""
        return {
            "merchantReverseId": request.idempotency_key,
            "merchantRequestId": request.idempotency_key,
            "connectorTransactionId": transaction_id,
            "cancellationReason": request.reason or DEFAULT_CANCELLATION,
        }

    def refund(self, request: MovementRequest, transaction_id: str, planned: PlannedPayment | None) -> Payload:
        """Give captured money back."""
        message = {
            "merchantRefundId": request.idempotency_key,
            "merchantRequestId": request.idempotency_key,
            "connectorTransactionId": transaction_id,
            "paymentAmount": str((planned or request).amount_minor),
            "refundAmount": money(request.amount_minor, request.currency),
            "reason": request.reason or DEFAULT_CANCELLATION,
            **self._webhook,
        }
        if planned is not None:
            message["captureMethod"] = capture_method(planned)
            if planned.order_id is not None:
                message["connectorOrderId"] = planned.order_id
        return message

    def increment(self, request: MovementRequest, transaction_id: str) -> Payload:
        """Raise an authorization to a new total."""
        return {
            "merchantAuthorizationId": request.idempotency_key,
            "connectorTransactionId": transaction_id,
            "amount": money(request.amount_minor, request.currency),
            "reason": request.reason or "The amount has grown",
        }

    def get(self, transaction_id: str, planned: PlannedPayment | None, encoded_data: str | None = None) -> Payload:
        """Read a payment back. `encoded_data` is the query that the payer's browser brought."""
        message: dict[str, object] = {"connectorTransactionId": transaction_id}
        if planned is not None:
            message |= {
                "amount": money(planned.amount_minor, planned.currency),
                "captureMethod": capture_method(planned),
            }
            if planned.order_id is not None:
                message["connectorOrderReferenceId"] = planned.order_id
        return message if encoded_data is None else {**message, "encodedData": encoded_data}

    def get_refund(
        self, refund_id: str, amount_minor: int | None, transaction_id: str, planned: PlannedPayment | None
    ) -> Payload:
        """Read a refund back."""
        message: dict[str, object] = {
            "refundId": refund_id,
            "connectorRefundId": refund_id,
            "connectorTransactionId": transaction_id,
        }
        if planned is not None and amount_minor is not None:
            message["refundAmount"] = money(amount_minor, planned.currency)
        if planned is not None and planned.order_id is not None:
            message["connectorOrderId"] = planned.order_id
        return message

    def set_up_mandate(self, request: MandateRequest, token: str, accepted_at: datetime) -> Payload:
        """Keep a payment method for later charges, with nothing charged now."""
        return {
            "merchantRecurringPaymentId": request.mandate_id,
            "amount": money(0, request.currency),
            "connectorToken": {"value": token},
            "customer": {"id": request.customer_id, "connectorCustomerId": request.customer_id},
            "address": {},
            "customerAcceptance": {"acceptanceType": "OFFLINE", "acceptedAt": str(int(accepted_at.timestamp()))},
            "setupFutureUsage": "OFF_SESSION",
            **self._returning(request.return_url),
            **self._webhook,
        }

    def charge_mandate(self, request: MandateChargeRequest) -> Payload:
        """Charge a mandate without the customer."""
        kept = {"connectorMandateId": request.payment_method_reference or request.mandate_reference}
        message = {
            "merchantChargeId": request.payment_id,
            "merchantOrderId": request.payment_id,
            "connectorRecurringPaymentId": {"connectorMandateId": kept},
            "amount": money(request.amount_minor, request.currency),
            "captureMethod": "AUTOMATIC",
            "offSession": True,
            "description": request.description or f"Payment {request.payment_id}",
            **self._returning(None),
            **self._webhook,
        }
        if request.customer_reference is not None:
            message["connectorCustomerId"] = request.customer_reference
        return message

    def _returning(self, return_url: str | None) -> Mapping[str, str]:
        url = return_url or self._return_url
        return {} if url is None else {"returnUrl": url}


def capture_method(planned: PlannedPayment) -> str:
    """Return Prism's name of how a payment is captured."""
    return "MANUAL" if planned.manual_capture else "AUTOMATIC"
