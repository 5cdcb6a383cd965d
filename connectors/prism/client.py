"""The connector to one processor behind Prism.

Prism has no idempotency keys and keeps nothing. A call without an answer is never made again: its effect is looked for
at the processor, or by a person.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from connectors.base import (
    AuthorizationRequest,
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
from connectors.prism import mandates
from connectors.prism.calls import Calls
from connectors.prism.errors import GATEWAY_NAME
from connectors.prism.messages import Messages, by_redirect, by_token
from connectors.prism.names import PlannedPayment, read_planned, read_refund_name
from connectors.prism.redirection import client_parameters
from connectors.prism.redirects import check_redirect, encoded_data
from connectors.prism.registration import CARD, REGISTRATION, PrismCredentials
from connectors.prism.sdk import Flow, PrismSdk
from connectors.prism.status import Subject
from connectors.prism.webhooks import read_event, verify_token
from domain.errors import GatewayRejected
from domain.facts import Fact


def _now() -> datetime:
    return datetime.now(UTC)


class PrismConnector:
    """Takes payments through one account at one processor. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: PrismCredentials, sdk: PrismSdk, *, clock: Callable[[], datetime] = _now) -> None:
        self._sdk = sdk
        self._clock = clock
        self._calls = Calls(sdk, clock)
        self._messages = Messages(credentials)
        self._url_tokens = secret_values(credentials.url_token, credentials.previous_url_token)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback by its URL and return the hint that it gives.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        verify_token(callback, self._url_tokens)
        return read_event(callback, self._sdk)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Name the payment, after setting up an order where the processor has orders.

        With a payment method that needs no token the payment begins at once, and the answer has a `redirect_url`, or
        `form_action` and `form_fields`.
        """
        planned = PlannedPayment(
            payment_id=request.payment_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            manual_capture=request.manual_capture,
        )
        name = planned.name
        method = request.payment_method or CARD
        if method not in REGISTRATION.payment_methods:
            raise GatewayRejected(f"{GATEWAY_NAME} has no payment method {method!r}", field="payment_method")
        if method != CARD:
            return await self._begin(planned, by_redirect(method), request)
        order_id = await self._calls.order_of(self._messages.create_order(request))
        if order_id is not None:
            name = replace(planned, order_id=order_id).name
        return GatewayAnswer(provider_reference=name, amount_minor=request.amount_minor, currency=request.currency)

    async def authorize(self, request: AuthorizationRequest) -> GatewayAnswer:
        """Begin the payment with the processor's token of a payment method. The answer may send the payer elsewhere."""
        planned = read_planned(request.provider_reference)
        if planned is None:
            text = f"{request.provider_reference} was not set up here, and its processor has begun it already"
            raise GatewayRejected(text, field="provider_reference")
        return await self._begin(planned, by_token(request.payment_method_token), request)

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture the amount. What is left of the authorization is the processor's to release."""
        transaction_id = _transaction_of(request, request.authorization_reference)
        answer = await self._calls.send(Flow.CAPTURE, self._messages.capture(request, transaction_id))
        subject = replace(self._subject(request, transaction_id), captured_minor=request.amount_minor)
        return self._answer(request, self._calls.facts_of_follow_up(answer, subject))

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Let the authorization go."""
        transaction_id = _transaction_of(request, request.authorization_reference)
        answer = await self._calls.send(Flow.VOID, self._messages.void(request, transaction_id))
        return self._answer(request, self._calls.facts_of_follow_up(answer, self._subject(request, transaction_id)))

    async def reverse(self, request: MovementRequest) -> GatewayAnswer:
        """Take the capture back before it settles."""
        transaction_id = _transaction_of(request, request.capture_reference)
        answer = await self._calls.send(Flow.REVERSE, self._messages.reverse(request, transaction_id))
        if answer.get("status") == "VOIDED":
            # Some processors void a capture the way they void an authorization.
            answer = {**answer, "status": "VOIDED_POST_CAPTURE"}
        return self._answer(request, self._calls.facts_of_follow_up(answer, self._subject(request, transaction_id)))

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount; the answer may still be pending."""
        transaction_id = _transaction_of(request, request.capture_reference)
        planned = read_planned(request.provider_reference)
        answer = await self._calls.send(Flow.REFUND, self._messages.refund(request, transaction_id, planned))
        subject = self._subject(request, transaction_id)
        return self._answer(request, self._calls.facts_of_refund(answer, subject, request.amount_minor))

    async def increment_authorization(self, request: MovementRequest) -> GatewayAnswer:
        """Raise the authorization to `amount_minor`, the new total."""
        transaction_id = _transaction_of(request, request.authorization_reference)
        message = self._messages.increment(request, transaction_id)
        answer = await self._calls.send(Flow.INCREMENT_AUTHORIZATION, message)
        subject = replace(self._subject(request, transaction_id), authorized_minor=request.amount_minor)
        return self._answer(request, self._calls.facts_of_increment(answer, subject))

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what the processor knows of the payment, and of the refunds that are asked for by name.

        A payment that has not begun is known to nobody but us: its answer has no facts.
        """
        return await self._read(request, None)

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Read the payment that we know back; see `redirects`."""
        check_redirect(request.payment_id, read_planned(request.provider_reference))
        status = StatusRequest(
            payment_id=request.payment_id,
            account=request.account,
            provider_reference=request.provider_reference,
            authorization_reference=request.authorization_reference,
        )
        return await self._read(status, encoded_data(request.parameters))

    async def setup_mandate(self, request: MandateRequest) -> MandateAnswer:
        """Begin a mandate; see `mandates`."""
        return await mandates.set_up_mandate(self._calls, self._messages, request, self._clock())

    async def charge_mandate(self, request: MandateChargeRequest) -> GatewayAnswer:
        """Charge a mandate. Processors may take a while, so the answer may have no facts yet."""
        planned = PlannedPayment(
            payment_id=request.payment_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            manual_capture=False,
        )
        name = planned.name
        answer = await self._calls.send(Flow.CHARGE_MANDATE, self._messages.charge_mandate(request))
        facts = self._calls.facts_of_payment(answer, self._planned(planned, request.account))
        return GatewayAnswer(
            provider_reference=name, facts=facts, amount_minor=request.amount_minor, currency=request.currency
        )

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._sdk.aclose()

    async def _begin(
        self, planned: PlannedPayment, method: Mapping[str, object], request: OrderRequest | AuthorizationRequest
    ) -> GatewayAnswer:
        answer = await self._calls.send(Flow.AUTHORIZE, self._messages.authorize(planned, method, request))
        return GatewayAnswer(
            provider_reference=planned.name,
            facts=self._calls.facts_of_payment(answer, self._planned(planned, request.account)),
            client_parameters=client_parameters(answer),
            amount_minor=planned.amount_minor,
            currency=planned.currency,
        )

    async def _read(self, request: StatusRequest, query: str | None) -> GatewayAnswer:
        planned = read_planned(request.provider_reference)
        transaction_id = request.authorization_reference
        if transaction_id is None and planned is None:
            transaction_id = request.provider_reference
        facts: list[Fact] = []
        if transaction_id is not None:
            subject = self._status_subject(request, planned, transaction_id)
            answer = await self._calls.send(Flow.GET, self._messages.get(transaction_id, planned, query))
            facts += self._calls.facts_of_payment(answer, subject)
            for name in request.refund_references:
                refund_id, amount_minor = read_refund_name(name)
                message = self._messages.get_refund(refund_id, amount_minor, transaction_id, planned)
                answer = await self._calls.send(Flow.GET_REFUND, message)
                facts += self._calls.facts_of_refund(answer, subject, amount_minor)
        return GatewayAnswer(
            provider_reference=request.provider_reference,
            facts=tuple(facts),
            amount_minor=None if planned is None else planned.amount_minor,
            currency=None if planned is None else planned.currency,
        )

    def _planned(self, planned: PlannedPayment, account: str) -> Subject:
        """A payment that begins: what is asked for is what is authorized, and captured unless that comes later."""
        return Subject(
            account=account,
            name=planned.name,
            payment_id=planned.payment_id,
            read_at=self._clock(),
            currency=planned.currency,
            authorized_minor=planned.amount_minor,
            captured_minor=None if planned.manual_capture else planned.amount_minor,
        )

    def _status_subject(self, request: StatusRequest, planned: PlannedPayment | None, transaction_id: str) -> Subject:
        if planned is not None:
            return replace(self._planned(planned, request.account), transaction_id=transaction_id)
        return Subject(
            account=request.account,
            name=request.provider_reference,
            payment_id=request.payment_id,
            read_at=self._clock(),
            currency=None,
            transaction_id=transaction_id,
        )

    def _subject(self, request: MovementRequest, transaction_id: str) -> Subject:
        planned = read_planned(request.provider_reference)
        return Subject(
            account=request.account,
            name=request.provider_reference,
            payment_id=request.payment_id,
            read_at=self._clock(),
            currency=request.currency,
            transaction_id=transaction_id,
            authorized_minor=None if planned is None else planned.amount_minor,
        )

    @staticmethod
    def _answer(request: MovementRequest, facts: tuple[Fact, ...]) -> GatewayAnswer:
        return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)


def _transaction_of(request: MovementRequest, reference: str | None) -> str:
    """Return the processor's name of the transaction. Raises GatewayRejected when none is known."""
    found = reference or request.authorization_reference
    if found is None and read_planned(request.provider_reference) is None:
        found = request.provider_reference
    if found is None:
        raise GatewayRejected("no transaction of the payment is known", field="authorization_reference")
    return found
