"""Stripe's setup intents and stored payment methods, and charges without the payer present.

A mandate is named after its setup intent. Its state is read back when it is charged: until then nothing depends on it.
"""

from dataclasses import replace

import stripe

from connectors.base import (
    GatewayAnswer,
    MandateAnswer,
    MandateChargeRequest,
    MandateRequest,
    PaymentMethodRequest,
    StoredPaymentMethod,
)
from connectors.outcomes import unreadable
from connectors.payloads import Payload, optional_text, part_of
from connectors.stripe.api import (
    EXPANDED,
    StripeApi,
    answer_of_intent,
    id_of,
    parameters_of_action,
    stripe_amount,
)
from connectors.stripe.errors import GATEWAY_NAME
from connectors.stripe.status import name_of
from domain.errors import GatewayRejected

CUSTOMER_PREFIX = "cus_"

_STATUSES = {"succeeded": "active", "canceled": "revoked"}


async def setup_mandate(api: StripeApi, request: MandateRequest) -> MandateAnswer:
    """Begin a mandate: with a payment method it is confirmed at once, without one the payer's client does it.

    `customer_id` may be Stripe's own (`cus_…`); for any other, a customer is created that carries it as metadata.
    Stripe keeps `max_amount_minor` only as a note: holding to it is up to whoever charges.
    """
    customer = await _customer_of(api, request.customer_id, request.idempotency_key)
    metadata = {"mandate_id": request.mandate_id, "customer_id": request.customer_id}
    if request.max_amount_minor is not None:
        metadata["max_amount"] = f"{request.max_amount_minor} {request.currency}"
    params: stripe.params.SetupIntentCreateParams = {
        "customer": customer,
        "usage": "off_session",
        "metadata": metadata,
    }
    if request.payment_method_token is not None:
        params |= {"payment_method": request.payment_method_token, "confirm": True}
        if request.return_url is None:
            # Stripe wants an address to return to for payment methods that lead the payer to another page.
            params["automatic_payment_methods"] = {"enabled": True, "allow_redirects": "never"}
        else:
            params["return_url"] = request.return_url
    call = api.v1.setup_intents.create_async(params, {"idempotency_key": request.idempotency_key})
    intent = await api.one(call)
    status = status_of_setup(intent)
    return MandateAnswer(
        provider_reference=id_of(intent),
        status=status,
        customer_reference=customer,
        # A token that is told is charged without another look at the mandate, so only a confirmed one is.
        payment_method_reference=name_of(intent.get("payment_method")) if status == "active" else None,
        client_parameters=parameters_of_action(intent, api.credentials),
    )


def status_of_setup(intent: Payload) -> str:
    """Return what a setup intent means for its mandate: pending, active, failed or revoked."""
    if intent.get("status") == "requires_payment_method" and intent.get("last_setup_error"):
        return "failed"
    return _STATUSES.get(str(intent.get("status")), "pending")


async def charge_mandate(api: StripeApi, request: MandateChargeRequest) -> GatewayAnswer:
    """Charge a mandate in a payment intent of its own.

    Customer and payment method are read from the mandate's setup intent unless both are given. Raises GatewayRejected
    when the payer has not confirmed the mandate, GatewayDeclined when the issuer refuses or wants the payer present.
    """
    customer, method = request.customer_reference, request.payment_method_reference
    if customer is None or method is None:
        customer, method = await _read_mandate(api, request.mandate_reference)
    params: stripe.params.PaymentIntentCreateParams = {
        "amount": stripe_amount(request.amount_minor, request.currency),
        "currency": request.currency.lower(),
        "customer": customer,
        "payment_method": method,
        "off_session": True,
        "confirm": True,
        "metadata": {"payment_id": request.payment_id},
        "expand": EXPANDED,
    }
    if request.description is not None:
        params["description"] = request.description
    call = api.v1.payment_intents.create_async(params, {"idempotency_key": request.idempotency_key})
    intent = await api.one(call)
    answer = answer_of_intent(intent, request.account)
    return replace(answer, client_parameters=parameters_of_action(intent, api.credentials))


async def store_payment_method(api: StripeApi, request: PaymentMethodRequest) -> StoredPaymentMethod:
    """Attach a payment method to a customer, Stripe's own (`cus_…`) or one created for the purpose."""
    customer = await _customer_of(api, request.customer_id, request.idempotency_key)
    call = api.v1.payment_methods.attach_async(
        request.token, {"customer": customer}, {"idempotency_key": request.idempotency_key}
    )
    method = await api.one(call)
    kind = optional_text(method.get("type"))
    if kind is None:
        raise unreadable(GATEWAY_NAME)
    details = part_of(method, kind)
    return StoredPaymentMethod(
        provider_reference=id_of(method),
        customer_reference=customer,
        kind=kind,
        brand=optional_text(details.get("brand")),
        last_four=optional_text(details.get("last4")),
        expires=_expiry(details),
    )


async def _customer_of(api: StripeApi, customer_id: str, idempotency_key: str) -> str:
    if customer_id.startswith(CUSTOMER_PREFIX):
        return customer_id
    params: stripe.params.CustomerCreateParams = {"metadata": {"customer_id": customer_id}}
    call = api.v1.customers.create_async(params, {"idempotency_key": f"{idempotency_key}:customer"})
    return id_of(await api.look_up(call))


async def _read_mandate(api: StripeApi, mandate_reference: str) -> tuple[str, str]:
    intent = await api.look_up(api.v1.setup_intents.retrieve_async(mandate_reference))
    customer, method = name_of(intent.get("customer")), name_of(intent.get("payment_method"))
    if status_of_setup(intent) != "active" or customer is None or method is None:
        raise GatewayRejected(f"the mandate {mandate_reference} is not confirmed", field="mandate_reference")
    return customer, method


def _expiry(details: Payload) -> str | None:
    month, year = details.get("exp_month"), details.get("exp_year")
    return f"{month:02}/{year}" if type(month) is int and type(year) is int else None
