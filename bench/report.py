"""The figures of a run of the benchmark: medians, ratios, the table for people and the JSON for programs."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(slots=True)
class Speeds:
    """Callbacks (or rows, or records) per second, one figure per repeat."""

    pipeline: list[float] = field(default_factory=list)
    facts_committed: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    no_faust: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)
    producer: list[float] = field(default_factory=list)
    processor_microseconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By side and process, what a callback cost, one figure per repeat."""

    def note_processor_time(self, side: str, used_seconds: Mapping[str, float], callbacks: int) -> None:
        """Add what the processes of a side used for so many callbacks."""
        known = self.processor_microseconds.setdefault(side, {})
        for name, seconds in used_seconds.items():
            known.setdefault(name, []).append(seconds / callbacks * 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """Everything that was measured in one run."""

    callbacks: int
    naive_callbacks: int
    speeds: Speeds
    latencies_milliseconds: Sequence[float]
    machine: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values; speeds and ratios are medians over the repeats, `runs` has every figure."""
        pipeline = statistics.median(self.speeds.pipeline)
        medians = {name: statistics.median(figures) for name, figures in self._runs().items()}
        ratios = {f"ratio_to_{name}": round(pipeline / medians[name], 3) for name in _BASELINES}
        return {
            **ratios,
            "bench": "pipeline",
            **{f"{name}_per_second": round(figure, 1) for name, figure in medians.items()},
            **self._processor_time(),
            **self._latency(),
            "callbacks": self.callbacks,
            "naive_callbacks": self.naive_callbacks,
            "repeats": len(self.speeds.pipeline),
            "runs": {name: [round(figure, 1) for figure in figures] for name, figures in self._runs().items()},
            "charts": [self._chart(medians)],
            "machine": dict(self.machine),
        }

    @staticmethod
    def _chart(medians: Mapping[str, float]) -> dict[str, Any]:
        sides = {"pipeline": "the pipeline, with its events", "naive": "naive", "no_faust": "no Faust"}
        sides |= {"producer": "the bare producer", "copy": "COPY, rows"}
        bars = [[label, round(medians[side])] for side, label in sides.items()]
        return {"kind": "bars", "title": "From raw topic to committed: callbacks a second", "bars": bars}

    def _runs(self) -> dict[str, list[float]]:
        return {name: getattr(self.speeds, name) for name in ("pipeline", "facts_committed", *_BASELINES)}

    def _processor_time(self) -> dict[str, Any]:
        """What a callback costs in all processes together, as a ratio and by process."""
        medians = {
            side: {name: round(statistics.median(figures), 1) for name, figures in processes.items()}
            for side, processes in self.speeds.processor_microseconds.items()
        }
        totals = {side: sum(processes.values()) for side, processes in medians.items()}
        ratio = {}
        if totals.get("pipeline") and totals.get("naive"):
            ratio["ratio_to_naive_by_processor_time"] = round(totals["naive"] / totals["pipeline"], 3)
        return {**ratio, "processor_microseconds_per_callback": medians}

    def _latency(self) -> dict[str, float]:
        cuts = statistics.quantiles(self.latencies_milliseconds, n=100, method="inclusive")
        return {
            "latency_p50_milliseconds": round(cuts[49], 1),
            "latency_p99_milliseconds": round(cuts[98], 1),
            "latency_samples": len(self.latencies_milliseconds),
        }


_BASELINES = {
    "naive": "an ASGI handler, an ORM transaction per callback, 16 clients, nothing published",
    "no_faust": "getmany, verify and apply in one loop, nothing published",
    "copy": "COPY of as many rows like the inbox's",
    "producer": "the same bytes through our producer",
}


def show(report: BenchReport, console: Console) -> None:
    """Print the ratios, the speeds they are made of, and the latency."""
    figures = report.to_json()
    table = Table(title="The pipeline against its baselines", title_justify="left", title_style="bold")
    table.add_column("ratio", justify="right", style="bold")
    table.add_column("side")
    table.add_column("per second", justify="right")
    table.add_column("runs", justify="right", style="dim")
    table.add_row("", "pipeline: callbacks to relayed events, one worker process", *_speed(figures, "pipeline"))
    table.add_row("", "  of it: facts committed", *_speed(figures, "facts_committed"))
    table.add_section()
    for name, description in _BASELINES.items():
        table.add_row(f"{figures[f'ratio_to_{name}']:.2f}", description, *_speed(figures, name))
    console.print(table)
    console.print(
        f"From callback to domain event at idle: p50 {figures['latency_p50_milliseconds']:.0f} ms,"
        f" p99 {figures['latency_p99_milliseconds']:.0f} ms over {figures['latency_samples']} callbacks."
    )
    for side, processes in figures["processor_microseconds_per_callback"].items():
        said = ", ".join(f"{name} {microseconds:.0f}" for name, microseconds in processes.items())
        console.print(f"Processor time for a callback, {side}: {sum(processes.values()):.0f} µs ({said}).")
    machine = figures["machine"]
    said = ", ".join(str(machine[name]) for name in ("processor", "broker", "database") if name in machine)
    console.print(f"{figures['callbacks']:,} callbacks, medians of {figures['repeats']}. {said}.", style="dim")


def _speed(figures: Mapping[str, Any], name: str) -> tuple[str, str]:
    return f"{figures[f'{name}_per_second']:,.0f}", " ".join(f"{figure:,.0f}" for figure in figures["runs"][name])
