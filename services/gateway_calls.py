"""The one place where a command becomes a call of a connector's Protocol."""

from dataclasses import dataclass
from typing import Self

from connectors.base import (
    Capability,
    Captures,
    CreatesOrders,
    FetchesStatus,
    GatewayAnswer,
    MovementRequest,
    OrderRequest,
    Refunds,
    StatusRequest,
)
from connectors.registry import get_registration
from domain.errors import CapabilityMissing
from domain.payment import PaymentState, totals
from storage.payments import PaymentRecord
from topics.commands import CapturePayment, Command, CreatePayment, RefundPayment


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayCall:
    """A request to a gateway, by kind of operation."""

    request: OrderRequest | MovementRequest | StatusRequest
    kind: str
    amount_minor: int | None

    @classmethod
    def create(cls, command: CreatePayment) -> Self:
        """Set a payment up."""
        request = OrderRequest(
            payment_id=command.payment_id,
            account=command.account,
            idempotency_key=command.command_id,
            amount_minor=command.amount_minor,
            currency=command.currency,
            manual_capture=command.manual_capture,
            description=command.description,
            metadata=command.metadata,
        )
        return cls(request=request, kind=command.kind, amount_minor=command.amount_minor)

    @classmethod
    def follow_up(cls, command: Command, payment: PaymentRecord, amount_minor: int | None) -> Self:
        """Capture, refund or read back a payment that its gateway knows by now."""
        reference = payment.provider_reference or ""
        if amount_minor is None:
            status = StatusRequest(payment_id=payment.id, account=payment.terms.account, provider_reference=reference)
            return cls(request=status, kind=command.kind, amount_minor=None)
        request = MovementRequest(
            payment_id=payment.id,
            account=payment.terms.account,
            idempotency_key=command.command_id,
            provider_reference=reference,
            amount_minor=amount_minor,
            currency=payment.terms.currency,
            capture_reference=only_capture(payment.state),
            reason=command.reason if isinstance(command, RefundPayment) else None,
        )
        return cls(request=request, kind=command.kind, amount_minor=amount_minor)


def only_capture(state: PaymentState) -> str | None:
    """The reference of the payment's capture when it has exactly one."""
    references = {step.reference for step in state.steps if step.kind == "captured"}
    return references.pop() if len(references) == 1 else None


def check_capability(gateway: str, command: Command) -> None:
    """Raise CapabilityMissing, naming gateway and operation, when the gateway's API has no such call."""
    registration = get_registration(gateway)
    needed = {
        "create_payment": Capability.CREATES_ORDERS,
        "capture": Capability.CAPTURES,
        "refund": Capability.REFUNDS,
        "sync": Capability.FETCHES_STATUS,
    }[command.kind]
    if not registration.has(needed):
        raise CapabilityMissing(f"{registration.display_name} cannot {command.kind}: its API has no such call")
    if isinstance(command, CreatePayment) and command.currency not in registration.currencies:
        raise CapabilityMissing(f"{registration.display_name} does not take {command.currency}", field="currency")


def check_partial(gateway: str, command: Command, payment: PaymentRecord, amount_minor: int) -> None:
    """Raise CapabilityMissing when the amount is partial and the gateway takes only the whole."""
    registration, sums = get_registration(gateway), totals(payment.state.steps)
    if isinstance(command, CapturePayment):
        partial, capability, whole = amount_minor != sums.authorized, Capability.PARTIAL_CAPTURES, sums.authorized
    else:
        partial, capability, whole = amount_minor != sums.captured, Capability.PARTIAL_REFUNDS, sums.captured
    if partial and not registration.has(capability):
        raise CapabilityMissing(
            f"{registration.display_name} takes only the whole of {whole} for {command.kind}", field="amount_minor"
        )


async def call_gateway(connector: object, call: GatewayCall) -> GatewayAnswer:
    """Make the call. Raises the GatewayError branch of the tree."""
    request = call.request
    if isinstance(request, OrderRequest) and isinstance(connector, CreatesOrders):
        return await connector.create_order(request)
    if isinstance(request, MovementRequest) and call.kind == "capture" and isinstance(connector, Captures):
        return await connector.capture(request)
    if isinstance(request, MovementRequest) and call.kind == "refund" and isinstance(connector, Refunds):
        return await connector.refund(request)
    if isinstance(request, StatusRequest) and isinstance(connector, FetchesStatus):
        return await connector.fetch_status(request)
    raise CapabilityMissing(f"the connector {type(connector).__name__} cannot {call.kind}")
