from collections.abc import Callable

import pytest

from domain.errors import AmountExceeded, InvalidInput, OperationNotAllowed
from domain.facts import Fact, FactKind
from domain.operations import OPERATIONS, Operation, capture_amount, check_operation, refund_amount
from domain.payment import PaymentState, PaymentTerms, Status

MakeFact = Callable[..., Fact]
FoldFacts = Callable[..., PaymentState]


def test_every_operation_stands_in_the_table() -> None:
    assert OPERATIONS.keys() == set(Operation)


def test_money_moves_only_from_the_statuses_that_hold_it() -> None:
    assert OPERATIONS[Operation.CAPTURE] == {Status.AUTHORIZED, Status.COMPLETED}
    assert OPERATIONS[Operation.VOID] == {Status.AUTHORIZED}
    assert OPERATIONS[Operation.REFUND] == {Status.COMPLETED, Status.PARTIALLY_REFUNDED}
    assert OPERATIONS[Operation.APPROVE] == OPERATIONS[Operation.REJECT] == {Status.PENDING_APPROVAL}


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.REFUNDED, Status.REVERSED])
def test_what_is_over_can_only_be_read_back_and_its_link_cancelled(status: Status) -> None:
    possible = {operation for operation, statuses in OPERATIONS.items() if status in statuses}
    assert possible == {Operation.SYNC, Operation.CANCEL_PAYMENT_LINK}


def test_a_refusal_says_what_was_asked_and_why_not() -> None:
    with pytest.raises(OperationNotAllowed, match="capture is not possible for a payment that is pending") as refusal:
        check_operation(Operation.CAPTURE, Status.PENDING)
    assert (refusal.value.code, refusal.value.field) == ("operation_not_allowed", "payment_id")


def test_a_capture_without_an_amount_takes_all_that_is_authorized(
    make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms
) -> None:
    state = folded(make_fact(FactKind.AUTHORIZED, 800))
    assert capture_amount(state, terms, None) == 800
    assert capture_amount(state, terms, 300) == 300
    assert capture_amount(PaymentState(), terms, None) == terms.amount_minor


def test_a_capture_above_the_authorization_is_refused(
    make_fact: MakeFact, folded: FoldFacts, terms: PaymentTerms
) -> None:
    with pytest.raises(AmountExceeded, match="801 is more than the 800 that is left to capture"):
        capture_amount(folded(make_fact(FactKind.AUTHORIZED, 800)), terms, 801)


def test_a_refund_without_an_amount_takes_all_that_is_left(make_fact: MakeFact, folded: FoldFacts) -> None:
    state = folded(make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 300))
    assert refund_amount(state, 0, None) == 700
    assert refund_amount(state, 200, None) == 500
    assert refund_amount(state, 200, 500) == 500


@pytest.mark.parametrize(("reserved_minor", "asked_minor"), [(0, 1001), (400, 601), (1000, 1), (1000, None)])
def test_a_refund_above_what_is_left_is_refused(
    make_fact: MakeFact, folded: FoldFacts, reserved_minor: int, asked_minor: int | None
) -> None:
    with pytest.raises(AmountExceeded) as refusal:
        refund_amount(folded(make_fact(FactKind.CAPTURED, 1000)), reserved_minor, asked_minor)
    assert refusal.value.field == "amount_minor"


@pytest.mark.parametrize("asked_minor", [0, -1])
def test_an_amount_that_is_not_above_zero_is_refused(make_fact: MakeFact, folded: FoldFacts, asked_minor: int) -> None:
    with pytest.raises(InvalidInput, match="above zero"):
        refund_amount(folded(make_fact(FactKind.CAPTURED, 1000)), 0, asked_minor)
