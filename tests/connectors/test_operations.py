"""Every claimed operation fails in the house's terms, tells no secret, and sends nothing twice; no other is there."""

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping

import pytest

from connectors.base import (
    PROTOCOLS,
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
from devstack.ports import free_port
from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from tests.connectors.case import ACCOUNT, GatewayCases
from tests.connectors.fault_server import Fault, answers, fault_server, hangs_up, is_silent

TIMEOUTS = Timeouts(connect_seconds=2.0, read_seconds=0.3, total_seconds=5.0)
CUSTOMERS = {"stripe": "cus_1", "razorpay": "cust_1"}
WITHOUT_A_CALL = {Capability.VERIFIES_WEBHOOKS, Capability.VERIFIES_REDIRECTS, Capability.GIVES_INSTRUCTIONS}
"""What is proven or told without asking a gateway. A redirect is read back by the status fetch."""

Operation = Callable[[object, GatewayCases], Awaitable[object]]


def movement(cases: GatewayCases) -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-2",
        provider_reference=cases.payment_reference,
        capture_reference=cases.capture_reference,
        amount_minor=1200,
        currency="USD",
    )


def create_order(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, CreatesOrders)
    request = OrderRequest(
        payment_id="payment-1", account=ACCOUNT, idempotency_key="command-1", amount_minor=1200, currency="USD"
    )
    return connector.create_order(request)


def authorize(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, Authorizes)
    request = AuthorizationRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        provider_reference=cases.payment_reference,
        payment_method_token="pm_1",
    )
    return connector.authorize(request)


def capture(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, Captures)
    return connector.capture(movement(cases))


def void(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, Voids)
    return connector.void(movement(cases))


def reverse(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, Reverses)
    return connector.reverse(movement(cases))


def refund(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, Refunds)
    return connector.refund(movement(cases))


def increment(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, IncrementsAuthorization)
    return connector.increment_authorization(movement(cases))


def fetch_status(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, FetchesStatus)
    return connector.fetch_status(
        StatusRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=cases.payment_reference)
    )


def setup_mandate(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, SetsUpMandates)
    request = MandateRequest(
        mandate_id="mandate-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        customer_id=CUSTOMERS[cases.gateway],
        currency="USD",
    )
    return connector.setup_mandate(request)


def charge_mandate(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, ChargesMandates)
    request = MandateChargeRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=1200,
        currency="USD",
        mandate_reference="mandate-1",
    )
    return connector.charge_mandate(request)


def store_payment_method(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, StoresPaymentMethods)
    request = PaymentMethodRequest(account=ACCOUNT, idempotency_key="command-1", customer_id="me", token="pm_1")
    return connector.store_payment_method(request)


def create_payment_link(connector: object, cases: GatewayCases) -> Awaitable[object]:
    assert isinstance(connector, CreatesPaymentLinks)
    request = PaymentLinkRequest(
        payment_link_id="link-1",
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=1200,
        currency="USD",
        description="Two coffees",
    )
    return connector.create_payment_link(request)


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


def claimed(cases: GatewayCases) -> list[Operation]:
    return [OPERATIONS[capability] for capability in OPERATIONS if cases.registration.has(capability)]


async def failure_of(operation: Operation, cases: GatewayCases, url: str) -> GatewayError:
    credentials = cases.registration.credentials.model_validate({**cases.credentials, "api_base": url})
    connector = cases.connect(credentials, TIMEOUTS)
    try:
        with pytest.raises(GatewayError) as failure:
            await operation(connector, cases)
    finally:
        await connector.aclose()
    return failure.value


def test_every_operation_is_in_the_table() -> None:
    assert OPERATIONS.keys() | WITHOUT_A_CALL == PROTOCOLS.keys()


def test_what_is_not_claimed_is_not_there(cases: GatewayCases) -> None:
    connector = cases.connector()

    for capability, protocol in PROTOCOLS.items():
        assert isinstance(connector, protocol) == cases.registration.has(capability), capability


async def test_every_claimed_operation_without_a_connection_had_no_effect(cases: GatewayCases) -> None:
    for operation in claimed(cases):
        failure = await failure_of(operation, cases, f"http://127.0.0.1:{free_port()}")
        assert type(failure) is GatewayUnavailable, operation


@pytest.mark.parametrize("fault", [is_silent, hangs_up, answers(500, {}), answers(200, [])])
async def test_every_claimed_operation_without_an_answer_is_sent_once(cases: GatewayCases, fault: Fault) -> None:
    for operation in claimed(cases):
        async with fault_server(fault) as server:
            failure = await failure_of(operation, cases, server.url)
        assert isinstance(failure, OutcomeUnknown | GatewayUnavailable), operation
        assert sum(server.requests.values()) == 1, operation
        if type(failure) is GatewayUnavailable:
            # A look-up failed before anything was sent; a card's customer is made before the card is stored.
            assert "POST" not in server.requests or operation is store_payment_method, operation


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_no_claimed_operation_tells_a_secret(
    cases: GatewayCases, status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = [value for name, value in cases.credentials.items() if "secret" in name]
    said = str(secrets) if status != 400 else "it is not right"
    body = {
        "error": {"type": "invalid_request_error", "code": "BAD_REQUEST_ERROR", "message": said, "description": said}
    }
    told = ""
    with caplog.at_level(logging.DEBUG):
        for operation in claimed(cases):
            async with fault_server(answers(status, body)) as server:
                failure = await failure_of(operation, cases, server.url)
            assert type(failure) is GatewayRejected, operation
            told += "".join(traceback.format_exception(failure)) + repr(failure)
    printed = capsys.readouterr()

    for secret in secrets:
        assert secret not in told + caplog.text + printed.out + printed.err
