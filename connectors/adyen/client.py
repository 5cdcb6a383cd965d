"""The Adyen connector. Every request that changes something carries an idempotency key made from the command's id.

There is no status fetch: Adyen lets nobody read a payment back, and tells what became of it by callbacks alone.
"""

from collections.abc import Sequence

from connectors.adyen import links, mandates, modifications, payments, redirects
from connectors.adyen.api import AdyenApi
from connectors.adyen.proofs import CallbackProof
from connectors.adyen.registration import AdyenCredentials
from connectors.adyen.webhooks import read_callback
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
)
from connectors.outcomes import Timeouts
from domain.facts import Fact


class AdyenConnector:
    """Takes payments through one Adyen merchant account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: AdyenCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = AdyenApi(credentials, timeouts or Timeouts())
        self._proof = CallbackProof(credentials)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback and return its facts, at least one; see `webhooks`.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        return read_callback(callback, self._proof, self._api.credentials.merchant_account)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create a session to pay in; see `payments`."""
        return await payments.create_order(self._api, request)

    async def authorize(self, request: AuthorizationRequest) -> GatewayAnswer:
        """Pay with a stored payment method; see `payments`."""
        return await payments.authorize(self._api, request)

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Ask Adyen about what the browser brought back; see `redirects`."""
        return await redirects.verify_redirect(self._api, request)

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Ask for a capture; see `modifications`."""
        return await modifications.capture(self._api, request)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Ask for the authorization to be let go; see `modifications`."""
        return await modifications.void(self._api, request)

    async def reverse(self, request: MovementRequest) -> GatewayAnswer:
        """Ask for the whole to be given back; see `modifications`."""
        return await modifications.reverse(self._api, request)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Ask for a refund; see `modifications`."""
        return await modifications.refund(self._api, request)

    async def increment_authorization(self, request: MovementRequest) -> GatewayAnswer:
        """Ask for a higher authorization; see `modifications`."""
        return await modifications.increment_authorization(self._api, request)

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
