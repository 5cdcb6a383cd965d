"""Stripe's report in the demo: what the local Stripe has recorded, as Stripe would write it, with one wrong amount."""

from typing import Any

import pytest

from devstack.demo.stripe_report import PLANTED_MINOR, PlantedBreak, StripeRecords, write_report
from domain.errors import InvariantViolated
from domain.statement_lines import LineKind
from services.statement_matching.parsers import stripe_report

CREATED = 1_767_323_045


def transaction(number: int, source: str, amount: int, currency: str = "usd") -> dict[str, Any]:
    kind = "charge" if source.startswith("ch_") else "refund"
    same = {"type": kind, "reporting_category": kind, "currency": currency, "created": CREATED + number}
    return {"id": f"txn_{number}", "source": source, "amount": amount, "net": amount, "fee": 0, **same}


def records(*transactions: dict[str, Any], rest_of: str | None = None) -> StripeRecords:
    charges = {one["source"] for one in transactions if one["type"] == "charge"}
    refunds = {one["source"]: rest_of for one in transactions if one["type"] == "refund"}
    return StripeRecords(
        transactions=list(transactions),
        charges={charge: {"id": charge, "payment_intent": f"pi_{charge}"} for charge in charges},
        refunds={
            refund: {"id": refund, "charge": rest_of or "ch_1", "payment_intent": None if rest_of else "pi_ch_1"}
            for refund in refunds
        },
    )


def test_one_amount_is_wrong_and_everything_else_is_as_recorded() -> None:
    content, planted = write_report(
        records(transaction(1, "ch_1", 1_000), transaction(2, "ch_2", 9_000), transaction(3, "re_1", -300))
    )
    assert planted == PlantedBreak(
        charge_id="ch_2", currency="USD", recorded_minor=9_000, reported_minor=9_000 + PLANTED_MINOR
    )
    lines = stripe_report.parse(content)
    assert [(line.kind, line.names[0], line.net_minor) for line in lines] == [
        (LineKind.CAPTURE, "ch1", 1_000),
        (LineKind.CAPTURE, "ch2", 8_900),
        (LineKind.REFUND, "re1", -300),
    ]


def test_the_break_is_in_dollars_if_there_are_any() -> None:
    _, planted = write_report(records(transaction(1, "ch_1", 1_000), transaction(2, "ch_2", 90_000, "jpy")))
    assert planted.charge_id == "ch_1"
    _, planted = write_report(records(transaction(2, "ch_2", 90_000, "jpy")))
    assert (planted.charge_id, planted.reported_minor) == ("ch_2", 89_900)


def test_what_was_not_captured_is_no_refund() -> None:
    part = (transaction(1, "ch_1", 1_000), transaction(2, "re_1", -600))
    content, planted = write_report(records(*part, transaction(3, "ch_2", 500), rest_of="ch_1"))
    assert planted.charge_id == "ch_2"
    lines = stripe_report.parse(content)
    assert [(line.kind, line.net_minor) for line in lines] == [(LineKind.CAPTURE, 400), (LineKind.CAPTURE, 400)]


def test_without_a_charge_there_is_nothing_to_plant() -> None:
    with pytest.raises(InvariantViolated, match="no charge"):
        write_report(records())
