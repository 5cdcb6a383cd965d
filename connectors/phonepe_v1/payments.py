"""Payments and refunds at PhonePe's legacy API: made once under our names, and read back by them."""

from collections.abc import Iterable
from dataclasses import replace

from connectors.amounts import wire_amount
from connectors.base import GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import reading, unreadable
from connectors.payloads import Payload, part_of, require_url
from connectors.phonepe_v1.api import PAY_PATH, REFUND_PATH, PhonePeV1Api
from connectors.phonepe_v1.errors import GATEWAY_NAME, NOT_FOUND
from connectors.phonepe_v1.names import payment_name, refund_name, refund_stem, stem_of
from connectors.phonepe_v1.status import (
    CURRENCY,
    WIRE_EXPONENTS,
    Source,
    fact_of_unknown,
    facts_of_transaction,
    read_money,
)
from domain.errors import GatewayRejected
from domain.facts import Fact

PAY_ACCEPTED = frozenset({"PAYMENT_INITIATED"})
REFUND_ACCEPTED = frozenset({"PAYMENT_SUCCESS", "PAYMENT_PENDING"})


async def create_payment(api: PhonePeV1Api, request: OrderRequest) -> GatewayAnswer:
    """Make a payment; the answer has the `redirect_url` of its page, unless PhonePe made the payment before.

    Raises GatewayRejected for what PhonePe cannot do: another currency, a capture later, no page to go back to.
    """
    amount = _wire_rupees(request.amount_minor, request.currency)
    if request.manual_capture:
        raise GatewayRejected(f"{GATEWAY_NAME} captures every payment at once", field="manual_capture")
    return_url = request.return_url or api.credentials.return_url
    if return_url is None:
        raise GatewayRejected(f"{GATEWAY_NAME} wants a page for payers to go back to", field="return_url")
    name = payment_name(request.payment_id)
    payload = {
        "merchantTransactionId": name,
        # Pages want one. It says nothing of the payer, whom we need not tell PhonePe of.
        "merchantUserId": name,
        "amount": amount,
        "redirectUrl": return_url,
        "redirectMode": "REDIRECT",
        "callbackUrl": api.credentials.callback_url,
        "paymentInstrument": {"type": "PAY_PAGE"},
    }
    try:
        made = await api.write(PAY_PATH, payload, PAY_ACCEPTED)
    except GatewayRejected as refusal:
        answer = _answer_of_payment(name, await api.find_made_before(refusal, name), request.account)
        if answer.amount_minor != request.amount_minor:
            raise
        return answer
    return GatewayAnswer(
        provider_reference=name,
        client_parameters={"redirect_url": _page_of(made)},
        amount_minor=request.amount_minor,
        currency=CURRENCY,
    )


async def refund(api: PhonePeV1Api, request: MovementRequest) -> GatewayAnswer:
    """Refund an amount of a payment. A refund that was made before under the same name is returned as it stands."""
    payment = request.provider_reference
    name = refund_name(payment, request.idempotency_key)
    payload = {
        "merchantTransactionId": name,
        "originalTransactionId": payment,
        "amount": _wire_rupees(request.amount_minor, request.currency),
        "callbackUrl": api.credentials.callback_url,
    }
    try:
        made = await api.write(REFUND_PATH, payload, REFUND_ACCEPTED)
    except GatewayRejected as refusal:
        made = await api.find_made_before(refusal, name)
        if _amount_in(made) != request.amount_minor:
            raise
    facts = _facts_of(made, name, Source(request.account, payment=payment))
    return GatewayAnswer(provider_reference=payment, facts=facts)


async def read_payment(api: PhonePeV1Api, request: StatusRequest) -> GatewayAnswer:
    """Return what PhonePe knows of a payment, and of the refunds that the request names.

    A name that no payment here has is not told an amount: other software's payments and refunds look the same, and a
    refund must never be taken for a payment.
    """
    name = request.provider_reference
    told = await api.status(name)
    if told["code"] == NOT_FOUND:
        facts = tuple(fact_of_unknown(name, NOT_FOUND, Source(request.account)))
        answer = GatewayAnswer(provider_reference=name, facts=facts)
    else:
        answer = _answer_of_payment(name, told, request.account, is_ours=request.payment_id is not None)
    return replace(answer, facts=(*answer.facts, *await _refunds_of(api, request)))


async def _refunds_of(api: PhonePeV1Api, request: StatusRequest) -> list[Fact]:
    facts: list[Fact] = []
    for name in _refund_names(request):
        found = await api.find(name)
        if found is not None:
            facts += _facts_of(found, name, Source(request.account, payment=request.provider_reference))
    return facts


def _refund_names(request: StatusRequest) -> Iterable[str]:
    payment = request.provider_reference
    ours = (name for name in request.refund_references if stem_of(name) == refund_stem(payment))
    asked_for_here = (refund_name(payment, key) for key in request.open_keys)
    return dict.fromkeys((*ours, *asked_for_here))


def _answer_of_payment(name: str, told: Payload, account: str, *, is_ours: bool = True) -> GatewayAnswer:
    answer = GatewayAnswer(provider_reference=name, facts=_facts_of(told, name, Source(account)))
    amount_minor = _amount_in(told) if is_ours else None
    return answer if amount_minor is None else replace(answer, amount_minor=amount_minor, currency=CURRENCY)


def _facts_of(told: Payload, name: str, source: Source) -> tuple[Fact, ...]:
    transaction = told.get("data")
    if not isinstance(transaction, dict) or transaction.get("merchantTransactionId") != name:
        raise unreadable(GATEWAY_NAME)
    with reading(GATEWAY_NAME):
        return tuple(facts_of_transaction(told, source))


def _amount_in(told: Payload) -> int | None:
    """Return the amount of the transaction that an answer is about; one that has failed may have none."""
    transaction = told["data"]
    with reading(GATEWAY_NAME):
        return None if transaction.get("amount") is None else read_money(transaction)[0]


def _page_of(made: Payload) -> str:
    page = part_of(part_of(part_of(made, "data"), "instrumentResponse"), "redirectInfo")
    with reading(GATEWAY_NAME):
        return require_url(page, "url")


def _wire_rupees(amount_minor: int, currency: str) -> int:
    if currency != CURRENCY:
        raise GatewayRejected(f"{GATEWAY_NAME} takes {CURRENCY} only", field="currency")
    return wire_amount(GATEWAY_NAME, amount_minor, currency, WIRE_EXPONENTS)
