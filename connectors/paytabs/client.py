"""The PayTabs connector.

PayTabs knows no idempotency key. Everything about a payment is in one cart, named after the payment, which is looked up
before anything is written to it; and PayTabs itself refuses the same request within about two minutes.
"""

from collections.abc import Sequence

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
from connectors.callback_proofs import secret_values
from connectors.outcomes import Timeouts
from connectors.paytabs import followups, mandates
from connectors.paytabs.api import PayTabsApi, money_of, paytabs_amount, read_facts
from connectors.paytabs.carts import MAX_DESCRIPTION_LENGTH, cart_id_of
from connectors.paytabs.pages import open_page
from connectors.paytabs.redirects import check_redirect
from connectors.paytabs.registration import PayTabsCredentials
from connectors.paytabs.status import MADE, payment_in
from connectors.paytabs.webhooks import read_callback, verify_signature
from domain.errors import GatewayRejected
from domain.facts import Fact


class PayTabsConnector:
    """Takes payments through one PayTabs profile. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: PayTabsCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = PayTabsApi(credentials, timeouts or Timeouts())
        self._server_keys = secret_values(credentials.server_key, credentials.previous_server_key)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        text = verify_signature(callback, self._server_keys)
        return read_callback(text, callback, self._api.credentials.profile_id)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Make a payment page; the answer has its `redirect_url`. The payment is named after its cart.

        A payment that was made before is the answer, without a page. Raises GatewayUnavailable when PayTabs made a page
        for the same payment less than two minutes ago: its address is not told again, and a later one is as good.
        """
        amount, cart_id = paytabs_amount(request.amount_minor, request.currency), cart_id_of(request.payment_id)
        money = (request.amount_minor, request.currency)
        known = await self._api.cart_before_writing(cart_id)
        # A page that is still pending is none that anybody has: its address was lost with the first answer.
        made_before = money_of(payment_in(known, MADE))
        if made_before is not None and made_before != money:
            raise GatewayRejected(f"the cart {cart_id} belongs to another payment")
        client_parameters = {}
        if made_before is None:
            fields = {
                "tran_type": "auth" if request.manual_capture else "sale",
                "cart_id": cart_id,
                "cart_description": (request.description or f"Payment {request.payment_id}")[:MAX_DESCRIPTION_LENGTH],
                "cart_currency": request.currency,
                "cart_amount": amount,
            }
            client_parameters["redirect_url"] = await open_page(self._api, fields, request.return_url)
        return GatewayAnswer(
            provider_reference=cart_id,
            facts=() if made_before is None else read_facts(known, request.account),
            client_parameters=client_parameters,
            amount_minor=request.amount_minor,
            currency=request.currency,
        )

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture an authorization; see `followups`."""
        return await followups.capture(self._api, request)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Let an authorization go; see `followups`."""
        return await followups.void(self._api, request)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund a sale or capture; see `followups`."""
        return await followups.refund(self._api, request)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what PayTabs knows of the cart: its payment, and everything that followed.

        A payment may also be named after any of its transactions. A page that nobody has paid leaves nothing to say.
        """
        known = await self._api.named(request.provider_reference)
        amount_minor, currency = money_of(payment_in(known)) or (None, None)
        return GatewayAnswer(
            provider_reference=request.provider_reference,
            facts=read_facts(known, request.account),
            amount_minor=amount_minor,
            currency=currency,
        )

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Check the proof that a browser brings; then read the payment back, because it says less than that.

        Raises VerificationFailed when there is no proof, or a false one, or one of another payment.
        """
        check_redirect(request, self._server_keys)
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

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()
