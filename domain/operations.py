"""Which operation is legal in which status. Everything absent from the table is refused."""

from collections.abc import Mapping
from enum import StrEnum

from domain.errors import AmountExceeded, InvalidInput, OperationNotAllowed
from domain.payment import PaymentState, PaymentTerms, Status, totals


class Operation(StrEnum):
    """What a command may ask for an existing payment."""

    CREATE_ORDER = "create_order"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REVERSE = "reverse"
    REFUND = "refund"
    INCREMENT_AUTHORIZATION = "increment_authorization"
    SYNC = "sync"
    VERIFY_REDIRECT = "verify_redirect"
    COMPLETE = "complete"
    CANCEL = "cancel"
    APPROVE = "approve"
    REJECT = "reject"
    CANCEL_PAYMENT_LINK = "cancel_payment_link"


_OPEN = frozenset({Status.PENDING, Status.PROCESSING, Status.AUTHORIZED})

OPERATIONS: Mapping[Operation, frozenset[Status]] = {
    Operation.CREATE_ORDER: frozenset({Status.PENDING}),
    Operation.AUTHORIZE: frozenset({Status.PENDING}),
    # A second capture of the same authorization is possible where the gateway allows several.
    Operation.CAPTURE: frozenset({Status.AUTHORIZED, Status.COMPLETED}),
    Operation.VOID: frozenset({Status.AUTHORIZED}),
    Operation.REVERSE: frozenset({Status.COMPLETED}),
    Operation.REFUND: frozenset({Status.COMPLETED, Status.PARTIALLY_REFUNDED}),
    Operation.INCREMENT_AUTHORIZATION: frozenset({Status.AUTHORIZED}),
    Operation.SYNC: frozenset(Status) - {Status.PENDING_APPROVAL},
    Operation.VERIFY_REDIRECT: _OPEN | {Status.COMPLETED},
    Operation.COMPLETE: _OPEN | {Status.COMPLETED},
    Operation.CANCEL: frozenset({Status.PENDING, Status.PENDING_APPROVAL}),
    Operation.APPROVE: frozenset({Status.PENDING_APPROVAL}),
    Operation.REJECT: frozenset({Status.PENDING_APPROVAL}),
    Operation.CANCEL_PAYMENT_LINK: frozenset(Status),
}


def check_operation(operation: Operation, status: Status) -> None:
    """Raise OperationNotAllowed, naming both, unless the pair stands in the table."""
    if status not in OPERATIONS.get(operation, frozenset()):
        raise OperationNotAllowed(f"{operation} is not possible for a payment that is {status}", field="payment_id")


def capture_amount(state: PaymentState, terms: PaymentTerms, asked_minor: int | None) -> int:
    """The amount to capture: what was asked, or all that is authorized and not captured yet. Never above that."""
    sums = totals(state.steps)
    authorized = sums.authorized or terms.amount_minor
    return _within(asked_minor, authorized - sums.captured, "left to capture")


def incremented_amount(state: PaymentState, asked_minor: int) -> int:
    """The new total of an authorization; raises InvalidInput unless it is above the present one."""
    authorized = totals(state.steps).authorized
    if asked_minor <= authorized:
        raise InvalidInput(
            f"the new total {asked_minor} is not above the {authorized} that is authorized", field="amount_minor"
        )
    return asked_minor


def refund_amount(state: PaymentState, reserved_minor: int, asked_minor: int | None) -> int:
    """The amount to refund: what was asked, or all that is left.

    `reserved_minor` is what refund commands still under way may yet take. Raises AmountExceeded above what is left.
    """
    return _within(asked_minor, totals(state.steps).refundable - reserved_minor, "refundable")


def _within(asked_minor: int | None, available_minor: int, word: str) -> int:
    amount_minor = available_minor if asked_minor is None else asked_minor
    if asked_minor is not None and asked_minor <= 0:
        raise InvalidInput(f"the amount must be above zero, not {asked_minor}", field="amount_minor")
    if amount_minor > available_minor or amount_minor <= 0:
        raise AmountExceeded(
            f"{amount_minor} is more than the {max(0, available_minor)} that is {word}", field="amount_minor"
        )
    return amount_minor
