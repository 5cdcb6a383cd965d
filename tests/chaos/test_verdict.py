"""What a verdict calls lost, and what doubled."""

from datetime import UTC, datetime

import pytest

from chaos.clerk import what_happened
from chaos.findings import KEPT, Findings
from chaos.shops.base import Order, Truth
from chaos.shops.stripe import StripeShop
from chaos.stories import Lived
from chaos.verdict import Books, compare_answers, compare_books
from topics.commands import CommandResult

TRUTH = Truth(captured_minor=1_000, refunded_minor=400, captures=1, refunds=1)


def lived(*refunds: tuple[str, int], dashboard_minor: int = 0) -> Lived:
    """A payment with the outcomes and amounts of its refund commands."""
    results = {f"refund-{number}": refund(number, *each) for number, each in enumerate(refunds)}
    shop = StripeShop("http://127.0.0.1:1", lambda: 0.0)
    order = Order(payment_id="pay", account="north", reference="pi_1")
    return Lived(shop, "pay", order, dashboard_minor, results)


def refund(number: int, outcome: str, amount_minor: int) -> CommandResult:
    values: dict[str, object] = {
        "command_id": f"refund-{number}",
        "subject_id": "pay",
        "payment_id": "pay",
        "account": "north",
    }
    values |= {"kind": "refund", "outcome": outcome, "completed_at": datetime.now(UTC), "currency": "USD"}
    return CommandResult.model_validate({**values, "amount_minor": amount_minor})


@pytest.mark.parametrize(
    ("books", "lost", "doubled"),
    [
        (Books(1_000, 400), 0, 0),
        (Books(1_000, 0), 1, 0),
        (Books(2_000, 400), 0, 1),
        (Books(0, 800), 1, 1),
        (None, 2, 0),
    ],
)
def test_what_is_not_booked_is_lost_and_what_is_booked_beyond_it_doubled(
    books: Books | None, lost: int, doubled: int
) -> None:
    findings = Findings()
    compare_books("pay", TRUTH, books, findings)
    assert (findings.lost, findings.doubled) == (lost, doubled)
    assert findings.holds is (lost + doubled == 0)


def test_answers_that_fit_the_gateway_are_fine() -> None:
    findings = Findings()
    compare_answers(lived(("succeeded", 300), ("refused", 700), dashboard_minor=100), TRUTH, findings)
    compare_answers(lived(("succeeded", 400), ("failed", 400)), TRUTH, findings)
    assert findings.holds


def test_a_refund_that_was_answered_and_not_made_is_lost() -> None:
    findings = Findings()
    compare_answers(lived(("succeeded", 400), ("succeeded", 400)), TRUTH, findings)
    assert (findings.lost, findings.doubled) == (1, 0)


def test_a_refund_that_was_made_twice_is_doubled() -> None:
    findings = Findings()
    compare_answers(lived(("succeeded", 400)), Truth(1_000, 800, 1, 2), findings)
    assert (findings.lost, findings.doubled) == (0, 1)


def test_two_captures_are_a_double_charge() -> None:
    findings = Findings()
    compare_answers(lived(), Truth(2_000, 0, 2, 0), findings)
    assert findings.doubled == 1


def test_all_problems_are_counted_and_some_are_told() -> None:
    findings = Findings()
    for number in range(KEPT + 5):
        findings.add("callback_lost", f"delivery {number}", lost=True)
    assert findings.counts["callback_lost"] == findings.lost == KEPT + 5
    assert len(findings.problems["callback_lost"]) == KEPT


def test_the_clerk_believes_the_dashboard() -> None:
    unexplained = lived(("unknown", 400))
    assert what_happened("refund", 400, unexplained, TRUTH) == "succeeded"
    explained = lived(("succeeded", 400), ("unknown", 400))
    assert what_happened("refund", 400, explained, TRUTH) == "failed"
    by_hand = lived(("unknown", 400), dashboard_minor=400)
    assert what_happened("refund", 400, by_hand, TRUTH) == "failed"
    assert what_happened("capture", 0, lived(), TRUTH) == "succeeded"
    assert what_happened("capture", 0, lived(), Truth(0, 0, 0, 0)) == "failed"
