from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.facts import Fact, FactKind
from domain.fees import FeeOnRefund
from domain.ledger import (
    DISPUTES_HELD,
    EXCESS_LOSSES,
    FEES_REVENUE,
    Cause,
    Movement,
    movements,
    payable_account,
    receivable_account,
)
from domain.payment import PaymentState, PaymentTerms, Split, fold

MakeFact = Callable[..., Fact]

STRIPE = receivable_account("stripe")
SHOP = payable_account("tenant", "shop")
COURIER = payable_account("partner", "courier")


def post(terms: PaymentTerms, *facts: Fact) -> list[Movement]:
    """What folding the facts one at a time posts."""
    state, posted = PaymentState(), []
    for fact in facts:
        after = fold(state, terms, fact)
        posted += movements(state, after, terms)
        state = after
    return posted


def balances(posted: list[Movement]) -> dict[str, int]:
    """Balance per account, in minor units; debits are positive, accounts at zero are left out."""
    sums: Counter[str] = Counter()
    for movement in posted:
        assert sum(amount for _, amount in movement.postings) == 0
        for account, amount in movement.postings:
            sums[account] += amount
    return {account: amount for account, amount in sums.items() if amount}


def gross_by_cause(posted: list[Movement]) -> dict[Cause, int]:
    """What all recipients together gained by each cause."""
    sums: Counter[Cause] = Counter()
    for movement in posted:
        sums[movement.cause] += sum(share.gross_minor for share in movement.shares)
    return {cause: amount for cause, amount in sums.items() if amount}


def test_a_capture_owes_each_recipient_its_part_less_its_fee(make_fact: MakeFact, terms: PaymentTerms) -> None:
    with_fees = replace(terms, fee_basis_points=290, fee_fixed_minor=30)
    posted = post(with_fees, make_fact(FactKind.CAPTURED, 1000))
    assert balances(posted) == {STRIPE: 1000, SHOP: -847, COURIER: -94, FEES_REVENUE: -59}
    (movement,) = posted
    assert movement.cause is Cause.CAPTURE
    assert [(share.gross_minor, share.fee_minor, share.net_minor) for share in movement.shares] == [
        (900, 53, 847),
        (100, 6, 94),
    ]


def test_what_moves_no_money_posts_nothing(make_fact: MakeFact, terms: PaymentTerms) -> None:
    kinds = (FactKind.PROCESSING, FactKind.AUTHORIZED, FactKind.FAILED, FactKind.CANCELLED, FactKind.REVERSED)
    assert post(terms, *(make_fact(kind, 1000) for kind in kinds)) == []


def test_a_repeated_capture_posts_once(make_fact: MakeFact, terms: PaymentTerms) -> None:
    capture = make_fact(FactKind.CAPTURED, 1000, "ch_1")
    assert len(post(terms, capture, capture, make_fact(FactKind.CAPTURED, 1000, "ch_1"))) == 1


def test_captures_in_parts_end_like_one_capture(make_fact: MakeFact, terms: PaymentTerms) -> None:
    with_fees = replace(terms, fee_basis_points=290, fee_fixed_minor=30)
    parts = [make_fact(FactKind.CAPTURED, amount, f"ch_{amount}") for amount in (332, 333, 335)]
    whole = make_fact(FactKind.CAPTURED, 1000)
    assert balances(post(with_fees, *parts)) == balances(post(with_fees, whole))


def test_a_growing_capture_posts_the_growth(make_fact: MakeFact, terms: PaymentTerms) -> None:
    posted = post(terms, make_fact(FactKind.CAPTURED, 300, "ch_1"), make_fact(FactKind.CAPTURED, 1000, "ch_1"))
    assert [dict(movement.postings)[STRIPE] for movement in posted] == [300, 700]


@pytest.mark.parametrize("parts", [(1000,), (1, 999), (333, 333, 334), (7,) * 142 + (6,)])
def test_a_refund_in_pieces_takes_back_exactly_what_each_recipient_got(
    make_fact: MakeFact, terms: PaymentTerms, parts: tuple[int, ...]
) -> None:
    three = replace(terms, splits=(Split("tenant", "a", 429), Split("tenant", "b", 428), Split("tenant", "c", 143)))
    refunds = [make_fact(FactKind.REFUNDED, amount, f"re_{number}") for number, amount in enumerate(parts)]
    assert balances(post(three, make_fact(FactKind.CAPTURED, 1000), *refunds)) == {}


def test_the_fee_stays_with_us_when_a_payment_is_refunded(make_fact: MakeFact, terms: PaymentTerms) -> None:
    with_fees = replace(terms, fee_basis_points=290)
    posted = post(with_fees, make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 1000))
    assert balances(posted) == {SHOP: 26, COURIER: 3, FEES_REVENUE: -29}


