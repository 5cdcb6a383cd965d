"""Every operation that a gateway's API may have, asked for by the names of its table."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from connectors.base import (
    AuthorizationRequest,
    Authorizes,
    Capability,
    Captures,
    ChargesMandates,
    CreatesOrders,
    CreatesPaymentLinks,
    FetchesStatus,
    IncrementsAuthorization,
    MandateChargeRequest,
    MandateRequest,
    MovementRequest,
    OrderRequest,
    PaymentLinkRequest,
    PaymentMethodRequest,
    Refunds,
    Reverses,
    SetsUpMandates,
    StatusRequest,
    StoresPaymentMethods,
    Voids,
)
from connectors.outcomes import Timeouts
from tests.connectors.case import ACCOUNT, GatewayCases
from tests.connectors.fault_server import Fault, FaultServer, fault_server

RETURN_URL = "https://shop.example/back"

Operation = Callable[[object, GatewayCases], Awaitable[object]]


def order(cases: GatewayCases, amount_minor: int | None = None, currency: str | None = None) -> OrderRequest:
    """A payment to set up, of the table's amount unless another is given."""
    return OrderRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=cases.amount_minor if amount_minor is None else amount_minor,
        currency=cases.currency if currency is None else currency,
        return_url=RETURN_URL,
    )


def create_order(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Set a payment up."""
    assert isinstance(connector, CreatesOrders)
    return connector.create_order(order(cases))


def authorize(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Put a payment method to the payment."""
    assert isinstance(connector, Authorizes)
    request = AuthorizationRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        provider_reference=cases.payment_reference,
        payment_method_token=cases.payment_method_token,
        amount_minor=cases.amount_minor,
        currency=cases.currency,
        return_url=RETURN_URL,
    )
    return connector.authorize(request)


def capture(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Capture the authorization."""
    assert isinstance(connector, Captures)
    return connector.capture(_movement(cases))


def void(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Let the authorization go."""
    assert isinstance(connector, Voids)
    return connector.void(_movement(cases))


def reverse(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Take the capture back."""
    assert isinstance(connector, Reverses)
    return connector.reverse(_movement(cases))


def refund(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Refund the capture."""
    assert isinstance(connector, Refunds)
    return connector.refund(_movement(cases))


def increment(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Raise the authorization."""
    assert isinstance(connector, IncrementsAuthorization)
    return connector.increment_authorization(_movement(cases))


def fetch_status(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Read the payment back."""
    assert isinstance(connector, FetchesStatus)
    request = StatusRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        provider_reference=cases.payment_reference,
        authorization_reference=cases.authorization_reference,
    )
    return connector.fetch_status(request)


def setup_mandate(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Begin a mandate."""
    assert isinstance(connector, SetsUpMandates)
    request = MandateRequest(
        mandate_id="mandate-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        customer_id=cases.customer,
        currency=cases.currency,
        payment_method_token=cases.mandate_token,
        max_amount_minor=cases.amount_minor,
        return_url=RETURN_URL,
    )
    return connector.setup_mandate(request)


def charge_mandate(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Charge a mandate."""
    assert isinstance(connector, ChargesMandates)
    request = MandateChargeRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=cases.amount_minor,
        currency=cases.currency,
        mandate_reference=cases.mandate_reference,
        customer_reference=cases.customer_reference,
        payment_method_reference=cases.payment_method_reference,
    )
    return connector.charge_mandate(request)


def store_payment_method(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Keep a payment method of a customer who is new at the gateway."""
    assert isinstance(connector, StoresPaymentMethods)
    request = PaymentMethodRequest(
        account=ACCOUNT, idempotency_key="command-1", customer_id="me", token=cases.payment_method_token
    )
    return connector.store_payment_method(request)


def create_payment_link(connector: object, cases: GatewayCases) -> Awaitable[object]:
    """Make a link to pay by."""
    assert isinstance(connector, CreatesPaymentLinks)
    request = PaymentLinkRequest(
        payment_link_id="link-1",
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=cases.amount_minor,
        currency=cases.currency,
        description="Two coffees",
    )
    return connector.create_payment_link(request)


def _movement(cases: GatewayCases) -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-2",
        provider_reference=cases.payment_reference,
        authorization_reference=cases.authorization_reference,
        capture_reference=cases.capture_reference,
        amount_minor=cases.amount_minor,
        currency=cases.currency,
    )


OPERATIONS: Mapping[Capability, Operation] = {
    Capability.CREATES_ORDERS: create_order,
    Capability.AUTHORIZES: authorize,
    Capability.CAPTURES: capture,
    Capability.VOIDS: void,
    Capability.REVERSES: reverse,
    Capability.REFUNDS: refund,
    Capability.FETCHES_STATUS: fetch_status,
    Capability.INCREMENTS_AUTHORIZATION: increment,
    Capability.SETS_UP_MANDATES: setup_mandate,
    Capability.CHARGES_MANDATES: charge_mandate,
    Capability.STORES_PAYMENT_METHODS: store_payment_method,
    Capability.CREATES_PAYMENT_LINKS: create_payment_link,
}


def calls(cases: GatewayCases) -> Mapping[Capability, Operation]:
    """The operations that the gateway's registration claims and its connector asks the gateway for."""
    asked = cases.registration.capabilities - cases.without_a_call
    return {capability: operation for capability, operation in OPERATIONS.items() if capability in asked}


@asynccontextmanager
async def connected(cases: GatewayCases, url: str, timeouts: Timeouts) -> AsyncIterator[Any]:
    """A connector of the table's account at a stand-in."""
    credentials = cases.registration.credentials.model_validate({**cases.credentials, "api_base": url})
    connector = cases.connect(credentials, timeouts)
    try:
        yield connector
    finally:
        await connector.aclose()


@asynccontextmanager
async def failing(cases: GatewayCases, fault: Fault, *, on_get: Fault | None = None) -> AsyncIterator[FaultServer]:
    """A stand-in of the gateway that fails, once what comes before the call that matters has succeeded."""
    async with fault_server(
        fault,
        on_get=on_get,
        preliminary=cases.preliminary,
        read_paths=cases.read_paths,
        read_forms=cases.read_forms,
    ) as server:
        yield server
