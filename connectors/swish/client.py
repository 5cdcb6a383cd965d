"""The Swish connector.

Every payment request and refund is named by us, after its command, so a repeated command finds what the first one made.
Swish does not list the refunds of a payment: each is asked for by its name.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

from connectors.base import Callback, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.callback_proofs import secret_values
from connectors.outcomes import Timeouts, reading, unreadable
from connectors.payloads import Payload, optional_identifier
from connectors.swish.api import PAYMENTS, REFUNDS, SwishApi, read_facts, swish_amount
from connectors.swish.errors import GATEWAY_NAME
from connectors.swish.names import callback_identifier, instruction_of, reference_of
from connectors.swish.registration import SwishCredentials
from connectors.swish.status import Source, fact_of_payment, fact_of_refund, map_status, read_item, read_money
from connectors.swish.webhooks import verify_identifier
from domain.errors import GatewayRejected
from domain.facts import Fact, FactKind

MAX_MESSAGE_LENGTH = 50

Request = OrderRequest | MovementRequest | StatusRequest

_NOT_IN_MESSAGES = re.compile(r"[^0-9A-Za-zÅÄÖåäö:;.,?!()]+")


class SwishConnector:
    """Takes payments to one Swish number. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: SwishCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = SwishApi(credentials, timeouts or Timeouts())
        self._credentials = credentials
        self._callback_secrets = secret_values(credentials.callback_secret, credentials.previous_callback_secret)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove which request a callback is about and return its hint.

        Raises VerificationFailed when it is not proven, MalformedPayload when it cannot be read.
        """
        item = verify_identifier(callback, self._callback_secrets)
        return (read_item(item, Source(account=callback.account, is_callback=True, at=callback.received_at)),)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Make a payment request, which the payer answers in the app within minutes.

        The app opens by the answer's `app_url`, or by the `payment_request_token` in a QR code. Swish tells the token
        only once: a request that was made before is found again, without it.
        """
        if request.manual_capture:
            raise GatewayRejected(f"{GATEWAY_NAME} moves money at once", field="manual_capture")
        instruction = instruction_of(request.idempotency_key)
        amount = swish_amount(request.amount_minor, request.currency)
        body = {
            **self._told_with(instruction, request.description),
            "payeePaymentReference": reference_of(request.payment_id),
            "payeeAlias": self._credentials.merchant_swish_number,
            "amount": amount,
            "currency": request.currency,
        }
        response = await self._api.instruct(PAYMENTS, instruction, body)
        if response is None:
            payment = _same(await self._api.read(PAYMENTS, instruction), request.amount_minor)
            return _answer_of_payment(payment, request, instruction)
        token = optional_identifier(response.headers.get("paymentrequesttoken"))
        if token is None:
            raise unreadable(GATEWAY_NAME)
        created = {"id": instruction, "status": "CREATED", **body}
        return _answer_of_payment(created, request, instruction, _parameters(token, request.return_url))

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Withdraw the payment request, if it is not withdrawn already. Raises GatewayRejected for one that is paid."""
        payment = await self._api.cancel(request.provider_reference)
        if payment is None:
            payment = await self._api.read(PAYMENTS, request.provider_reference)
            status = str(payment.get("status"))
            if map_status("payment", status, optional_identifier(payment.get("errorCode"))) is not FactKind.CANCELLED:
                raise GatewayRejected(f"{GATEWAY_NAME} does not cancel a payment request that is {status}")
        return _answer_of_payment(payment, request, request.provider_reference)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount. The answer is pending: the bank decides within the day."""
        instruction = instruction_of(request.idempotency_key)
        amount = swish_amount(request.amount_minor, request.currency)
        original = request.capture_reference or await self._bank_reference(request.provider_reference)
        body = {
            **self._told_with(instruction, request.reason),
            "payerPaymentReference": reference_of(request.payment_id),
            "originalPaymentReference": original,
            "payerAlias": self._credentials.merchant_swish_number,
            "amount": amount,
            "currency": request.currency,
        }
        refund: Payload = {"id": instruction, "status": "CREATED", **body}
        if await self._api.instruct(REFUNDS, instruction, body) is None:
            refund = _same(await self._api.read(REFUNDS, instruction), request.amount_minor)
        facts = read_facts(refund, fact_of_refund, _source_of(request, request.provider_reference))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Swish knows of the payment request, and of the refunds that are asked for."""
        payment = await self._api.read(PAYMENTS, request.provider_reference)
        answer = _answer_of_payment(payment, request, request.provider_reference)
        facts, source = list(answer.facts), _source_of(request, request.provider_reference)
        names = (*request.refund_references, *map(instruction_of, request.open_keys))
        for name in dict.fromkeys(names):
            refund = await self._api.find(REFUNDS, name)
            if refund is not None and refund.get("originalPaymentReference") == payment.get("paymentReference"):
                facts += read_facts(refund, fact_of_refund, source)
        return replace(answer, facts=tuple(facts))

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()

    def _told_with(self, instruction: str, text: str | None) -> dict[str, object]:
        """Return where and how callbacks come, and what the payer reads."""
        message = _NOT_IN_MESSAGES.sub(" ", text or "").strip()[:MAX_MESSAGE_LENGTH]
        told = {
            "callbackUrl": self._credentials.callback_url,
            "callbackIdentifier": callback_identifier(self._callback_secrets[0], instruction),
        }
        return {**told, "message": message} if message else dict(told)

    async def _bank_reference(self, instruction: str) -> str:
        payment = await self._api.look_up(PAYMENTS, instruction)
        reference = optional_identifier(payment.get("paymentReference"))
        if reference is None:
            raise GatewayRejected(f"{instruction} is not paid, so there is nothing to refund")
        return reference


def _source_of(request: Request, instruction: str) -> Source:
    return Source(account=request.account, payment=instruction, payment_id=request.payment_id)


def _same(item: Payload, amount_minor: int) -> Payload:
    """Return what an instruction made before, if it was for the same amount."""
    with reading(GATEWAY_NAME):
        made_minor, _ = read_money(item)
    if made_minor != amount_minor:
        raise GatewayRejected(f"the instruction {item.get('id')} was given before, with another amount")
    return item


def _answer_of_payment(
    payment: Payload, request: Request, instruction: str, client_parameters: dict[str, str] | None = None
) -> GatewayAnswer:
    facts = read_facts(payment, fact_of_payment, _source_of(request, instruction))
    with reading(GATEWAY_NAME):
        amount_minor, currency = read_money(payment)
    return GatewayAnswer(
        provider_reference=instruction,
        facts=facts,
        client_parameters=client_parameters or {},
        amount_minor=amount_minor,
        currency=currency,
    )


def _parameters(token: str, return_url: str | None) -> dict[str, str]:
    back = {} if return_url is None else {"callbackurl": return_url}
    query = urlencode({"token": token, **back}, quote_via=quote)
    return {"payment_request_token": token, "app_url": f"swish://paymentrequest?{query}"}
