"""The PhonePe connector.

PhonePe has no idempotency key, but every name there is ours and used once: an order, refund, mandate or charge that is
asked for again is refused, and the one that was made before is read back.
"""

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
    RedirectRequest,
    StatusRequest,
)
from connectors.outcomes import Timeouts
from connectors.phonepe import mandates, orders, refunds
from connectors.phonepe.api import PhonePeApi
from connectors.phonepe.names import order_name
from connectors.phonepe.registration import PhonePeCredentials
from connectors.phonepe.webhooks import read_event, verify_authorization
from domain.facts import Fact


class PhonePeConnector:
    """Takes payments through one PhonePe account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: PhonePeCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = PhonePeApi(credentials, timeouts or Timeouts())

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Check what little a callback proves and return what it hints at, at least one.

        Raises VerificationFailed when it does not come from PhonePe, MalformedPayload when it cannot be read.
        """
        verify_authorization(callback, _webhook_pairs(self._api.credentials))
        return read_event(callback)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Make an order for the hosted page or the mobile SDK; see `orders`."""
        return await orders.create_order(self._api, request)

    def payment_name(self, payment_id: str) -> str:
        """The order's name, which is ours: an order whose creation got no answer is found by it."""
        return order_name(payment_id)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund an amount of an order; see `refunds`."""
        return await refunds.refund(self._api, request)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what PhonePe knows of the order, the attempts made on it, and the refunds that the request names."""
        answer = await orders.read_order(self._api, request.provider_reference, request.account)
        return replace(answer, facts=(*answer.facts, *await refunds.read_refunds(self._api, request)))

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Read the order back: a browser that comes back from PhonePe proves nothing."""
        return await orders.read_order(self._api, request.provider_reference, request.account)

    async def setup_mandate(self, request: MandateRequest) -> MandateAnswer:
        """Begin a mandate; see `mandates`."""
        return await mandates.setup_mandate(self._api, request)

    async def charge_mandate(self, request: MandateChargeRequest) -> GatewayAnswer:
        """Charge a mandate; see `mandates`."""
        return await mandates.charge_mandate(self._api, request)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()


def _webhook_pairs(credentials: PhonePeCredentials) -> list[tuple[str, str]]:
    """The current username and password, then the previous ones where there are any."""
    username, password = credentials.webhook_username, credentials.webhook_password
    pairs = [(username.get_secret_value(), password.get_secret_value())]
    if credentials.previous_webhook_password is not None:
        earlier = credentials.previous_webhook_username or username
        pairs.append((earlier.get_secret_value(), credentials.previous_webhook_password.get_secret_value()))
    return pairs
