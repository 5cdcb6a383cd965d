"""PayPal's orders: set up, approved by the payer at PayPal, and completed by us, exactly once.

Somebody must capture or authorize an order that the payer has approved, or PayPal lets it go after three hours. Whoever
reads it first does so: the redirect that brings the payer back, the status fetch that the webhook asks for, or the
reconciliation that looks at quiet payments. PayPal completes an order only once, and the request id, which follows from
the order itself, makes them all the same request.

Browsers may create and change orders too, with the client id alone. So an order of ours carries a seal over our payment
id, amount, currency and intent, made with the client secret; without a good seal an order is read and never completed.
"""

from dataclasses import dataclass, replace

from connectors.base import AuthorizationRequest, GatewayAnswer, OrderRequest, StatusRequest
from connectors.callback_proofs import hmac_sha256, is_one_of, secret_values
from connectors.outcomes import reading, unreadable
from connectors.payloads import MAX_REASON_LENGTH, Payload, as_objects
from connectors.paypal.amounts import read_money, write_money
from connectors.paypal.api import PayPalApi, id_of, link_of, path_to, request_id
from connectors.paypal.disputes import read_disputes
from connectors.paypal.errors import GATEWAY_NAME
from connectors.paypal.status import Source, facts_of_order, failure_in, payments_in
from connectors.paypal.vault import source_to_pay_with
from domain.errors import GatewayDeclined, GatewayRejected, MalformedPayload

ORDERS = "/v2/checkout/orders"
MAX_DESCRIPTION_LENGTH = 127

_ACTIONS = {"CAPTURE": "/capture", "AUTHORIZE": "/authorize"}
_SEAL_PURPOSE = b"paystream order\n"
_REFUSED = frozenset({"DECLINED", "FAILED", "DENIED"})


async def create_order(api: PayPalApi, request: OrderRequest) -> GatewayAnswer:
    """Create an order; the payer approves it at the answer's `redirect_url`."""
    wallet = {"user_action": "PAY_NOW", **pages(api, request.return_url)}
    body = {
        "intent": "AUTHORIZE" if request.manual_capture else "CAPTURE",
        "purchase_units": [purchase_unit(api, request)],
        "payment_source": {"paypal": {"experience_context": wallet}},
    }
    order = await api.write(ORDERS, body, request_id(request.idempotency_key))
    if link_of(order, "payer-action", "approve") is None:
        raise unreadable(GATEWAY_NAME)
    return answer_of(order, Source(request.account))


async def authorize(api: PayPalApi, request: AuthorizationRequest) -> GatewayAnswer:
    """Complete an order with a saved payment method of a payer who is present, and needs no page of PayPal's.

    Raises GatewayRejected for an order that was not set up here, GatewayDeclined when the payer's side says no.
    """
    order = await api.look_up(path_to(ORDERS, request.provider_reference))
    if order.get("status") != "COMPLETED":
        if not is_sealed(api, order, request.payment_id):
            raise GatewayRejected(f"the order {request.provider_reference} is not as it was set up here")
        source = await source_to_pay_with(api, request.payment_method_token, pages(api, request.return_url))
        order = await _complete(api, order, request_id(request.idempotency_key), {"payment_source": source})
    refuse_declined(order)
    return answer_of(order, Source(request.account))


async def fetch_order(api: PayPalApi, request: StatusRequest) -> GatewayAnswer:
    """Return what PayPal knows of an order; complete it first when the payer has approved it and it is ours."""
    order, source = await api.read(path_to(ORDERS, request.provider_reference)), Source(request.account)
    declined: str | None = None
    is_approved = order.get("status") == "APPROVED"
    if is_approved and request.payment_id is not None and is_sealed(api, order, request.payment_id):
        try:
            # What was captured a moment ago cannot be disputed yet.
            return answer_of(await _complete_approved(api, order), source)
        except GatewayDeclined as error:
            # The payer may choose something else to pay with, on the same page.
            declined = error.message[:MAX_REASON_LENGTH]
    answer = answer_of(order, source, declined)
    return replace(answer, facts=(*answer.facts, *await read_disputes(api, answer.facts, source)))


