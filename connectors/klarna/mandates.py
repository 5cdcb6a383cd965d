"""Klarna's customer tokens: made of what a payer authorized once, and charged without the payer.

A mandate is named after its token. Until there is one, it is named after the payment session in which the payer is to
authorize it, and cannot be charged.
"""

from connectors.base import GatewayAnswer, MandateAnswer, MandateChargeRequest, MandateRequest
from connectors.klarna.api import KlarnaApi, name_in, path_of, payload_of
from connectors.klarna.orders import AUTHORIZATIONS, answer_of_placed, placed_in
from connectors.klarna.purchases import MAX_REFERENCE_LENGTH, Purchase, begin_session, lines_of, terms_of
from connectors.payloads import Payload, optional_url

TOKENS = "/customer-token/v1/tokens"
PURPOSE = "Confirmation of later charges"


async def setup_mandate(api: KlarnaApi, request: MandateRequest) -> MandateAnswer:
    """Turn what the payer authorized in Klarna's widget into a customer token, which can be charged at once.

    `payment_method_token` is the widget's. Without one, the answer is pending and has the `client_token` that opens the
    widget; the authorization that comes of it is then given to a mandate of its own. Klarna keeps no
    `max_amount_minor`: holding to it is up to whoever charges.
    """
    if request.payment_method_token is None:
        session_id, client_token = await begin_session(api, _session(api, request))
        parameters = {"client_token": client_token}
        return MandateAnswer(provider_reference=session_id, status="pending", client_parameters=parameters)
    body = {**_terms(api, request), "description": PURPOSE, "intended_use": "SUBSCRIPTION"}
    path = f"{path_of(AUTHORIZATIONS, request.payment_method_token)}/customer-token"
    answer = payload_of(await api.write(path, body))
    token, url = name_in(answer, "token_id"), optional_url(answer.get("redirect_url"))
    return MandateAnswer(
        provider_reference=token,
        status="active",
        payment_method_reference=token,
        client_parameters={} if url is None else {"redirect_url": url},
    )


async def charge_mandate(api: KlarnaApi, request: MandateChargeRequest) -> GatewayAnswer:
    """Place an order by a customer token and capture it at once. The payment is named after the order."""
    purchase = Purchase(
        payment_id=request.payment_id,
        amount_minor=request.amount_minor,
        currency=request.currency,
        description=request.description,
    )
    # A token knows its payer's country.
    terms: Payload = {
        key: value for key, value in terms_of(purchase, api.credentials).items() if key != "purchase_country"
    }
    token = request.payment_method_reference or request.mandate_reference
    path = f"{path_of(TOKENS, token)}/order"
    response = await api.write(path, {**terms, "auto_capture": True}, key=request.idempotency_key)
    placed = placed_in(payload_of(response))
    return await answer_of_placed(api, placed, terms, request.account, (placed.order_id,))


def _terms(api: KlarnaApi, request: MandateRequest) -> dict[str, object]:
    credentials = api.credentials
    return {
        "purchase_country": credentials.purchase_country,
        "purchase_currency": request.currency,
        "locale": credentials.locale,
    }


def _session(api: KlarnaApi, request: MandateRequest) -> dict[str, object]:
    nothing_yet = lines_of(PURPOSE, 0, request.currency, api.credentials.tax_rate)
    reference = request.mandate_id[:MAX_REFERENCE_LENGTH]
    return {**_terms(api, request), **nothing_yet, "intent": "tokenize", "merchant_reference1": reference}
