"""The outcome of a run: a table for people, and the same as JSON."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from rich.console import Console
from rich.table import Table

from chaos.findings import Findings


@dataclass(kw_only=True)
class ChaosReport:
    """The figures of one run.

    - `kills`: SIGKILLs among the faults. `restarted`: what stopped by itself and was started again.
    - `cases`: commands that a person had to decide.
    - `accepted`: deliveries answered with 2xx. `applied`, `duplicates`, `ignored`, `rejected`: what became of the raw
      records, by the audit.
    - `recovery_seconds`: by kind of fault, from its end to the first domain event of a callback taken after it.
    - `timeline`: while faults were injected, every few seconds: the second, callbacks taken, payments captured so far.
    """

    seed: int
    minutes: float
    seconds: float
    disk: str
    faults: Mapping[str, int]
    kills: int
    cases: int
    restarted: list[str]
    payments: int
    payments_by_gateway: Mapping[str, int]
    commands: int
    unknown_answers: int
    outcomes: Mapping[str, int]
    callbacks: int
    attempts: int
    answers: Mapping[str, int]
    accepted: int
    forged: int
    fates: Mapping[str, int]
    findings: Findings
    audit_holds: bool
    recovery_seconds: Mapping[str, list[float]] = field(default_factory=dict)
    timeline: Sequence[tuple[float, int, int]] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, doubled, or wrong in any other way."""
        return self.findings.holds and self.audit_holds

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        told_otherwise = {"findings", "recovery_seconds"}
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in told_otherwise}
        return {
            "holds": self.holds,
            **plain,
            "applied": self.fates.get("applied", 0),
            "duplicates": self.fates.get("duplicates", 0),
            "refused": self.fates.get("rejected", 0),
            "lost": self.findings.lost,
            "doubled": self.findings.doubled,
            "recovery": {kind: _spread(seconds) for kind, seconds in self.recovery_seconds.items()},
            "problem_counts": dict(self.findings.counts),
            "problems": self.findings.problems,
            "charts": self._charts(),
        }

    def _charts(self) -> list[dict[str, Any]]:
        """Charts, as benchmarks have them: how it went on in spite of the faults, and which faults took longest."""
        charts: list[dict[str, Any]] = []
        if len(self.timeline) > 1:
            lines = {
                "callbacks taken": [(second, taken) for second, taken, _ in self.timeline],
                "payments captured": [(second, captured) for second, _, captured in self.timeline],
            }
            title = f"Seed {self.seed}: what came through while faults were injected"
            charts.append({"kind": "lines", "title": title, "x": "seconds", "y": "so far", "lines": lines})
        bars = [(kind, 1_000 * _spread(seconds)["median"]) for kind, seconds in sorted(self.recovery_seconds.items())]
        if bars := [(kind, value) for kind, value in bars if value > 0]:
            charts.append({"kind": "bars", "title": "Milliseconds to recover, by fault (median)", "bars": bars})
        return charts


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(seconds), 1), "longest": round(max(seconds), 1)}


def show(report: ChaosReport, console: Console) -> None:
    """Print the report."""
    console.print()
    console.print(_faults(report))
    console.print(_figures(report))
    for kind, messages in report.findings.problems.items():
        console.print(f"[red]✗ {kind}[/red]: {report.findings.counts[kind]:,}")
        for message in messages:
            console.print(f"  {message}", markup=False, highlight=False, soft_wrap=True)
    verdict = "[bold green]Nothing lost, nothing doubled.[/]" if report.holds else "[bold red]Something is wrong.[/]"
    console.print(f"{verdict} Seed {report.seed}, {report.minutes:g} minutes of faults, {report.seconds:.0f} s in all.")


def _faults(report: ChaosReport) -> Table:
    table = Table(title="Faults", title_justify="left", title_style="bold")
    for name in ("fault", "times", "recovered after (median)", "(longest)"):
        table.add_column(name, justify="left" if name == "fault" else "right")
    for kind, times in sorted(report.faults.items()):
        spread = _spread(report.recovery_seconds[kind]) if report.recovery_seconds.get(kind) else None
        told = (f"{spread['median']:.1f} s", f"{spread['longest']:.1f} s") if spread else ("", "")
        table.add_row(kind, str(times), *told)
    return table


def _figures(report: ChaosReport) -> Table:
    table = Table(title="What was done, and what became of it", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("number", justify="right")
    rows = {
        "payments": report.payments,
        "commands sent": report.commands,
        **{f"commands that {outcome}": count for outcome, count in sorted(report.outcomes.items())},
        "interim answers “unknown”": report.unknown_answers,
        "commands that a person had to decide": report.cases,
        "callbacks": report.callbacks,
        "deliveries tried": report.attempts,
        "deliveries accepted (2xx)": report.accepted,
        **{f"raw records {name.replace('_', ' ')}": count for name, count in report.fates.items()},
        "processes killed": report.kills,
        "processes that stopped by themselves": len(report.restarted),
    }
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    table.add_section()
    for name, count in (("lost", report.findings.lost), ("doubled", report.findings.doubled)):
        table.add_row(name, f"{count:,}", style="green" if count == 0 else "red")
    return table
