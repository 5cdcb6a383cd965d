"""The settlement benchmark's figures: speeds from counts and seconds; no success without batches or with a breach."""

import io
from dataclasses import replace

from rich.console import Console

from bench.resources import Resources
from bench.settlement_report import SettlementReport, show
from services.audit.report import CheckResult


def checked(violations: int) -> CheckResult:
    return CheckResult(name="batch_totals", description="", examined=4_000, violations=(), violation_count=violations)


REPORT = SettlementReport(
    entries=1_000_000,
    recipients=2_001,
    cadence="daily",
    count_seconds=100.0,
    close_seconds=60.0,
    audit_seconds=9.0,
    windows=4_002,
    batches=4_000,
    resources=Resources(
        process_before=90.0, process=120.0, database=400.0, process_seconds=70.0, database_seconds=130.0
    ),
    checks=[checked(0)],
    machine={"processor": "a processor", "database": "a database"},
)


def test_speeds_follow_from_counts_and_seconds() -> None:
    figures = REPORT.to_json()
    assert (figures["holds"], figures["seconds"]) == (True, 160.0)
    assert figures["entries_per_second"] == 6_250
    assert figures["counted_entries_per_second"] == 10_000
    assert figures["closed_windows_per_second"] == 66.7
    assert figures["process_peak_mebibytes"] == 120
    assert figures["checks"] == {"batch_totals": True}


def test_a_breach_or_nothing_paid_is_no_success() -> None:
    assert not replace(REPORT, checks=[checked(1)]).holds
    assert not replace(REPORT, batches=0).holds


def test_people_see_speed_memory_and_checks() -> None:
    console = Console(file=io.StringIO(), width=100)
    show(replace(REPORT, checks=[checked(0), checked(1)]), console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= 100
    for told in (
        "1,000,000 entries",
        "4,002 windows into 4,000 batches",
        "6,250 entries",
        "120 MiB",
        "130 s in PostgreSQL",
        "✓",
        "✗",
    ):
        assert told in shown
