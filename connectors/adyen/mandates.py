"""Payment methods that Adyen stores for later charges, and charges of them without the payer present.

A mandate keeps its payment method for a shopper of its own, named after the mandate: so the method that the payer
chooses in the mandate's session is found again, without a callback, when it is charged. Adyen stores no payment method
by a token alone; it wants the card, which is for Adyen's own client to take.
"""

from connectors.adyen.api import AdyenApi, capture_terms, key_of, money, name_in, query
from connectors.adyen.errors import GATEWAY_NAME, declined
from connectors.adyen.payments import Token, is_refused, parameters_of_action, pay, return_url_of, session_parameters
from connectors.adyen.references import Purpose, reference_of
from connectors.adyen.status import map_status
from connectors.base import GatewayAnswer, MandateAnswer, MandateChargeRequest, MandateRequest
from connectors.payloads import Payload, as_objects, optional_identifier
from domain.errors import GatewayRejected
from domain.facts import FactKind

PROCESSING_MODEL = "UnscheduledCardOnFile"
"""Charges of no fixed amount and no fixed day, agreed to in advance."""


async def setup_mandate(api: AdyenApi, request: MandateRequest) -> MandateAnswer:
    """Begin a mandate: with a token it is confirmed by a payment of nothing, without one in a session of nothing.

    Adyen keeps no `max_amount_minor`: holding to it is up to whoever charges.
    """
    if request.payment_method_token is None:
        return await _begin_session(api, request)
    token = Token.read(request.payment_method_token)
    body = {
        **token.terms(PROCESSING_MODEL),
        **_terms(api, request),
    }
    key = key_of(request.idempotency_key)
    answer = await api.send(lambda: api.checkout.payments_api.payments(body, idempotency_key=key))
    name_in(answer, "resultCode")
    if is_refused(answer):
        raise declined(answer)
    is_active = map_status("payment", str(answer.get("resultCode"))) is FactKind.AUTHORIZED
    return MandateAnswer(
        provider_reference=str(body["reference"]),
        status="active" if is_active else "pending",
        customer_reference=token.shopper,
        # A token that is told is charged without another look at the mandate, so only a confirmed one is.
        payment_method_reference=token.method if is_active else None,
        client_parameters=parameters_of_action(api, answer),
    )


async def charge_mandate(api: AdyenApi, request: MandateChargeRequest) -> GatewayAnswer:
    """Charge a mandate in a payment of its own, captured at once.

    The payment method is looked up unless it is given. Raises GatewayRejected when the payer has not confirmed the
    mandate, GatewayDeclined when the payment is refused.
    """
    shopper = request.customer_reference or request.mandate_reference
    method = request.payment_method_reference or await _stored_method(api, shopper, request.mandate_reference)
    body = {
        **Token(shopper, method).terms(PROCESSING_MODEL),
        "merchantAccount": api.credentials.merchant_account,
        "amount": money(request.amount_minor, request.currency),
        "reference": reference_of(request.payment_id, Purpose.SALE),
        **capture_terms(Purpose.SALE),
    }
    return await pay(api, body, request.account, request.idempotency_key)


async def _begin_session(api: AdyenApi, request: MandateRequest) -> MandateAnswer:
    terms = _terms(api, request)
    reference = str(terms["reference"])
    body = {
        **terms,
        "channel": "Web",
        "shopperReference": reference,
        "shopperInteraction": "Ecommerce",
        "recurringProcessingModel": PROCESSING_MODEL,
        "storePaymentMethodMode": "enabled",
    }
    key = key_of(request.idempotency_key)
    session = await api.send(lambda: api.checkout.payments_api.sessions(body, idempotency_key=key))
    return MandateAnswer(
        provider_reference=reference,
        status="pending",
        customer_reference=reference,
        client_parameters=session_parameters(api, session),
    )


def _terms(api: AdyenApi, request: MandateRequest) -> dict[str, object]:
    return {
        "merchantAccount": api.credentials.merchant_account,
        "amount": money(0, request.currency),
        "reference": reference_of(request.mandate_id, Purpose.MANDATE),
        "returnUrl": return_url_of(api, request.return_url),
    }


async def _stored_method(api: AdyenApi, shopper: str, mandate_reference: str) -> str:
    asked = query(merchantAccount=api.credentials.merchant_account, shopperReference=shopper)
    service = api.checkout.recurring_api
    kept = await api.look_up(lambda: service.get_tokens_for_stored_payment_details(query_parameters=asked))
    names = [_name_of(method) for method in as_objects(kept.get("storedPaymentMethods"))]
    if len(names) != 1 or names[0] is None:
        text = f"{GATEWAY_NAME} keeps {len(names)} payment methods for the mandate {mandate_reference}, not one"
        raise GatewayRejected(text, field="mandate_reference")
    return names[0]


def _name_of(method: Payload) -> str | None:
    return optional_identifier(method.get("id"))