def test_no_refund_takes_more_from_a_recipient_than_it_got(make_fact: MakeFact, terms: PaymentTerms) -> None:
    # By the weights alone the last of these gets 1 of 11, yet would have to give back 2 of 10.
    paradox = replace(terms, splits=(Split("tenant", "a", 6), Split("tenant", "b", 6), Split("tenant", "c", 2)))
    posted = post(paradox, make_fact(FactKind.CAPTURED, 11), make_fact(FactKind.REFUNDED, 10))
    assert all(owed < 0 for account, owed in balances(posted).items() if account != STRIPE)


def test_a_refund_before_its_capture_is_posted_with_it(make_fact: MakeFact, terms: PaymentTerms) -> None:
    refund, capture = make_fact(FactKind.REFUNDED, 400), make_fact(FactKind.CAPTURED, 1000)
    assert post(terms, refund) == []
    assert balances(post(terms, refund, capture)) == balances(post(terms, capture, refund))


def test_a_refund_before_the_capture_it_needs_is_our_loss_only_until_then(
    make_fact: MakeFact, terms: PaymentTerms
) -> None:
    first, second = (make_fact(FactKind.CAPTURED, amount, f"ch_{amount}") for amount in (300, 700))
    refund = make_fact(FactKind.REFUNDED, 500)
    assert balances(post(terms, first, refund)) == {STRIPE: -200, EXCESS_LOSSES: 200}
    assert balances(post(terms, first, refund, second)) == {STRIPE: 500, SHOP: -450, COURIER: -50}


def test_a_refund_that_failed_is_posted_back(make_fact: MakeFact, terms: PaymentTerms) -> None:
    capture, refund = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 400, "re_1")
    failed = make_fact(FactKind.REFUND_FAILED, None, "re_1")
    assert balances(post(terms, capture, refund, failed)) == balances(post(terms, capture))
    assert [movement.cause for movement in post(terms, capture, refund, failed)] == [
        Cause.CAPTURE,
        Cause.REFUND,
        Cause.REFUND,
    ]


def test_a_pending_refund_moves_nothing(make_fact: MakeFact, terms: PaymentTerms) -> None:
    capture = make_fact(FactKind.CAPTURED, 1000)
    assert post(terms, capture, make_fact(FactKind.REFUND_PENDING, 400)) == post(terms, capture)


def test_an_open_dispute_is_held_and_a_won_one_released(make_fact: MakeFact, terms: PaymentTerms) -> None:
    capture, opened = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.DISPUTE_OPENED, 400, "dp_1")
    won = make_fact(FactKind.DISPUTE_WON, 400, "dp_1")
    assert balances(post(terms, capture, opened)) == {STRIPE: 600, DISPUTES_HELD: 400, SHOP: -900, COURIER: -100}
    assert balances(post(terms, capture, opened, won)) == balances(post(terms, capture))


def test_a_lost_dispute_is_taken_back_from_the_recipients(make_fact: MakeFact, terms: PaymentTerms) -> None:
    facts = [
        make_fact(FactKind.CAPTURED, 1000),
        make_fact(FactKind.DISPUTE_OPENED, 400, "dp_1"),
        make_fact(FactKind.DISPUTE_LOST, 400, "dp_1"),
    ]
    assert balances(post(terms, *facts)) == {STRIPE: 600, SHOP: -540, COURIER: -60}
    assert balances(post(terms, *reversed(facts))) == balances(post(terms, *facts))


def test_a_refund_and_a_lost_dispute_debit_recipients_once_and_the_excess_is_ours(
    make_fact: MakeFact, terms: PaymentTerms
) -> None:
    capture, refund = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 600)
    lost = make_fact(FactKind.DISPUTE_LOST, 1000)
    for order in ((capture, refund, lost), (lost, capture, refund), (refund, lost, capture)):
        posted = post(terms, *order)
        assert balances(posted) == {STRIPE: -600, EXCESS_LOSSES: 600}
        assert gross_by_cause(posted) == {Cause.CAPTURE: 1000, Cause.REFUND: -600, Cause.DISPUTE_LOST: -400}


def test_a_reversal_takes_back_what_no_refund_has(make_fact: MakeFact, terms: PaymentTerms) -> None:
    capture, reversal = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REVERSED)
    refund = make_fact(FactKind.REFUNDED, 400)
    assert balances(post(terms, capture, reversal)) == {}
    assert balances(post(terms, reversal, capture)) == {}
    assert balances(post(terms, capture, refund, reversal)) == {}
    by_cause = {Cause.CAPTURE: 1000, Cause.REFUND: -400, Cause.REVERSAL: -600}
    assert gross_by_cause(post(terms, reversal, refund, capture)) == by_cause


