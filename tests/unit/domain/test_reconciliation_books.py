"""What matches and resolutions post: always zero in sum, and the books as the other side tells them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput, OperationNotAllowed
from domain.matching import BreakKind
from domain.reconciliation_books import COUNTER_ACCOUNTS, Difference, Stage, adjustment_postings, match_postings

LOSSES = "losses:reconciliation"
RECEIVABLE = "gateway:stripe:receivable"
AMOUNTS = st.none() | st.integers(min_value=-(10**12), max_value=10**12)


def difference(stage: Stage, expected: int | None, actual: int | None, fee: int = 0) -> Difference:
    return Difference(stage=stage, gateway="stripe", expected_minor=expected, actual_minor=actual, fee_minor=fee)


@given(st.sampled_from(Stage), AMOUNTS, AMOUNTS, st.integers(min_value=0, max_value=10**9))
def test_postings_sum_to_zero_and_none_is_empty(
    stage: Stage, expected: int | None, actual: int | None, fee: int
) -> None:
    for postings in (
        match_postings(difference(stage, expected, actual, fee)),
        adjustment_postings(BreakKind.AMOUNT, difference(stage, expected, actual, fee), LOSSES),
    ):
        assert sum(amount for _, amount in postings) == 0
        assert all(amount for _, amount in postings)
        assert len({account for account, _ in postings}) == len(postings)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (difference(Stage.MOVEMENT, 1_000, 1_000, 59), {RECEIVABLE: -59, "fees:gateway": 59}),
        (difference(Stage.MOVEMENT, 1_000, 1_000), {}),
        (difference(Stage.MOVEMENT, -400, -400), {}),
        (difference(Stage.GATEWAY_PAYOUT, 941, 941), {"bank:settlement": 941, RECEIVABLE: -941}),
        (
            difference(Stage.GATEWAY_PAYOUT, 941, 940),
            {"bank:settlement": 940, RECEIVABLE: -941, "fees:adjustments": 1},
        ),
        (difference(Stage.PAYOUT, -500, -500), {}),
    ],
)
def test_a_match_posts_what_nobody_has_posted(found: Difference, expected: dict[str, int]) -> None:
    assert dict(match_postings(found)) == expected


@pytest.mark.parametrize(
    ("kind", "found", "expected"),
    [
        (
            BreakKind.AMOUNT,
            difference(Stage.MOVEMENT, 1_000, 900, 20),
            {RECEIVABLE: -120, "fees:gateway": 20, LOSSES: 100},
        ),
        (BreakKind.MISSING_HERE, difference(Stage.MOVEMENT, None, 300), {RECEIVABLE: 300, LOSSES: -300}),
        (BreakKind.MISSING_THERE, difference(Stage.MOVEMENT, 300, None), {RECEIVABLE: -300, LOSSES: 300}),
        (BreakKind.MISSING_HERE, difference(Stage.GATEWAY_PAYOUT, None, 70), {"bank:settlement": 70, LOSSES: -70}),
        (BreakKind.MISSING_THERE, difference(Stage.GATEWAY_PAYOUT, 70, None), {RECEIVABLE: -70, LOSSES: 70}),
        (BreakKind.AMOUNT, difference(Stage.PAYOUT, -500, -510), {"bank:settlement": -10, LOSSES: 10}),
        (BreakKind.DUPLICATE, difference(Stage.PAYOUT, None, -500), {"bank:settlement": -500, LOSSES: 500}),
    ],
)
def test_an_adjustment_makes_the_books_agree(kind: BreakKind, found: Difference, expected: dict[str, int]) -> None:
    assert dict(adjustment_postings(kind, found, LOSSES)) == expected


def test_what_cannot_be_set_right_by_a_posting_is_refused() -> None:
    with pytest.raises(OperationNotAllowed):
        adjustment_postings(BreakKind.CURRENCY, difference(Stage.MOVEMENT, 1, 2), LOSSES)
    with pytest.raises(OperationNotAllowed):
        adjustment_postings(BreakKind.MISSING_THERE, difference(Stage.PAYOUT, -5, None), LOSSES)
    for account in ("recipient:tenant:demo:payable", "losses", ""):
        with pytest.raises(InvalidInput):
            adjustment_postings(BreakKind.AMOUNT, difference(Stage.MOVEMENT, 1, 2), account)
    assert LOSSES in COUNTER_ACCOUNTS
