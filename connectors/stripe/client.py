"""The Stripe connector. Every request that changes something carries an idempotency key made from the command's id."""

import re
from collections.abc import Sequence
from dataclasses import replace

import stripe

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
from connectors.payloads import MAX_REASON_LENGTH
from connectors.stripe import links, mandates
from connectors.stripe.api import (
    EXPANDED,
    PAGE_SIZE,
    StripeApi,
    answer_of_intent,
    parameters_of_action,
    read_facts,
    stripe_amount,
)
from connectors.stripe.redirects import check_redirect
from connectors.stripe.registration import StripeCredentials
from connectors.stripe.status import Source, charge_of, facts_of_dispute, facts_of_refund, is_released_rest
from connectors.stripe.webhooks import read_event, verify_signature
from domain.facts import Fact

_MODE = re.compile(r"[sr]k_(live|test)_")


class StripeConnector:
    """Takes payments through one Stripe account. Close it with `aclose` when it is no longer needed."""

    def __init__(self, credentials: StripeCredentials, timeouts: Timeouts | None = None) -> None:
        self._api = StripeApi(credentials, timeouts or Timeouts())
        mode = _MODE.match(credentials.secret_key.get_secret_value())
        self._is_live = None if mode is None else mode.group(1) == "live"
        self._webhook_secrets = secret_values(credentials.webhook_secret, credentials.previous_webhook_secret)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Prove a callback and return its facts, at least one.

        Raises VerificationFailed when it is not proven, MalformedPayload when it is proven but unreadable.
        """
        text = verify_signature(callback, self._webhook_secrets)
        return read_event(text, callback, is_live=self._is_live)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create a payment intent, to be confirmed by the payer's client with the answer's `client_secret`."""
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": stripe_amount(request.amount_minor, request.currency),
            "currency": request.currency.lower(),
            "capture_method": "manual" if request.manual_capture else "automatic",
            "metadata": {**request.metadata, "payment_id": request.payment_id},
        }
        if request.manual_capture:
            # Only an authorization that was asked for this way can be raised later.
            params["payment_method_options"] = {"card": {"request_incremental_authorization": "if_available"}}
        if request.description is not None:
            params["description"] = request.description
        call = self._api.v1.payment_intents.create_async(params, {"idempotency_key": request.idempotency_key})
        intent = await self._api.one(call)
        answer = answer_of_intent(intent, request.account)
        return replace(answer, client_parameters=parameters_of_action(intent, self._api.credentials))

    async def authorize(self, request: AuthorizationRequest) -> GatewayAnswer:
        """Confirm the payment intent with a payment method.

        Where the payer has to do something first, the answer has a `client_secret` and perhaps a `redirect_url`.
        """
        params: stripe.params.PaymentIntentConfirmParams = {
            "payment_method": request.payment_method_token,
            "expand": EXPANDED,
        }
        if request.return_url is not None:
            params["return_url"] = request.return_url
        call = self._api.v1.payment_intents.confirm_async(
            request.provider_reference, params, {"idempotency_key": request.idempotency_key}
        )
        intent = await self._api.one(call)
        answer = answer_of_intent(intent, request.account)
        return replace(answer, client_parameters=parameters_of_action(intent, self._api.credentials))

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        """Capture the amount. What is left of the authorization is released."""
        params: stripe.params.PaymentIntentCaptureParams = {
            "amount_to_capture": stripe_amount(request.amount_minor, request.currency),
            "expand": EXPANDED,
        }
        call = self._api.v1.payment_intents.capture_async(
            request.provider_reference, params, {"idempotency_key": request.idempotency_key}
        )
        return answer_of_intent(await self._api.one(call), request.account)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Cancel the payment intent, authorized or not yet. Stripe's own reasons leave no room for ours."""
        params: stripe.params.PaymentIntentCancelParams = {"expand": EXPANDED}
        call = self._api.v1.payment_intents.cancel_async(
            request.provider_reference, params, {"idempotency_key": request.idempotency_key}
        )
        return answer_of_intent(await self._api.one(call), request.account)

    async def increment_authorization(self, request: MovementRequest) -> GatewayAnswer:
        """Raise the authorization to `amount_minor`, the new total. The card's issuer may decline."""
        params: stripe.params.PaymentIntentIncrementAuthorizationParams = {
            "amount": stripe_amount(request.amount_minor, request.currency),
            "expand": EXPANDED,
        }
        call = self._api.v1.payment_intents.increment_authorization_async(
            request.provider_reference, params, {"idempotency_key": request.idempotency_key}
        )
        return answer_of_intent(await self._api.one(call), request.account)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount. The reason is kept as metadata: Stripe's own reasons have consequences for the payer."""
        metadata = {"payment_id": request.payment_id, "command_id": request.idempotency_key}
        if request.reason is not None:
            metadata["reason"] = request.reason[:MAX_REASON_LENGTH]
        params: stripe.params.RefundCreateParams = {
            "amount": stripe_amount(request.amount_minor, request.currency),
            "metadata": metadata,
        }
        if links.is_link(request.provider_reference) and request.capture_reference is not None:
            params["charge"] = request.capture_reference
        else:
            params["payment_intent"] = request.provider_reference
        call = self._api.v1.refunds.create_async(params, {"idempotency_key": request.idempotency_key})
        facts = read_facts([await self._api.one(call)], facts_of_refund, Source(request.account))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=facts)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Stripe knows of the payment intent, its refunds and its disputes.

        A payment that is still named after its link is looked for behind the link.
        """
        reference = request.provider_reference
        if not links.is_link(reference):
            return await self._read_intent(reference, request.account)
        behind = await links.read_link(self._api, reference, request.account)
        answers = [await self._read_intent(intent_id, request.account) for intent_id in behind.intent_ids]
        if len(answers) == 1:
            return answers[0]
        facts = (*behind.facts, *(fact for answer in answers for fact in answer.facts))
        return GatewayAnswer(provider_reference=reference, facts=facts)

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        """Read the payment that we know back. Stripe signs nothing that a browser brings, so none of it is believed.

        Raises VerificationFailed when the browser came back from another payment.
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
        """Keep a payment method; see `mandates`."""
        return await mandates.store_payment_method(self._api, request)

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        """Make a link to pay by; see `links`."""
        return await links.create_payment_link(self._api, request)

    async def cancel_payment_link(self, provider_reference: str) -> None:
        """Make a link unusable; see `links`."""
        await links.cancel_payment_link(self._api, provider_reference)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._api.aclose()

    async def _read_intent(self, reference: str, account: str) -> GatewayAnswer:
        api, source = self._api, Source(account)
        intent = await api.one(api.v1.payment_intents.retrieve_async(reference, {"expand": EXPANDED}))
        answer = answer_of_intent(intent, account)
        facts = list(answer.facts)
        charge = charge_of(intent)
        if charge.get("captured") is True:
            found = await api.all(api.v1.refunds.list_async({"payment_intent": reference, "limit": PAGE_SIZE}))
            facts += read_facts([refund for refund in found if not is_released_rest(refund)], facts_of_refund, source)
        if charge.get("disputed") is True:
            found = await api.all(api.v1.disputes.list_async({"payment_intent": reference, "limit": PAGE_SIZE}))
            facts += read_facts(found, facts_of_dispute, source)
        return replace(answer, facts=tuple(facts))
