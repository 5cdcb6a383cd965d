"""Setting payments up at Adyen and paying them: sessions for the payer's client, and payments with a token.

A token of ours is a stored payment method with its shopper in front, `shopper-1/8415718415172204`: Adyen keeps payment
methods by shopper, and takes neither name without the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.adyen.api import AdyenApi, capture_terms, key_of, money, name_in
from connectors.adyen.errors import GATEWAY_NAME, declined
from connectors.adyen.references import Purpose, purpose_of, reference_of
from connectors.adyen.status import Source, facts_of_payment, map_status
from connectors.base import AuthorizationRequest, GatewayAnswer, OrderRequest
from connectors.http_client import encode_json
from connectors.outcomes import reading, unreadable
from connectors.payloads import Payload, optional_url
from domain.errors import GatewayRejected
from domain.facts import Fact, FactKind

MAX_METADATA = 20
MAX_METADATA_NAME_LENGTH, MAX_METADATA_VALUE_LENGTH = 20, 80
TOKEN_SEPARATOR = "/"  # noqa: S105 - stands between the two names in a token


@dataclass(frozen=True, slots=True)
class Token:
    """A stored payment method and the shopper whose it is."""

    shopper: str
    method: str

    @classmethod
    def read(cls, text: str) -> "Token":
        """Take a token apart; one without a shopper is for Adyen to refuse."""
        shopper, _, method = text.rpartition(TOKEN_SEPARATOR)
        return cls(shopper, method)

    def terms(self, processing_model: str) -> dict[str, object]:
        """Return what a payment with this token says about it."""
        return {
            "paymentMethod": {"storedPaymentMethodId": self.method},
            "shopperReference": self.shopper,
            "shopperInteraction": "ContAuth",
            "recurringProcessingModel": processing_model,
        }


async def create_order(api: AdyenApi, request: OrderRequest) -> GatewayAnswer:
    """Create a session, to be paid in the payer's client with the answer's `session_id` and `session_data`.

    Raises GatewayRejected when neither the payment nor the account names the page that the payer returns to.
    """
    purpose = Purpose.AUTH if request.manual_capture else Purpose.SALE
    reference = reference_of(request.payment_id, purpose)
    body = {
        "merchantAccount": api.credentials.merchant_account,
        "amount": money(request.amount_minor, request.currency),
        "reference": reference,
        "returnUrl": return_url_of(api, request.return_url),
        "channel": "Web",
        **capture_terms(purpose),
    }
    if metadata := _metadata_that_fits(request.metadata):
        body["metadata"] = metadata
    key = key_of(request.idempotency_key)
    session = await api.send(lambda: api.checkout.payments_api.sessions(body, idempotency_key=key))
    return GatewayAnswer(
        provider_reference=reference,
        client_parameters=session_parameters(api, session),
        amount_minor=request.amount_minor,
        currency=request.currency,
    )


async def authorize(api: AdyenApi, request: AuthorizationRequest) -> GatewayAnswer:
    """Pay with a stored payment method, in the payer's presence.

    Raises GatewayDeclined when the payment was refused; it can be tried again with another token.
    """
    reference, purpose = request.provider_reference, purpose_of(request.provider_reference)
    if purpose is None:
        raise GatewayRejected(f"{reference} was not set up here", field="provider_reference")
    if request.amount_minor is None or request.currency is None:
        raise GatewayRejected(f"{GATEWAY_NAME} wants the amount with the payment method", field="amount_minor")
    body = {
        **Token.read(request.payment_method_token).terms("CardOnFile"),
        "merchantAccount": api.credentials.merchant_account,
        "amount": money(request.amount_minor, request.currency),
        "reference": reference,
        "returnUrl": return_url_of(api, request.return_url),
        "channel": "Web",
        **capture_terms(purpose),
    }
    return await pay(api, body, request.account, request.idempotency_key)


async def pay(api: AdyenApi, body: Mapping[str, object], account: str, idempotency_key: str) -> GatewayAnswer:
    """Make a payment and tell what came of it. Raises GatewayDeclined when it was refused."""
    key, reference = key_of(idempotency_key), str(body["reference"])
    answer = await api.send(lambda: api.checkout.payments_api.payments(body, idempotency_key=key))
    name_in(answer, "resultCode")
    if is_refused(answer):
        raise declined(answer)
    return answer_of_payment(api, answer, reference, account)


def answer_of_payment(api: AdyenApi, answer: Payload, reference: str, account: str) -> GatewayAnswer:
    """Return what an answer about a payment says. Raises OutcomeUnknown when it cannot be read."""
    return GatewayAnswer(
        provider_reference=reference,
        facts=read_facts(answer, reference, account),
        client_parameters=parameters_of_action(api, answer),
    )


def read_facts(answer: Payload, reference: str, account: str) -> tuple[Fact, ...]:
    """Return the facts of an answer about a payment. Adyen's answers have no time: they tell of what is now."""
    with reading(GATEWAY_NAME):
        return tuple(facts_of_payment(answer, reference, Source(account, datetime.now(UTC))))


def is_refused(answer: Payload) -> bool:
    """Say whether an answer is about an attempt that failed."""
    return map_status("payment", str(answer.get("resultCode"))) is FactKind.ATTEMPT_FAILED


def session_parameters(api: AdyenApi, session: Payload) -> dict[str, str]:
    """Return what the payer's client needs to pay in a session. Raises OutcomeUnknown when the answer lacks it."""
    data = session.get("sessionData")
    if not isinstance(data, str) or not data:
        raise unreadable(GATEWAY_NAME)
    client_key = api.credentials.client_key
    return {"session_id": name_in(session, "id"), "session_data": data, "client_key": client_key}


def parameters_of_action(api: AdyenApi, answer: Payload) -> dict[str, str]:
    """Return what the payer's client has to do next; nothing when there is nothing.

    Where it is to go to another page, its address or a form to post there; otherwise the `action` as Adyen's own client
    takes it.
    """
    action = answer.get("action")
    if not isinstance(action, dict):
        return {}
    url = optional_url(action.get("url"))
    if action.get("type") != "redirect" or url is None:
        return {"action": encode_json(action).decode(), "client_key": api.credentials.client_key}
    if action.get("method") == "POST":
        fields = action.get("data")
        return {"form_action": url, "form_fields": encode_json(fields if isinstance(fields, dict) else {}).decode()}
    return {"redirect_url": url}


def return_url_of(api: AdyenApi, return_url: str | None) -> str:
    """Return the page that the payer returns to. Raises GatewayRejected when nobody names one."""
    url = return_url or api.credentials.return_url
    if url is None:
        raise GatewayRejected(f"{GATEWAY_NAME} wants the page that the payer returns to", field="return_url")
    return url


def _metadata_that_fits(metadata: Mapping[str, str]) -> dict[str, str]:
    # The payment does not depend on it: our id is its reference.
    fitting = {
        name: value
        for name, value in metadata.items()
        if len(name) <= MAX_METADATA_NAME_LENGTH and 0 < len(value) <= MAX_METADATA_VALUE_LENGTH
    }
    return dict(list(fitting.items())[:MAX_METADATA])
