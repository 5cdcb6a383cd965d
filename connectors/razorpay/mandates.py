"""Razorpay's registration links, and charges of the tokens that payers confirm by them.

A mandate is named after the invoice of its registration link. Its state is read back when it is charged: until then
nothing depends on it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from connectors.base import GatewayAnswer, MandateAnswer, MandateChargeRequest, MandateRequest
from connectors.outcomes import nothing_moved_yet, reading
from connectors.payloads import Payload, optional_identifier, optional_text, require_url
from connectors.razorpay.api import RazorpayApi, id_of, receipt_of, wire_money
from connectors.razorpay.errors import GATEWAY_NAME
from connectors.razorpay.status import Source
from domain.errors import GatewayError, GatewayRejected
from domain.facts import Fact

CUSTOMER_PREFIX = "cust_"
REGISTRATION_AMOUNT_MINOR = 100
"""What the payer is charged to confirm a mandate by card, and gets back: one rupee."""

_STATUSES = {"paid": "active", "cancelled": "revoked", "expired": "failed"}


async def setup_mandate(api: RazorpayApi, request: MandateRequest) -> MandateAnswer:
    """Make a registration link, where the payer confirms the mandate; the answer has its `redirect_url`.

    Razorpay charges mandates by a customer's e-mail address and telephone number, which only its own customers have:
    raises GatewayRejected unless `customer_id` is one (`cust_…`).
    """
    if not request.customer_id.startswith(CUSTOMER_PREFIX):
        text = f"{GATEWAY_NAME} keeps mandates for its own customers only: their ids begin with {CUSTOMER_PREFIX}"
        raise GatewayRejected(text, field="customer_id")
    customer = await _customer(api, request.customer_id)
    registration: dict[str, object] = {"method": "card"}
    if request.max_amount_minor is not None:
        registration["max_amount"] = request.max_amount_minor
    data = {
        "customer": {name: customer.get(name) for name in ("name", "email", "contact")},
        "type": "link",
        "amount": REGISTRATION_AMOUNT_MINOR,
        "currency": request.currency,
        "description": "Confirmation of later charges",
        "subscription_registration": registration,
        "receipt": receipt_of(request.mandate_id),
        "sms_notify": 0,
        "email_notify": 0,
        "notes": {"mandate_id": request.mandate_id},
    }
    invoice = await api.one(lambda timeout: api.sdk.registration_link.create(data, timeout=timeout))
    with reading(GATEWAY_NAME):
        url = require_url(invoice, "short_url")
    return MandateAnswer(
        provider_reference=id_of(invoice),
        status=_STATUSES.get(str(invoice.get("status")), "pending"),
        customer_reference=optional_identifier(invoice.get("customer_id")) or request.customer_id,
        client_parameters={"redirect_url": url},
    )


async def charge_mandate(
    api: RazorpayApi, request: MandateChargeRequest, create_order: Callable[[], Awaitable[GatewayAnswer]]
) -> GatewayAnswer:
    """Charge a mandate on an order of its own, which is found again by its receipt.

    An order that was charged before is not charged again: its payments are returned. Banks may take a day or more, so
    the answer may have no facts yet. Raises GatewayRejected when the payer has not confirmed the mandate.
    """
    customer_id, token = request.customer_reference, request.payment_method_reference
    if customer_id is None or token is None:
        customer_id, token = await _read_mandate(api, request.mandate_reference)
    customer = await _customer(api, customer_id)
    with nothing_moved_yet():
        order = await create_order()
        payments = await api.payments_of(order.provider_reference)
        facts = await api.facts_of_payments(payments, Source(request.account))
    if not payments:
        amount, currency = wire_money(request)
        data = {
            "email": customer.get("email"),
            "contact": customer.get("contact"),
            "amount": amount,
            "currency": currency,
            "order_id": order.provider_reference,
            "customer_id": customer_id,
            "token": token,
            "recurring": 1,
            "description": request.description or f"Payment {request.payment_id}",
            "notes": {"payment_id": request.payment_id},
        }
        charge = await api.one(lambda timeout: api.sdk.payment.createRecurring(data, timeout=timeout))
        facts = await _read_back(api, charge, request.account)
    return replace(order, facts=tuple(facts), client_parameters={})


async def _read_back(api: RazorpayApi, charge: Payload, account: str) -> list[Fact]:
    # The charge was taken: that it cannot be read back at once must not make it look as if nobody knew.
    try:
        payment = await api.payment(str(charge.get("razorpay_payment_id")))
        return await api.facts_of_payments([payment], Source(account))
    except GatewayError:
        return []


async def _customer(api: RazorpayApi, customer_id: str) -> Payload:
    customer = await api.look_up(lambda timeout: api.sdk.customer.fetch(customer_id, timeout=timeout))
    if optional_text(customer.get("email")) is None or optional_text(customer.get("contact")) is None:
        raise GatewayRejected(f"the customer {customer_id} needs an e-mail address and a telephone number")
    return customer


async def _read_mandate(api: RazorpayApi, mandate_reference: str) -> tuple[str, str]:
    invoice = await api.look_up(lambda timeout: api.sdk.invoice.fetch(mandate_reference, timeout=timeout))
    payment_id = optional_identifier(invoice.get("payment_id"))
    if _STATUSES.get(str(invoice.get("status"))) != "active" or payment_id is None:
        raise GatewayRejected(f"the mandate {mandate_reference} is not confirmed", field="mandate_reference")
    payment = await api.look_up(lambda timeout: api.sdk.payment.fetch(payment_id, timeout=timeout))
    customer_id = optional_identifier(payment.get("customer_id"))
    token = optional_identifier(payment.get("token_id"))
    if customer_id is None or token is None:
        raise GatewayRejected(f"the mandate {mandate_reference} left no token to charge", field="mandate_reference")
    return customer_id, token
