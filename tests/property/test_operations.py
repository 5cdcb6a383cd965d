"""Every pair of operation and status that is absent from the table is refused; all pairs are tried."""

from itertools import product

import pytest

from domain.errors import OperationNotAllowed
from domain.operations import OPERATIONS, Operation, check_operation
from domain.payment import Status

PAIRS = list(product(Operation, Status))
PRESENT = [(operation, status) for operation, status in PAIRS if status in OPERATIONS[operation]]
ABSENT = [pair for pair in PAIRS if pair not in PRESENT]


@pytest.mark.parametrize(("operation", "status"), ABSENT)
def test_an_absent_pair_is_refused_with_an_error_that_names_both(operation: Operation, status: Status) -> None:
    with pytest.raises(OperationNotAllowed) as refusal:
        check_operation(operation, status)
    what_was_asked, _, what_is = refusal.value.message.partition(" is not possible for a payment that is ")
    assert (what_was_asked, what_is) == (operation.value, status.value)


@pytest.mark.parametrize(("operation", "status"), PRESENT)
def test_a_present_pair_is_allowed(operation: Operation, status: Status) -> None:
    check_operation(operation, status)


def test_both_kinds_of_pairs_were_tried() -> None:
    assert PRESENT
    assert ABSENT
    assert len(PRESENT) + len(ABSENT) == len(Operation) * len(Status)