def purchase_unit(api: PayPalApi, request: OrderRequest) -> dict[str, object]:
    """Return what is paid for: amount, our payment's id, and the seal over both."""
    money = write_money(request.amount_minor, request.currency)
    terms = _Terms(
        payment_id=request.payment_id,
        intent="AUTHORIZE" if request.manual_capture else "CAPTURE",
        amount_minor=request.amount_minor,
        currency=request.currency,
    )
    unit: dict[str, object] = {
        "reference_id": terms.seal(api.credentials.client_secret.get_secret_value()),
        "custom_id": request.payment_id,
        "amount": money,
    }
    if request.description:
        unit["description"] = request.description[:MAX_DESCRIPTION_LENGTH]
    return unit


def is_sealed(api: PayPalApi, order: Payload, payment_id: str) -> bool:
    """Say whether an order is as it was set up here for a payment."""
    units = as_objects(order.get("purchase_units"))
    if len(units) != 1 or units[0].get("custom_id") != payment_id:
        return False
    try:
        amount_minor, currency = read_money(units[0].get("amount"))
    except MalformedPayload:
        return False
    terms = _Terms(payment_id=payment_id, intent=str(order.get("intent")), amount_minor=amount_minor, currency=currency)
    secrets = secret_values(api.credentials.client_secret, api.credentials.previous_client_secret)
    return is_one_of(str(units[0].get("reference_id")), map(terms.seal, secrets))


def answer_of(order: Payload, source: Source, declined: str | None = None) -> GatewayAnswer:
    """Return what an order says as an answer, with the page where the payer goes on while it waits for them.

    `declined` says why it could not be completed just now. Raises OutcomeUnknown when the order cannot be read.
    """
    units = as_objects(order.get("purchase_units"))
    with reading(GATEWAY_NAME):
        money = read_money(units[0].get("amount")) if len(units) == 1 else (None, None)
        facts = tuple(facts_of_order(order, source, declined))
    page = link_of(order, "payer-action", "approve")
    waits_for_payer = order.get("status") in {"CREATED", "SAVED", "PAYER_ACTION_REQUIRED"} or declined is not None
    return GatewayAnswer(
        provider_reference=id_of(order),
        facts=facts,
        client_parameters={"redirect_url": page} if page is not None and waits_for_payer else {},
        amount_minor=money[0],
        currency=money[1],
    )


def refuse_declined(order: Payload) -> None:
    """Raise GatewayDeclined when everything that an order's completion came to was declined."""
    payments: list[Payload] = []
    for unit in as_objects(order.get("purchase_units")):
        payments += payments_in(unit, "captures") or payments_in(unit, "authorizations")
    if payments and all(payment.get("status") in _REFUSED for payment in payments):
        raise GatewayDeclined(f"{GATEWAY_NAME} declined the payment: {failure_in(payments[0])}")


def pages(api: PayPalApi, return_url: str | None) -> dict[str, str]:
    """Return where the payer goes from PayPal's page. The same page may tell a refusal from an approval: it asks us."""
    page = return_url or api.credentials.return_url
    return {} if page is None else {"return_url": page, "cancel_url": page}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What the seal of an order covers."""

    payment_id: str
    intent: str
    amount_minor: int
    currency: str

    def seal(self, secret: str) -> str:
        said = f"{self.intent}\n{self.amount_minor}\n{self.currency}\n{self.payment_id}"
        return hmac_sha256(secret, _SEAL_PURPOSE + said.encode()).hex()


async def _complete_approved(api: PayPalApi, order: Payload) -> Payload:
    """Complete an order. One request id per approval: after another choice of the payer's it is another request."""
    key = request_id("complete", id_of(order), str(order.get("update_time")))
    try:
        return await _complete(api, order, key, {})
    except GatewayRejected:
        # Somebody may have completed it since it was read.
        now = await api.read(path_to(ORDERS, id_of(order)))
        if now.get("status") == "APPROVED":
            raise
        return now


async def _complete(api: PayPalApi, order: Payload, key: str, body: Payload) -> Payload:
    """Capture or authorize an order, whose seal is good: it has one purchase unit, and an intent of ours."""
    path = path_to(ORDERS, id_of(order), _ACTIONS[str(order.get("intent"))])
    completed = await api.write(path, body, key)
    # The answer may leave out what has not changed.
    before, after = (next(iter(as_objects(each.get("purchase_units"))), {}) for each in (order, completed))
    return {**order, **completed, "purchase_units": [{**before, **after}]}
