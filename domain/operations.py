"""Which operation is legal in which status. Everything absent from the table is refused."""

from collections.abc import Mapping
from enum import StrEnum

from domain.errors import AmountExceeded, InvalidInput, OperationNotAllowed
from domain.payment import PaymentState, PaymentTerms, Status, totals


class Operation(StrEnum):
    """What a command may ask for an existing payment."""

    CAPTURE = "capture"
    REFUND = "refund"
    SYNC = "sync"


OPERATIONS: Mapping[Operation, frozenset[Status]] = {
    Operation.CAPTURE: frozenset({Status.AUTHORIZED}),
    Operation.REFUND: frozenset({Status.COMPLETED, Status.PARTIALLY_REFUNDED}),
    Operation.SYNC: frozenset(Status),
}


def check_operation(operation: Operation, status: Status) -> None:
    """Raise OperationNotAllowed, naming both, unless the pair stands in the table."""
    if status not in OPERATIONS.get(operation, frozenset()):
        raise OperationNotAllowed(f"a payment that is {status} cannot be {_PAST[operation]}", field="payment_id")


def capture_amount(state: PaymentState, terms: PaymentTerms, asked_minor: int | None) -> int:
    """The amount to capture: what was asked, or all that is authorized. Never above the authorization."""
    authorized = totals(state.steps).authorized or terms.amount_minor
    return _within(asked_minor, authorized, "authorized")


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


_PAST = {Operation.CAPTURE: "captured", Operation.REFUND: "refunded", Operation.SYNC: "synchronized"}
