"""The BitPay connector.

What BitPay does with a guid that it has seen before is not documented. So what an earlier request with the same
idempotency key has made is looked up by its guid first.
"""

import hashlib
from collections.abc import Sequence
from decimal import Decimal

from connectors.amounts import write_decimal
from connectors.base import Callback, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.bitpay.api import BitPayApi, guid_of
from connectors.bitpay.errors import GATEWAY_NAME
from connectors.bitpay.registration import BitPayCredentials
from connectors.bitpay.status import Source, facts_of_invoice, facts_of_refund, read_price
from connectors.bitpay.webhooks import read_callback, verify_signature
from connectors.callback_proofs import secret_values
from connectors.outcomes import Timeouts, reading
from connectors.payloads import Payload, require_identifier, require_url
from domain.errors import GatewayRejected
from domain.facts import Fact, FactKind

MAX_NAME_LENGTH = 100
"""How long an order's id and a refund's reference may be."""

MAX_DESCRIPTION_LENGTH = 250


class BitPayConnector:
    """Takes payments through one BitPay account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: BitPayCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = BitPayApi(credentials, timeouts or Timeouts())
        self._credentials = credentials
        # Which token signs callbacks about refunds, which only the facade merchant makes, is not documented.
        self._tokens = secret_values(credentials.pos_token, credentials.previous_pos_token, credentials.merchant_token)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Check a callback as far as it can be and return what it hints at, at least one fact.

        Raises VerificationFailed when its signature is wrong, or missing where the account asks for one, and
        MalformedPayload when it cannot be read.
        """
        accepts_unsigned = self._credentials.accept_unsigned_callbacks
        verify_signature(callback, self._tokens, accepts_unsigned=accepts_unsigned)
        return read_callback(callback)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create an invoice, to be paid on the page that the answer's `redirect_url` leads to.

        The same idempotency key again returns the same one. Raises GatewayRejected for manual capture, which BitPay
        does not have.
        """
        if request.manual_capture:
            raise GatewayRejected(f"{GATEWAY_NAME} takes a payment at once and as a whole", field="manual_capture")
        guid = guid_of(request.idempotency_key)
        data: dict[str, object] = {
            "price": _number(request),
            "currency": request.currency,
            "guid": guid,
            "orderId": _name(request.payment_id),
            "posData": request.payment_id,
            "notificationURL": self._credentials.callback_url,
            "extendedNotifications": True,
            "fullNotifications": True,
        }
        if request.description is not None:
            data["itemDesc"] = request.description[:MAX_DESCRIPTION_LENGTH]
        return_url = request.return_url or self._credentials.return_url
        if return_url is not None:
            data |= {"redirectURL": return_url, "closeURL": return_url}
        invoice = await self._api.find_invoice(guid) or await self._api.create_invoice(data)
        with reading(GATEWAY_NAME):
            url = require_url(invoice, "url")
        return _answer(invoice, (), request.account, {"redirect_url": url})

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Cancel an invoice that nobody has paid. Raises GatewayRejected where the account has no merchant token."""
        return _answer(await self._api.cancel_invoice(request.provider_reference), (), request.account)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Ask for a refund of the amount. It waits until the payer has told BitPay where to send it.

        BitPay's fee is the merchant's. Raises GatewayRejected where the account has no merchant token.
        """
        guid = guid_of(request.idempotency_key)
        data = {
            "invoiceId": request.provider_reference,
            "amount": _number(request),
            "guid": guid,
            "reference": _name(request.idempotency_key),
            "preview": False,
            "immediate": False,
            "buyerPaysRefundFee": False,
        }
        refund = await self._api.find_refund(guid) or await self._api.create_refund(data)
        with reading(GATEWAY_NAME):
            facts = facts_of_refund(refund, {}, Source(request.account))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=tuple(facts))

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what BitPay knows of the invoice, and of its refunds where the account has a merchant token."""
        invoice = await self._api.invoice(request.provider_reference)
        answer = _answer(invoice, (), request.account)
        is_captured = any(fact.kind is FactKind.CAPTURED for fact in answer.facts)
        if not is_captured or not self._api.has_merchant_facade:
            return answer
        return _answer(invoice, await self._api.refunds_of(request.provider_reference), request.account)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()


def _number(request: OrderRequest | MovementRequest) -> Decimal:
    return Decimal(write_decimal(GATEWAY_NAME, request.amount_minor, request.currency))


def _name(text: str) -> str:
    """The text as a name at BitPay, or its digest when it is too long for one."""
    return text if len(text) <= MAX_NAME_LENGTH else hashlib.sha256(text.encode()).hexdigest()


def _answer(
    invoice: Payload, refunds: Sequence[Payload], account: str, client_parameters: dict[str, str] | None = None
) -> GatewayAnswer:
    source = Source(account)
    with reading(GATEWAY_NAME):
        facts = facts_of_invoice(invoice, source)
        facts += [fact for refund in refunds for fact in facts_of_refund(refund, invoice, source)]
        amount_minor, currency = read_price(invoice)
        reference = require_identifier(invoice, "id")
    return GatewayAnswer(
        provider_reference=reference,
        facts=tuple(facts),
        client_parameters=client_parameters or {},
        amount_minor=amount_minor,
        currency=currency,
    )
