"""What the benchmarks' figures mean: which count, in which unit, and what is to be reached."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]
"""A run as JSON: figures by name, `bench` with the benchmark's name, `charts`, and the `machine`."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its key in the JSON, what it says, how many digits to show, and the bound it should keep."""

    key: str
    label: str
    digits: int = 0
    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool | None:
        """Say whether the value keeps the bound; None where there is none."""
        if self.at_least is not None:
            return value >= self.at_least
        return value <= self.at_most if self.at_most is not None else None

    def target(self) -> str:
        """The bound as text."""
        if self.at_least is not None:
            return f"≥ {self.at_least:,g}"
        return f"≤ {self.at_most:,g}" if self.at_most is not None else ""


FIGURES: dict[str, tuple[Figure, ...]] = {
    "pipeline": (
        Figure("ratio_to_naive", "pipeline to naive, a transaction per callback", 2, at_least=10),
        Figure("ratio_to_no_faust", "pipeline to the same batches without Faust", 2, at_least=0.6),
        Figure("ratio_to_naive_by_processor_time", "pipeline to naive, by processor time", 2),
        Figure("ratio_to_copy", "pipeline to COPY, the database's limit", 3),
        Figure("ratio_to_producer", "pipeline to the bare producer, the broker's limit", 3),
        Figure("pipeline_per_second", "callbacks a second, one worker process"),
    ),
    "ingress": (
        Figure("ratio_to_bare_asgi", "ingress to a bare 200, by processor time", 2, at_least=0.5),
        Figure("ratio_to_bare_asgi_by_rate", "the same by answers a second, all on the same cores", 2, at_least=0.5),
        Figure("ratio_to_raw_producer", "ingress to the bare producer, by records a second", 2),
        Figure("p99_ms_at_half_peak", "p99 at half its peak, ms", 1, at_most=25),
        Figure("p50_ms_at_half_peak", "p50 at half its peak, ms", 1),
        Figure("ingress_per_second", "callbacks stored a second, one process"),
        Figure("ingress_cpu_us", "processor time of a stored callback, µs", 1),
        Figure("bare_cpu_us", "processor time of a bare 200, µs", 1),
    ),
    "latency": (
        Figure("p50_ms", "callback to domain event at 30 % of peak, p50, ms", 1, at_most=60),
        Figure("p99_ms", "the same, p99, ms", 1, at_most=300),
        Figure("idle_p50_ms", "one at a time into an idle pipeline, p50, ms", 1),
        Figure("idle_p99_ms", "the same, p99, ms", 1),
        Figure("peak_per_second", "peak of the pipeline, callbacks a second"),
    ),
    "scaling": (
        Figure("ratio_two_to_one", "two worker processes to one, by callbacks a second", 2, at_least=1.6),
        Figure("ratio_two_to_one_by_cpu", "the same if cores were free: twice one's processor time by two's", 2),
    ),
    "growth": (
        Figure("cost_ratio_largest_to_smallest", "cost of a callback, largest size to smallest", 2, at_most=1.15),
        Figure("cost_deviation_percent", "cost of a callback: farthest size from the middle of all, %", 1),
        Figure("largest_payments", "payments stored at the largest size"),
        Figure("peak_memory_mb", "memory of the largest process, MB", 0, at_most=250),
        Figure("growth_mb_in_last_half", "what that process gained in the second half, MB", 1),
        Figure("outbox_peak_mb", "disk the outbox took at most, MB", 1),
        Figure("callbacks", "callbacks that memory was watched over"),
    ),
    "settlement": (
        Figure("entries_per_second", "entries counted and closed into batches, a second"),
        Figure("seconds", "seconds for all of it", 1),
        Figure("entries", "entries"),
        Figure("process_peak_mebibytes", "memory of the process at most, MiB"),
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A figure as people read it."""

    bench: str
    label: str
    value: str
    target: str
    met: bool | None


def rows_of(figures: Figures) -> list[Row]:
    """The figures that count of one run, those with a target first."""
    bench = figures["bench"]
    return [
        Row(bench, figure.label, f"{figures[figure.key]:,.{figure.digits}f}", figure.target(), figure.is_met(value))
        for figure in FIGURES[bench]
        if (value := figures.get(figure.key)) is not None
    ]


def to_markdown(runs: Iterable[Figures]) -> str:
    """One table of all runs, and a line about the machine below it."""
    runs = list(runs)
    rows = [row for run in runs for row in rows_of(run)]
    lines = ["| | | measured | target | |", "|---|---|---|---|---|"]
    lines += [f"| {row.bench} | {row.label} | {row.value} | {row.target} | {_verdict(met=row.met)} |" for row in rows]
    machines = dict.fromkeys(describe(run["machine"]) for run in runs if "machine" in run)
    return "\n".join([*lines, "", *machines]) + "\n"


def describe(machine: Mapping[str, Any]) -> str:
    """The machine in a line."""
    named: Sequence[str] = ("processor", "broker", "database", "python")
    said = [str(machine[name]) for name in named if name in machine]
    if "cores" in machine:
        said.insert(1, f"{machine['cores']} cores")
    return ", ".join(said) + "."


def _verdict(*, met: bool | None) -> str:
    return "" if met is None else ("met" if met else "missed")
