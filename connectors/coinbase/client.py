"""The Coinbase connector: one class for two products, of which an account has one."""

from collections.abc import Sequence

from connectors.base import (
    Callback,
    GatewayAnswer,
    MovementRequest,
    OrderRequest,
    PaymentLinkAnswer,
    PaymentLinkRequest,
    StatusRequest,
)
from connectors.callback_proofs import secret_values
from connectors.coinbase.business import BusinessApi
from connectors.coinbase.commerce import CommerceApi
from connectors.coinbase.registration import CoinbaseCredentials
from connectors.coinbase.signatures import verify_business, verify_commerce
from connectors.coinbase.webhooks import read_business_event, read_commerce_event
from connectors.outcomes import Timeouts
from domain.facts import Fact


class CoinbaseConnector:
    """Takes payments through one Coinbase account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: CoinbaseCredentials, timeouts: Timeouts | None = None) -> None:
        self._credentials = credentials
        product = CommerceApi if credentials.api == "commerce" else BusinessApi
        self._api: CommerceApi | BusinessApi = product(credentials, timeouts or Timeouts())
        self._webhook_secrets = secret_values(credentials.webhook_secret, credentials.previous_webhook_secret)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback by the product's own signature and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        if self._credentials.api == "commerce":
            verify_commerce(callback, self._webhook_secrets)
            return read_commerce_event(callback)
        verify_business(callback, self._webhook_secrets, self._credentials.hook_signature_version)
        return read_business_event(callback, counts_usdc_as_usd=self._credentials.pricing == "usdc")

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Set up a payment, to be made on the page that the answer's `redirect_url` leads to.

        The same idempotency key again returns the same one. Raises GatewayRejected for manual capture, which Coinbase
        does not have, and for currencies that it does not price in.
        """
        return await self._api.create_order(request)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Close the page of a payment that nobody has made."""
        return await self._api.void(request)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount. Raises CapabilityMissing for Commerce, which has no refunds."""
        return await self._api.refund(request)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Coinbase knows of the payment and its refunds."""
        return await self._api.fetch_status(request)

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        """Make a link for one payment. Raises GatewayRejected for a reusable one."""
        return await self._api.create_payment_link(request)

    async def cancel_payment_link(self, provider_reference: str) -> None:
        """Make a link unusable. Doing so again does nothing; raises GatewayRejected for one that was paid."""
        await self._api.cancel_payment_link(provider_reference)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()
