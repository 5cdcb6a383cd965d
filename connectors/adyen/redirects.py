"""What a payer's browser brings back from Adyen: nothing signed, but something to ask Adyen about.

After a payment with a token it is a `redirectResult`, and asking about it is what completes the payment. After a
session it is a `sessionResult`, which Adyen's client gives to the page when the payment is done.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from connectors.adyen.api import AdyenApi, name_in, path_part, query
from connectors.adyen.errors import GATEWAY_NAME
from connectors.adyen.payments import answer_of_payment
from connectors.adyen.status import Source, facts_of_session
from connectors.base import GatewayAnswer, RedirectRequest
from connectors.outcomes import reading
from connectors.payloads import Payload
from domain.errors import GatewayRejected, VerificationFailed

REDIRECT_RESULT, SESSION_RESULT, SESSION_ID = "redirectResult", "sessionResult", "sessionId"


async def verify_redirect(api: AdyenApi, request: RedirectRequest) -> GatewayAnswer:
    """Ask Adyen what the browser came back from, and return what it says.

    Raises VerificationFailed when the browser brought nothing to ask about, something that Adyen does not know, or
    something about another payment.
    """
    parameters = request.parameters
    if result := parameters.get(REDIRECT_RESULT):
        details = await _ask_about_redirect(api, result)
        name_in(details, "resultCode")
        _check_reference(name_in(details, "merchantReference"), request)
        return answer_of_payment(api, details, request.provider_reference, request.account)
    if parameters.get(SESSION_RESULT) and parameters.get(SESSION_ID):
        session = await _ask_about_session(api, parameters)
        name_in(session, "status")
        _check_reference(name_in(session, "reference"), request)
        with reading(GATEWAY_NAME):
            facts = facts_of_session(session, request.provider_reference, Source(request.account, datetime.now(UTC)))
        return GatewayAnswer(provider_reference=request.provider_reference, facts=tuple(facts))
    text = f"the browser brought neither {REDIRECT_RESULT} nor {SESSION_ID} and {SESSION_RESULT}"
    raise VerificationFailed(text, code="signature_missing")


async def _ask_about_redirect(api: AdyenApi, result: str) -> Payload:
    body = {"details": {REDIRECT_RESULT: result}}
    # The payer may reload the page: the same result is the same request.
    key = hashlib.sha256(result.encode()).hexdigest()
    try:
        return await api.send(lambda: api.checkout.payments_api.payments_details(body, idempotency_key=key))
    except GatewayRejected as error:
        raise _not_known(error) from error


async def _ask_about_session(api: AdyenApi, parameters: Mapping[str, str]) -> Payload:
    method = api.checkout.payments_api.get_result_of_payment_session
    try:
        session_id = path_part(parameters[SESSION_ID], "session")
        asked = query(sessionResult=parameters[SESSION_RESULT])
        return await api.send(lambda: method(session_id, query_parameters=asked))
    except GatewayRejected as error:
        raise _not_known(error) from error


def _not_known(error: GatewayRejected) -> Exception:
    """Tell what a browser made up from what is wrong with our own account."""
    if error.code != GatewayRejected.code:
        return error
    return VerificationFailed(f"{GATEWAY_NAME} does not know what the browser brought", code="signature_invalid")


def _check_reference(told: str, request: RedirectRequest) -> None:
    if told != request.provider_reference:
        raise VerificationFailed("the browser came back from another payment", code="reference_mismatch")
