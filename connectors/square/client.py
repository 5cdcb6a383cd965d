"""The Square connector.

A payment of ours is an order at Square. Calls that move money carry an idempotency key, or can only be carried out
once; before the latter, what they are about is read.
"""

from collections.abc import Sequence
from dataclasses import replace

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
    PaymentMethodRequest,
    RedirectRequest,
    StatusRequest,
    StoredPaymentMethod,
)
from connectors.callback_proofs import secret_values
from connectors.outcomes import Timeouts
from connectors.square import authorizations, cards, links, mandates, orders, reading, refunds
from connectors.square.api import SquareApi
from connectors.square.redirects import check_redirect
from connectors.square.registration import SquareCredentials
from connectors.square.webhooks import read_event, verify_signature
from domain.facts import Fact


class SquareConnector:
    """Takes payments at one location of a Square seller. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: SquareCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = SquareApi(credentials, timeouts or Timeouts())
        self._callback_url = credentials.callback_url
        self._webhook_keys = secret_values(
            credentials.webhook_signature_key, credentials.previous_webhook_signature_key
        )

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        return read_event(verify_signature(callback, self._callback_url, self._webhook_keys), callback)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create an order. The payer's client makes a token with the answer's `application_id` and `location_id`."""
        answer = orders.answer_of_order(await orders.create_order(self._api, request))
        parameters = {**mandates.client_parameters(self._api), "order_id": answer.provider_reference}
        return replace(answer, client_parameters=parameters)

    async def authorize(self, request: AuthorizationRequest) -> GatewayAnswer:
        """Pay the order with a token, or authorize the payment only; see `authorizations`."""
        return await authorizations.authorize(self._api, request)

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture the amount; see `authorizations`."""
        return await authorizations.capture(self._api, request)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Let the authorization go; see `authorizations`."""
        return await authorizations.void(self._api, request)

    async def increment_authorization(self, request: MovementRequest) -> GatewayAnswer:
        """Raise the authorization; see `authorizations`."""
        return await authorizations.increment(self._api, request)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount; see `refunds`."""
        return await refunds.refund(self._api, request)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Square knows of the order, its payments and their refunds; see `reading`."""
        return await reading.fetch_status(self._api, request)

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Read the payment that we know back. Square signs nothing that a browser brings, so none of it is believed.

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
        """Keep a card; see `cards`."""
        return await cards.store_payment_method(self._api, request)

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        """Make a link to pay by; see `links`."""
        return await links.create_payment_link(self._api, request)

    async def cancel_payment_link(self, provider_reference: str) -> None:
        """Make a link unusable; see `links`."""
        await links.cancel_payment_link(self._api, provider_reference)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()
