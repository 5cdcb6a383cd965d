"""What the demo promises: a day that lacks any of it is no success, and the summary says so on a hundred columns."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from devstack.demo.expectations import REFUSALS, expectations_of
from devstack.demo.figures import Figures
from devstack.demo.payday import Payday, Payout
from devstack.demo.reconciling import FoundBreak, Reconciled
from devstack.demo.stripe_report import PlantedBreak
from devstack.demo.summary import show, to_json
from devstack.demo.treasury import SentFile
from domain.settlement import BatchStatus
from services.audit.report import AuditReport

PLANTED = PlantedBreak(charge_id="ch_1", currency="USD", recorded_minor=10_000, reported_minor=9_900)
FOUND = FoundBreak(
    kind="amount",
    currency="USD",
    expected_minor=10_000,
    actual_minor=9_900,
    detail="the books have 100.00 USD (capture:stripe:ch_1), stripe tells of 99.00 USD",
    items=("capture:stripe:ch_1", "line:1"),
)


def payout(status: BatchStatus, *, approved_by: str | None, required: int = 0, reference: str | None = None) -> Payout:
    return Payout(
        recipient="tenant:demo",
        currency="INR",
        status=status.value,
        entry_count=2,
        gross_minor=100_000,
        fee_minor=5_900,
        net_minor=94_100,
        created_by="settlement-agent",
        approved_by=approved_by,
        required_approvals=required,
        bank_reference=reference,
    )


EXECUTED = payout(BatchStatus.COMPLETED, approved_by="bob", required=1, reference="BANK-1")
AUTOMATIC = payout(BatchStatus.APPROVED, approved_by="settlement-agent")
HELD = payout(BatchStatus.DRAFT, approved_by=None, required=2)
FILE = SentFile(
    path=Path(".paystream/demo/files/payouts-2026-01-02-12345678.xml"),
    format="pain.001.001.09",
    transfer_count=1,
    totals={"INR": 94_100},
    digest="ab" * 32,
)
RECONCILED = Reconciled(
    gateway_report=Path(".paystream/demo/files/stripe-balance.csv"),
    bank_statement=Path(".paystream/demo/files/bank-statement.xml"),
    gateway_lines=120,
    bank_lines=1,
    matched=120,
    waiting=0,
    by_kind={"amount": 1},
    breaks=(FOUND,),
    planted=PLANTED,
)
DAY = Payday(
    file=FILE,
    reconciled=RECONCILED,
    payouts=(EXECUTED, AUTOMATIC, HELD),
    refusals=("ann confirms her own: no",) * REFUSALS,
)


def figures(day: Payday) -> Figures:
    return Figures(
        payments=[("completed", "INR", 2, 100_000, 0)],
        ledger=[("fees:revenue", "INR", -5_900), ("gateway:razorpay:receivable", "INR", 5_900)],
        windows=[],
        carried=[("tenant:demo", "JPY", 3, 716_295)],
        callbacks={"raw": 2},
        latency_milliseconds={"count": 2, "p50": 10.0, "p99": 20.0, "max": 20.0},
        differences_from_plan=[],
        payday=day,
        audit=AuditReport(()),
        broker="kafka",
        seconds=42.0,
    )


def shown(day: Payday) -> str:
    console = Console(file=io.StringIO(), width=100)
    show(figures(day), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_day_with_all_of_it_holds() -> None:
    assert all(one.holds for one in expectations_of(DAY))
    assert figures(DAY).holds
    assert to_json(figures(DAY))["holds"] is True


LACKING = {
    "nothing executed": replace(DAY, payouts=(AUTOMATIC, HELD)),
    "executed without a reference": replace(DAY, payouts=(replace(EXECUTED, bank_reference=None), AUTOMATIC, HELD)),
    "approved by its maker": replace(DAY, payouts=(replace(EXECUTED, approved_by="settlement-agent"), AUTOMATIC, HELD)),
    "nothing approved by itself": replace(DAY, payouts=(EXECUTED, HELD)),
    "nothing held": replace(DAY, payouts=(EXECUTED, AUTOMATIC)),
    "no bank file": replace(DAY, file=None),
    "another sum": replace(DAY, file=replace(FILE, totals={"INR": 94_101})),
    "a refusal too few": replace(DAY, refusals=DAY.refusals[1:]),
    "no reconciliation": replace(DAY, reconciled=None),
    "no break": replace(DAY, reconciled=replace(RECONCILED, breaks=())),
    "two breaks": replace(DAY, reconciled=replace(RECONCILED, breaks=(FOUND, FOUND))),
    "a break elsewhere": replace(
        DAY, reconciled=replace(RECONCILED, breaks=(replace(FOUND, items=("capture:stripe:ch_2",)),))
    ),
    "another amount": replace(DAY, reconciled=replace(RECONCILED, breaks=(replace(FOUND, actual_minor=9_901),))),
    "something did not match": replace(DAY, reconciled=replace(RECONCILED, matched=119)),
    "a problem": replace(DAY, problems=("NotFound: there is no payout batch",)),
}


@pytest.mark.parametrize("day", LACKING.values(), ids=LACKING.keys())
def test_a_day_that_lacks_any_of_it_fails(day: Payday) -> None:
    assert not all(one.holds for one in expectations_of(day))
    assert not figures(day).holds
    assert "Something does not hold." in shown(day)
    assert "✗" in shown(day)


def test_the_summary_fits_a_hundred_columns_and_says_what_matters() -> None:
    text = shown(DAY)
    assert max(map(len, text.splitlines())) <= 100
    for told in (
        "completed",
        "approved",
        "draft",
        "carried over",
        str(FILE.path),
        "1 payments: 941.00 INR",
        FILE.digest,
        "120; 0 wait",
        "1 amount",
        "amount break, planted",
        "100.00 USD",
        "99.00 USD",
        "Every invariant holds.",
    ):
        assert told in text


def test_a_break_that_nobody_planted_is_told_apart() -> None:
    stranger = replace(FOUND, kind="duplicate")
    assert "duplicate break, not planted" in shown(replace(DAY, reconciled=replace(RECONCILED, breaks=(stranger,))))
