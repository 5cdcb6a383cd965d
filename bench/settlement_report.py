"""The figures of a run of the settlement benchmark: for people a table, for programs JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.resources import Resources
from services.audit.report import CheckResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementReport:
    """What was measured. Seconds are of the clock, unless they are a processor's."""

    entries: int
    recipients: int
    cadence: str
    count_seconds: float
    close_seconds: float
    audit_seconds: float
    windows: int
    batches: int
    resources: Resources
    checks: Sequence[CheckResult]
    machine: Mapping[str, Any]

    @property
    def holds(self) -> bool:
        """Whether every check of the audit holds, and something was paid."""
        return self.batches > 0 and all(check.holds for check in self.checks)

    @property
    def seconds(self) -> float:
        """Counting and closing together."""
        return self.count_seconds + self.close_seconds

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "holds": self.holds,
            "entries": self.entries,
            "recipients": self.recipients,
            "cadence": self.cadence,
            "windows": self.windows,
            "batches": self.batches,
            "seconds": round(self.seconds, 1),
            "entries_per_second": round(self.entries / self.seconds),
            "count_seconds": round(self.count_seconds, 1),
            "counted_entries_per_second": round(self.entries / self.count_seconds),
            "close_seconds": round(self.close_seconds, 1),
            "closed_windows_per_second": round(self.windows / self.close_seconds, 1),
            "process_processor_seconds": round(self.resources.process_seconds, 1),
            "database_processor_seconds": round(self.resources.database_seconds, 1),
            "audit_seconds": round(self.audit_seconds, 1),
            "process_before_mebibytes": round(self.resources.process_before),
            "process_peak_mebibytes": round(self.resources.process),
            "database_peak_mebibytes": round(self.resources.database),
            "checks": {check.name: check.holds for check in self.checks},
            "machine": dict(self.machine),
        }


def show(report: SettlementReport, console: Console) -> None:
    """Print what was done, how fast, with how much memory, and whether the audit holds."""
    figures = report.to_json()
    table = Table(title="Settlement: entries to payout batches", title_justify="left", title_style="bold")
    for header in ("step", "what", "seconds", "per second"):
        table.add_column(header, justify="left" if header in {"step", "what"} else "right")
    counted, closed = f"{report.entries:,} entries", f"{report.windows:,} windows into {report.batches:,} batches"
    table.add_row("count", counted, _fixed(report.count_seconds), f"{figures['counted_entries_per_second']:,} entries")
    table.add_row("close", closed, _fixed(report.close_seconds), f"{figures['closed_windows_per_second']:,.0f} windows")
    table.add_section()
    both = f"{report.recipients:,} recipients, {report.cadence} windows"
    table.add_row("both", both, _fixed(report.seconds), f"{figures['entries_per_second']:,} entries")
    console.print(table)
    used = report.resources
    console.print(
        f"This process had {used.process_before:,.0f} MiB before and at most {used.process:,.0f} MiB;"
        f" PostgreSQL at most {used.database:,.0f} MiB."
    )
    console.print(f"Processor time: {used.process_seconds:,.0f} s here, {used.database_seconds:,.0f} s in PostgreSQL.")
    for check in report.checks:
        mark = "[green]✓[/]" if check.holds else "[red]✗[/]"
        console.print(f"{mark} {check.name}: {check.examined:,} examined", highlight=False)
    machine = ", ".join(str(report.machine[name]) for name in ("processor", "database") if name in report.machine)
    console.print(f"Audited in {report.audit_seconds:,.0f} s. {machine}.", style="dim")


def _fixed(seconds: float) -> str:
    return f"{seconds:,.1f}"