def test_one_recipient_in_two_parts_is_owed_both(make_fact: MakeFact, terms: PaymentTerms) -> None:
    twice = replace(terms, splits=(Split("tenant", "shop", 900), Split("tenant", "shop", 100)))
    assert balances(post(twice, make_fact(FactKind.CAPTURED, 1000))) == {STRIPE: 1000, SHOP: -1000}


@pytest.mark.parametrize("parts", [(1000,), (1, 999), (333, 333, 334), (7,) * 142 + (6,)])
def test_a_returned_fee_goes_back_whole_with_a_refund_in_pieces(
    make_fact: MakeFact, terms: PaymentTerms, parts: tuple[int, ...]
) -> None:
    returned = replace(terms, fee_basis_points=290, fee_fixed_minor=30, fee_on_refund=FeeOnRefund.RETURNED)
    refunds = [make_fact(FactKind.REFUNDED, amount, f"re_{number}") for number, amount in enumerate(parts)]
    assert balances(post(returned, make_fact(FactKind.CAPTURED, 1000), *refunds)) == {}


def test_a_part_of_the_fee_goes_back_with_a_part_of_the_capture(make_fact: MakeFact, terms: PaymentTerms) -> None:
    returned = replace(terms, fee_basis_points=290, fee_fixed_minor=30, fee_on_refund=FeeOnRefund.RETURNED)
    capture, refund = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 500)
    posted = post(returned, capture, refund)
    # 59 · 500 / 1000 = 29.5, half-even 30; the shares of 53 and 6 give back 27 and 3.
    assert [(share.gross_minor, share.fee_minor) for share in posted[1].shares] == [(-450, -27), (-50, -3)]
    assert balances(posted) == {STRIPE: 500, SHOP: -424, COURIER: -47, FEES_REVENUE: -29}
    assert balances(post(returned, refund, capture)) == balances(posted)


def test_a_reversal_gives_the_fee_back_and_a_lost_dispute_does_not(make_fact: MakeFact, terms: PaymentTerms) -> None:
    returned = replace(terms, fee_basis_points=290, fee_on_refund=FeeOnRefund.RETURNED)
    capture, refund = make_fact(FactKind.CAPTURED, 1000), make_fact(FactKind.REFUNDED, 300)
    reversal, lost = make_fact(FactKind.REVERSED), make_fact(FactKind.DISPUTE_LOST, 1000)
    assert balances(post(returned, capture, refund, reversal)) == {}
    assert balances(post(returned, reversal, refund, capture)) == {}
    assert balances(post(returned, capture, lost)) == {SHOP: 26, COURIER: 3, FEES_REVENUE: -29}


def test_the_fee_a_refund_gives_back_follows_a_capture_that_grows(make_fact: MakeFact, terms: PaymentTerms) -> None:
    returned = replace(terms, fee_basis_points=290, fee_fixed_minor=30, fee_on_refund=FeeOnRefund.RETURNED)
    small, whole = make_fact(FactKind.CAPTURED, 300, "ch_1"), make_fact(FactKind.CAPTURED, 1000, "ch_1")
    refund = make_fact(FactKind.REFUNDED, 250)
    expected = balances(post(returned, whole, refund))
    assert balances(post(returned, small, refund, whole)) == expected
    assert balances(post(returned, refund, small, whole)) == expected


def test_a_minimum_fee_is_charged_and_a_maximum_is_not_passed(make_fact: MakeFact, terms: PaymentTerms) -> None:
    limited = replace(terms, fee_basis_points=290, fee_min_minor=50, fee_max_minor=55)
    assert balances(post(limited, make_fact(FactKind.CAPTURED, 100)))[FEES_REVENUE] == -50
    assert balances(post(limited, make_fact(FactKind.CAPTURED, 1800)))[FEES_REVENUE] == -52
    assert balances(post(limited, make_fact(FactKind.CAPTURED, 9000)))[FEES_REVENUE] == -55


def test_a_small_capture_with_a_large_fee_leaves_nobody_in_debt(make_fact: MakeFact, terms: PaymentTerms) -> None:
    splits = (Split("tenant", "a", 6), Split("tenant", "b", 6), Split("tenant", "c", 2))
    posted = post(replace(terms, splits=splits, fee_fixed_minor=10), make_fact(FactKind.CAPTURED, 11))
    assert all(share.net_minor >= 0 for movement in posted for share in movement.shares)
