"""The one place where a command becomes a call of a connector's Protocol."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from connectors.base import (
    AuthorizationRequest,
    Authorizes,
    Capability,
    Captures,
    CreatesOrders,
    FetchesStatus,
    IncrementsAuthorization,
    MovementRequest,
    OrderRequest,
    RedirectRequest,
    Refunds,
    Reverses,
    StatusRequest,
    VerifiesRedirects,
    Voids,
)
from connectors.registry import get_registration
from domain.errors import CapabilityMissing, OperationNotAllowed
from domain.facts import FactKind
from domain.movements import REFUND_KINDS, movement_standing
from domain.payment import PaymentState, totals
from services.gateways import ConnectorSource
from storage.payments import PaymentRecord
from topics.commands import AuthorizePayment, CreateOrder, CreatePayment, PaymentCommandBase, VerifyRedirect


@dataclass(frozen=True, slots=True)
class GatewayCall:
    """A call that waits to be made: which Protocol the connector must have, and the call itself."""

    protocol: type
    make: Callable[[Any], Awaitable[object]]


async def call_gateway(gateways: ConnectorSource, account: str, gateway: str, call: GatewayCall) -> object:
    """Make the call through the account's circuit.

    Raises the GatewayError branch of the tree, NotFound without credentials, CapabilityMissing when the connector
    cannot.
    """
    connector = await gateways.connector(account, gateway)
    if not isinstance(connector, call.protocol):
        raise CapabilityMissing(f"the connector {type(connector).__name__} is no {call.protocol.__name__}")
    with gateways.circuit(account, gateway):
        return await call.make(connector)


def create_call(command: CreatePayment | CreateOrder, payment: PaymentRecord, _: int | None = None) -> GatewayCall:
    """Set a payment up."""
    request = OrderRequest(
        payment_id=payment.id,
        account=payment.terms.account,
        idempotency_key=command.command_id,
        amount_minor=payment.terms.amount_minor,
        currency=payment.terms.currency,
        manual_capture=payment.manual_capture,
        description=payment.description,
        return_url=command.return_url,
        payment_method=command.payment_method,
        metadata=payment.metadata,
    )
    return GatewayCall(CreatesOrders, lambda connector: connector.create_order(request))


def authorize_call(command: AuthorizePayment, payment: PaymentRecord, _: int | None) -> GatewayCall:
    """Put a payment method to a payment."""
    request = AuthorizationRequest(
        payment_id=payment.id,
        account=payment.terms.account,
        idempotency_key=command.command_id,
        provider_reference=_reference(payment),
        payment_method_token=command.payment_method_token,
        amount_minor=payment.terms.amount_minor,
        currency=payment.terms.currency,
        manual_capture=payment.manual_capture,
        return_url=command.return_url,
    )
    return GatewayCall(Authorizes, lambda connector: connector.authorize(request))


_MOVEMENTS: dict[str, tuple[type, Callable[[Any, MovementRequest], Awaitable[object]]]] = {
    "capture": (Captures, lambda connector, request: connector.capture(request)),
    "void": (Voids, lambda connector, request: connector.void(request)),
    "cancel": (Voids, lambda connector, request: connector.void(request)),
    "reverse": (Reverses, lambda connector, request: connector.reverse(request)),
    "refund": (Refunds, lambda connector, request: connector.refund(request)),
    "increment_authorization": (
        IncrementsAuthorization,
        lambda connector, request: connector.increment_authorization(request),
    ),
}


def movement_call(command: Any, payment: PaymentRecord, amount_minor: int | None) -> GatewayCall:  # noqa: ANN401 - by kind
    """Capture, void, reverse, refund or raise."""
    request = MovementRequest(
        payment_id=payment.id,
        account=payment.terms.account,
        idempotency_key=command.command_id,
        provider_reference=_reference(payment),
        amount_minor=amount_minor or 0,
        currency=payment.terms.currency,
        authorization_reference=payment.authorization_reference,
        capture_reference=only_capture(payment.state),
        reason=getattr(command, "reason", None),
    )
    protocol, make = _MOVEMENTS[command.kind]
    return GatewayCall(protocol, lambda connector: make(connector, request))


def status_call(
    _: PaymentCommandBase, payment: PaymentRecord, __: int | None, *, provider_reference: str | None = None
) -> GatewayCall:
    """Read a payment back."""
    return fetch_call(payment, provider_reference or _reference(payment))


def fetch_call(payment: PaymentRecord, provider_reference: str) -> GatewayCall:
    """Read back what the gateway knows under a name."""
    request = StatusRequest(
        payment_id=payment.id,
        account=payment.terms.account,
        provider_reference=provider_reference,
        authorization_reference=payment.authorization_reference,
        refund_references=open_refunds(payment.state),
    )
    return GatewayCall(FetchesStatus, lambda connector: connector.fetch_status(request))


def redirect_call(command: VerifyRedirect, payment: PaymentRecord, _: int | None) -> GatewayCall:
    """Check what the browser brought back."""
    request = RedirectRequest(
        payment_id=payment.id,
        account=payment.terms.account,
        provider_reference=_reference(payment),
        authorization_reference=payment.authorization_reference,
        parameters=command.parameters,
    )
    return GatewayCall(VerifiesRedirects, lambda connector: connector.verify_redirect(request))


def open_refunds(state: PaymentState, hinted: Iterable[str] = ()) -> tuple[str, ...]:
    """The references of refunds that are neither carried out nor failed, the ones that were only hinted at included."""
    told = {step.reference for step in state.steps if step.kind in REFUND_KINDS and step.reference is not None}
    ended = {each for each in told if movement_standing(state.steps, each, REFUND_KINDS)[0] != "pending"}
    return tuple(sorted((told | set(hinted)) - ended))


def only_capture(state: PaymentState) -> str | None:
    """The reference of the payment's capture when it has exactly one."""
    references = {step.reference for step in state.steps if step.kind is FactKind.CAPTURED}
    return references.pop() if len(references) == 1 else None


def check_capability(gateway: str, capability: Capability, operation: str, *, currency: str | None = None) -> None:
    """Raise CapabilityMissing, naming gateway and operation, when the gateway's API has no such call."""
    registration = get_registration(gateway)
    if not registration.has(capability):
        raise CapabilityMissing(f"{registration.display_name} has no {operation}: its API lacks such a call")
    if currency is not None and currency not in registration.currencies:
        raise CapabilityMissing(f"{registration.display_name} does not take {currency}", field="currency")


def check_partial(payment: PaymentRecord, operation: str, amount_minor: int) -> None:
    """Raise CapabilityMissing when the amount is partial and the gateway takes only the whole."""
    sums = totals(payment.state.steps)
    partial = {
        "capture": (Capability.PARTIAL_CAPTURES, sums.authorized),
        "refund": (Capability.PARTIAL_REFUNDS, sums.captured),
    }.get(operation)
    if partial is None:
        return
    capability, whole = partial
    registration = get_registration(payment.terms.gateway)
    if amount_minor != whole and not registration.has(capability):
        raise CapabilityMissing(
            f"{registration.display_name} has no partial {operation}: it takes only the whole of {whole}",
            field="amount_minor",
        )


def _reference(payment: PaymentRecord) -> str:
    if payment.provider_reference is None:
        raise OperationNotAllowed("the payment is not set up at its gateway yet", field="payment_id")
    return payment.provider_reference
