"""The PayPal connector. Every request that changes something carries a request id made from the command's id."""

from collections.abc import Sequence

from connectors.base import (
    AuthorizationRequest,
    Callback,
    GatewayAnswer,
    MandateAnswer,
    MandateChargeRequest,
    MandateRequest,
    MovementRequest,
    OrderRequest,
    PaymentMethodRequest,
    RedirectRequest,
    StatusRequest,
    StoredPaymentMethod,
)
from connectors.outcomes import Timeouts
from connectors.paypal import mandates, movements, orders, vault
from connectors.paypal.api import PayPalApi
from connectors.paypal.certificates import Certificates
from connectors.paypal.postback import Postback
from connectors.paypal.redirects import check_redirect
from connectors.paypal.registration import PayPalCredentials
from connectors.paypal.signatures import (
    check_transmission_time,
    read_transmission,
    usable_webhook_ids,
    verify_signature,
)
from connectors.paypal.webhooks import read_event
from domain.errors import GatewayUnavailable, VerificationFailed
from domain.facts import Fact


class PayPalConnector:
    """Takes payments through one PayPal account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: PayPalCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = PayPalApi(credentials, timeouts or Timeouts())
        self._postback = Postback(self._api)
        self.certificates = Certificates(credentials)

    async def fetch_proof(self, callback: Callback) -> None:
        """Fetch the certificate that a callback names; where it cannot be had, ask PayPal about the callback itself.

        Raises VerificationFailed when the callback cannot be PayPal's, GatewayUnavailable when PayPal cannot be asked.
        """
        webhook_ids, transmission = self._webhook_ids(), read_transmission(callback)
        check_transmission_time(transmission, callback.received_at)
        try:
            await self.certificates.fetch(transmission.certificate_url, callback.received_at)
        except GatewayUnavailable:
            await self._postback.confirm(transmission, callback, webhook_ids)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback by what `fetch_proof` has brought, and return its facts as hints, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        webhook_ids, transmission = self._webhook_ids(), read_transmission(callback)
        key = self.certificates.known(transmission.certificate_url, callback.received_at)
        if key is not None:
            verify_signature(transmission, callback.body, webhook_ids, key.public_key)
        elif not self._postback.has_confirmed(transmission, callback, webhook_ids):
            raise VerificationFailed("PayPal's certificate is not at hand", code="signature_invalid")
        check_transmission_time(transmission, callback.received_at)
        return read_event(callback)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create an order, to be approved at the answer's `redirect_url`; see `orders`."""
        return await orders.create_order(self._api, request)

    async def authorize(self, request: AuthorizationRequest) -> GatewayAnswer:
        """Complete an order with a saved payment method; see `orders`."""
        return await orders.authorize(self._api, request)

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture an authorization; see `movements`."""
        return await movements.capture(self._api, request)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Let an authorization go; see `movements`."""
        return await movements.void(self._api, request)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund a capture; see `movements`."""
        return await movements.refund(self._api, request)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what PayPal knows of an order, its payments and its disputes.

        This completes an order of ours that the payer has approved: an approval lasts three hours, and nobody else may
        come. It happens once, whoever reads the order first; see `orders`. An order that is read without our payment's
        id, or that is not as it was set up here, is only read.
        """
        return await orders.fetch_order(self._api, request)

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Read the payer's order back, and complete it when they have approved it. Nothing the browser says counts.

        Raises VerificationFailed when the browser came back from another order.
        """
        check_redirect(request)
        status = StatusRequest(
            payment_id=request.payment_id, account=request.account, provider_reference=request.provider_reference
        )
        return await self.fetch_status(status)

    async def setup_mandate(self, request: MandateRequest) -> MandateAnswer:
        """Begin a mandate; see `mandates`."""
        return await mandates.setup_mandate(self._api, request)

    async def charge_mandate(self, request: MandateChargeRequest) -> GatewayAnswer:
        """Charge a mandate; see `mandates`."""
        return await mandates.charge_mandate(self._api, request)

    async def store_payment_method(self, request: PaymentMethodRequest) -> StoredPaymentMethod:
        """Keep a payment method; see `vault`."""
        return await vault.store_payment_method(self._api, request)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self.certificates.aclose()
        await self._api.aclose()

    def _webhook_ids(self) -> list[str]:
        credentials = self._api.credentials
        return usable_webhook_ids(credentials.webhook_id, credentials.previous_webhook_id)
