"""The connector of PhonePe's legacy API.

It has no idempotency key, but every name there is ours and used once: what is asked for again is refused, and what was
made before is read back.
"""

from collections.abc import Sequence

from connectors.base import Callback, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts
from connectors.phonepe_v1 import payments
from connectors.phonepe_v1.api import PhonePeV1Api
from connectors.phonepe_v1.checksums import Salt
from connectors.phonepe_v1.names import payment_name
from connectors.phonepe_v1.registration import PhonePeV1Credentials
from connectors.phonepe_v1.webhooks import read_response, verify_checksum
from domain.facts import Fact


class PhonePeV1Connector:
    """Takes payments for one merchant of PhonePe's legacy API. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: PhonePeV1Credentials, timeouts: Timeouts | None = None) -> None:
        self._api = PhonePeV1Api(credentials, timeouts or Timeouts())
        self._salts = [Salt(credentials.salt_key, credentials.salt_index)]
        if credentials.previous_salt_key is not None:
            index = credentials.previous_salt_index or credentials.salt_index
            self._salts.append(Salt(credentials.previous_salt_key, index))

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        response = verify_checksum(callback, self._salts)
        return read_response(response, callback, self._api.credentials.merchant_id)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Make a payment with a page to pay on; see `payments`."""
        return await payments.create_payment(self._api, request)

    def payment_name(self, payment_id: str) -> str:
        """The payment's name, which is ours: a payment whose creation got no answer is found by it."""
        return payment_name(payment_id)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund an amount of a payment; see `payments`."""
        return await payments.refund(self._api, request)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what PhonePe knows of a payment and of the refunds that the request names; see `payments`."""
        return await payments.read_payment(self._api, request)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()
