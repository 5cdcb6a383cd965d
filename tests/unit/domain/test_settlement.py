from datetime import UTC, datetime

import pytest

from domain.errors import InvariantViolated, OperationNotAllowed
from domain.settlement import (
    BATCH_TRANSITIONS,
    ApprovalRules,
    BatchStatus,
    BatchTotals,
    EntryTotals,
    Recipient,
    batch_totals,
    check_transition,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_batch_pays_its_entries_less_what_it_holds_and_with_what_it_releases() -> None:
    entries = EntryTotals(gross_minor=1100, fee_minor=30, net_minor=1070, entry_count=3, payment_count=2)
    totals = batch_totals(entries, ("pay_1", "pay_2"), held_minor=107, released_minor=40)
    assert totals == BatchTotals(1100, 30, 1003, 3, ("pay_1", "pay_2"), 107, 40)
    assert totals.entries_net_minor == 1070


def test_entries_that_do_not_add_up_stop_the_batch() -> None:
    with pytest.raises(InvariantViolated, match="971"):
        EntryTotals(gross_minor=1000, fee_minor=30, net_minor=971, entry_count=1)


@pytest.mark.parametrize(("net_minor", "people"), [(1, 0), (100, 0), (101, 1), (500, 1), (501, 2)])
def test_the_larger_a_batch_the_more_people_approve_it(net_minor: int, people: int) -> None:
    assert ApprovalRules(auto_approve_minor=100, second_approval_minor=500).required(net_minor) == people


def test_without_a_second_threshold_one_person_approves_any_batch() -> None:
    assert ApprovalRules(auto_approve_minor=0).required(10**15) == 1


def test_of_two_thresholds_that_contradict_each_other_the_stricter_counts() -> None:
    assert ApprovalRules(auto_approve_minor=1000, second_approval_minor=100).required(500) == 2


@pytest.mark.parametrize("old", BatchStatus)
@pytest.mark.parametrize("new", BatchStatus)
def test_a_batch_moves_only_along_the_table(old: BatchStatus, new: BatchStatus) -> None:
    if new in BATCH_TRANSITIONS[old]:
        check_transition("batch_1", old, new)
        return
    with pytest.raises(OperationNotAllowed, match=f"batch_1 is {old} and cannot become {new}"):
        check_transition("batch_1", old, new)


def test_a_batch_that_is_done_stays_done() -> None:
    assert {status for status, following in BATCH_TRANSITIONS.items() if not following} == {
        BatchStatus.COMPLETED,
        BatchStatus.FAILED,
    }


def test_the_key_of_a_recipient_tells_account_type_id_and_currency_apart() -> None:
    assert Recipient("demo", "tenant", "shop", "USD").key == "demo:tenant:shop:USD"
