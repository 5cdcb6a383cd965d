"""The Klarna connector.

A payment is a hosted page for a payment session; the order that comes of it is placed by Klarna itself. Order
management takes idempotency keys, sessions and authorizations do not: an authorization can be used once, and a session
that nobody was told of is never paid.
"""

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
    PaymentLinkAnswer,
    PaymentLinkRequest,
    RedirectRequest,
    StatusRequest,
)
from connectors.callback_proofs import secret_values
from connectors.klarna import links, mandates, order_management, orders
from connectors.klarna.api import KlarnaApi
from connectors.klarna.purchases import Purchase, open_page
from connectors.klarna.redirects import check_redirect
from connectors.klarna.registration import KlarnaCredentials
from connectors.klarna.tokens import verify_address
from connectors.klarna.webhooks import read_callback
from connectors.outcomes import Timeouts
from domain.facts import Fact


class KlarnaConnector:
    """Takes payments through one Klarna account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: KlarnaCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = KlarnaApi(credentials, timeouts or Timeouts())
        self._url_secrets = secret_values(credentials.url_secret, credentials.previous_url_secret)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback by its address and return its hints, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        return read_callback(callback, verify_address(callback.target, self._url_secrets))

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Make a payment session and its hosted page, where the payer goes by the answer's `redirect_url`.

        The answer's `client_token` opens Klarna's widget for the same session instead; what the payer authorizes there
        is given to `authorize`.
        """
        purchase = Purchase(
            payment_id=request.payment_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            description=request.description,
            is_captured_at_once=not request.manual_capture,
            return_url=request.return_url,
            payment_method=request.payment_method,
            metadata=request.metadata,
        )
        page = await open_page(self._api, purchase)
        return GatewayAnswer(
            provider_reference=page.name,
            client_parameters={"redirect_url": page.url, "client_token": page.client_token},
            amount_minor=request.amount_minor,
            currency=request.currency,
        )

    async def authorize(self, request: AuthorizationRequest) -> GatewayAnswer:
        """Place the order that the payer has authorized in the widget; see `orders`."""
        return await orders.authorize(self._api, request)

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture the amount; see `order_management`."""
        return await order_management.capture(self._api, request)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Let the authorization, or what is left of it, go; see `order_management`."""
        return await order_management.void(self._api, request)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount; see `order_management`."""
        return await order_management.refund(self._api, request)

    async def increment_authorization(self, request: MovementRequest) -> GatewayAnswer:
        """Raise the authorization to `amount_minor`, the new total; see `order_management`."""
        return await order_management.increment_authorization(self._api, request)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Klarna knows of the payment; see `orders`."""
        return await orders.fetch_status(self._api, request)

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Read the payment that we know back. Klarna signs nothing that a browser brings, so none of it is believed.

        Raises VerificationFailed when the browser came back from another payment.
        """
        check_redirect(request)
        status = StatusRequest(
            payment_id=request.payment_id,
            account=request.account,
            provider_reference=request.provider_reference,
            authorization_reference=request.authorization_reference,
        )
        return await self.fetch_status(status)

    async def setup_mandate(self, request: MandateRequest) -> MandateAnswer:
        """Begin a mandate; see `mandates`."""
        return await mandates.setup_mandate(self._api, request)

    async def charge_mandate(self, request: MandateChargeRequest) -> GatewayAnswer:
        """Charge a mandate; see `mandates`."""
        return await mandates.charge_mandate(self._api, request)

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        """Make a link to pay by; see `links`."""
        return await links.create_payment_link(self._api, request)

    async def cancel_payment_link(self, provider_reference: str) -> None:
        """Make a link unusable; see `links`."""
        await links.cancel_payment_link(self._api, provider_reference)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()
