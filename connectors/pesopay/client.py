"""The PesoPay connector. It serves PayDollar and SiamPay as well, which are the same platform of AsiaPay."""

import json
from collections.abc import Sequence

from connectors.base import Callback, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.callback_proofs import secret_values
from connectors.outcomes import Timeouts
from connectors.pesopay import movements
from connectors.pesopay.api import FORM_PATH, PesoPayApi, read_facts, wire_money
from connectors.pesopay.errors import GATEWAY_NAME
from connectors.pesopay.hashes import secure_hash
from connectors.pesopay.orders import PayType, order_reference
from connectors.pesopay.registration import PesoPayCredentials
from connectors.pesopay.webhooks import read_datafeed, verify_datafeed
from domain.errors import GatewayRejected
from domain.facts import NEEDS_AMOUNT, Fact


class PesoPayConnector:
    """Takes payments through one merchant account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: PesoPayCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = PesoPayApi(credentials, timeouts or Timeouts())
        self._secrets = secret_values(credentials.secure_hash_secret, credentials.previous_secure_hash_secret)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a datafeed and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        proven = verify_datafeed(callback, self._secrets, self._api.credentials.hash_function)
        return read_datafeed(proven, callback)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Write the form that the payer's browser posts to the payment page; AsiaPay is not asked.

        The answer has the page's address as `form_action` and the fields, as one JSON object, as `form_fields`. The
        same payment always gives the same form. Raises GatewayRejected when there is no page to go back to.
        """
        credentials = self._api.credentials
        amount, currency_number = wire_money(request.amount_minor, request.currency)
        return_url = request.return_url or credentials.return_url
        if return_url is None:
            raise GatewayRejected(f"{GATEWAY_NAME} wants a page to send the payer back to", field="return_url")
        pay_type = PayType.HOLD if request.manual_capture else PayType.NORMAL
        reference = order_reference(request.payment_id, pay_type)
        hashed = (credentials.merchant_id, reference, currency_number, amount, pay_type.value)
        fields = {
            "merchantId": credentials.merchant_id,
            "amount": amount,
            "orderRef": reference,
            "currCode": currency_number,
            "mpsMode": "NIL",
            # None of the three proves anything: what has become of the payment is told by the datafeed.
            "successUrl": return_url,
            "failUrl": return_url,
            "cancelUrl": return_url,
            "payType": pay_type.value,
            "lang": "E",
            "payMethod": "ALL",
            "secureHash": secure_hash(
                hashed, credentials.secure_hash_secret.get_secret_value(), credentials.hash_function
            ),
        }
        return GatewayAnswer(
            provider_reference=reference,
            client_parameters={"form_action": credentials.base_url + FORM_PATH, "form_fields": json.dumps(fields)},
            amount_minor=request.amount_minor,
            currency=request.currency,
        )

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture an authorization; see `movements`."""
        return await movements.capture(self._api, request)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Let an authorization go; see `movements`."""
        return await movements.void(self._api, request)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Ask for a refund; see `movements`."""
        return await movements.refund(self._api, request)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what AsiaPay knows of the attempts on the order, and of the refunds that are under way."""
        facts = read_facts(await self._api.attempts(request.provider_reference), request)
        money = next(((fact.amount_minor, fact.currency) for fact in facts if fact.kind in NEEDS_AMOUNT), None)
        amount_minor, currency = money or (None, None)
        return GatewayAnswer(
            provider_reference=request.provider_reference, facts=facts, amount_minor=amount_minor, currency=currency
        )

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()
