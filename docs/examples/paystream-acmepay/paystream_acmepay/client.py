"""The Acmepay connector. It keeps nothing between calls: all it needs is in the request."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from connectors.amounts import wire_amount
from connectors.base import Callback, GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.callback_proofs import secret_values
from connectors.http_client import Effect, GatewayHttp
from connectors.outcomes import Timeouts, reading, unreadable
from connectors.payloads import Payload, optional_url, require_identifier
from domain.errors import GatewayRejected
from domain.facts import Fact

from paystream_acmepay.errors import GATEWAY_NAME, read_answer
from paystream_acmepay.registration import AcmepayCredentials
from paystream_acmepay.status import WIRE_EXPONENTS, Source, facts_of_order, facts_of_refund, money_of
from paystream_acmepay.webhooks import read_event, verify_signature

API_BASE = "https://api.acmepay.example"
IDEMPOTENCY_HEADER = "Idempotency-Key"


class AcmepayConnector:
    """Takes payments through one account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: AcmepayCredentials, timeouts: Timeouts | None = None) -> None:
        headers = {"Authorization": f"Bearer {credentials.api_key.get_secret_value()}"}
        base_url = credentials.api_base or API_BASE
        self._http = GatewayHttp(GATEWAY_NAME, base_url, timeouts or Timeouts(), headers=headers)
        self._webhook_secrets = secret_values(credentials.webhook_secret, credentials.previous_webhook_secret)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        verify_signature(callback, self._webhook_secrets)
        return read_event(callback)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create an order, to be paid on the page that the answer's `redirect_url` leads to.

        Raises GatewayRejected, before any call, for manual capture, which this gateway does not have.
        """
        if request.manual_capture:
            raise GatewayRejected(f"{GATEWAY_NAME} captures every payment at once", field="manual_capture")
        body: dict[str, object] = {
            "amount": wire_amount(GATEWAY_NAME, request.amount_minor, request.currency, WIRE_EXPONENTS),
            "currency": request.currency,
            "reference": request.payment_id,
        }
        optional = {"description": request.description, "return_url": request.return_url}
        body |= {name: value for name, value in optional.items() if value is not None}
        order = await self._write("/v1/orders", body, request.idempotency_key)
        page = optional_url(order.get("checkout_url"))
        if page is None:
            raise unreadable(GATEWAY_NAME)
        return replace(_answer_of(order, request.account), client_parameters={"redirect_url": page})

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount; the bank may still be at work on it when the answer comes."""
        body: dict[str, object] = {
            "amount": wire_amount(GATEWAY_NAME, request.amount_minor, request.currency, WIRE_EXPONENTS),
        }
        path = f"{_path_of(request.provider_reference)}/refunds"
        refund = await self._write(path, body, request.idempotency_key)
        with reading(GATEWAY_NAME):
            facts = facts_of_refund(refund, Source(request.account))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=tuple(facts))

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what the gateway knows of the order and its refunds."""
        order = read_answer(await self._http.read(_path_of(request.provider_reference)))
        return _answer_of(order, request.account)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()

    async def _write(self, path: str, body: object, idempotency_key: str) -> Payload:
        headers = {IDEMPOTENCY_HEADER: idempotency_key}
        return read_answer(await self._http.send("POST", path, Effect.WRITES, headers=headers, json_body=body))


def _path_of(order_id: str) -> str:
    return f"/v1/orders/{quote(order_id, safe='')}"


def _answer_of(order: Payload, account: str) -> GatewayAnswer:
    """What an order says; the amount is told too, so that a payment that nobody knew can be taken in."""
    # The request had its effect: that its answer cannot be read must not make it look refused.
    with reading(GATEWAY_NAME):
        amount_minor, currency = money_of(order)
        return GatewayAnswer(
            provider_reference=require_identifier(order, "id"),
            facts=tuple(facts_of_order(order, Source(account))),
            amount_minor=amount_minor,
            currency=currency,
        )
