"""Runs benchmarks, each on an embedded stack of its own, and keeps what they found: JSON, charts and a table."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench.chart import write_charts
from bench.figures import Figures, rows_of
from bench.growth import measure_growth
from bench.ingress import measure_ingress
from bench.latency_under_load import measure_latency_under_load
from bench.pipeline import run_benchmark
from bench.scaling import measure_scaling
from bench.soak import measure_memory
from bench.steps import Steps
from devstack.stack import Stack, running_stack

Work = Callable[[Stack, Steps], Awaitable[dict[str, Any]]]


def measure(directory: Path, console: Console, work: Work) -> dict[str, Any]:
    """Run the stack in an empty folder and a benchmark on it. Raises StackFailed when something does not come up."""
    shutil.rmtree(directory, ignore_errors=True)
    with (
        running_stack(directory, announce=lambda message: console.print(message, style="dim")) as stack,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_awaited(work(stack, Steps(console))))


async def measure_growth_and_memory(
    stack: Stack, steps: Steps, *, sizes: Sequence[int], callbacks: int, repeats: int
) -> dict[str, Any]:
    """The cost of a callback at each size, and the memory of the processes over so many callbacks, if any."""
    memory = await measure_memory(stack, steps, callbacks=callbacks) if callbacks else {"charts": []}
    cost = await measure_growth(stack, steps, sizes=sizes, repeats=repeats)
    return {**memory, **cost, "charts": [*cost["charts"], *memory["charts"]]}


def run_all(directory: Path, kept: Path, console: Console, *, quick: bool) -> list[dict[str, Any]]:
    """Run every benchmark but settlement's, and keep each one's figures as soon as they are there."""
    share = 20 if quick else 1
    repeats, seconds = (1, 1.0) if quick else (3, 4.0)
    sizes = (1_000, 2_000) if quick else (10_000, 100_000, 1_000_000)
    works: dict[str, Work] = {
        "ingress": lambda stack, steps: measure_ingress(stack, steps, seconds=seconds, repeats=repeats),
        "latency": lambda stack, steps: measure_latency_under_load(
            stack, steps, callbacks=6_000 // share, per_second=None
        ),
        "scaling": lambda stack, steps: measure_scaling(stack, steps, callbacks=10_000 // share, repeats=repeats),
        "growth": lambda stack, steps: measure_growth_and_memory(
            stack, steps, sizes=sizes, callbacks=100_000 // share, repeats=repeats
        ),
    }
    console.print("[bold]pipeline[/]")
    pipeline = run_benchmark(directory, callbacks=20_000 // share, repeats=repeats, console=console).to_json()
    runs = [pipeline]
    keep(pipeline, kept / "pipeline.json", kept)
    for name, work in works.items():
        console.print(f"[bold]{name}[/]")
        runs.append(measure(directory, console, work))
        keep(runs[-1], kept / f"{name}.json", kept)
    return runs


def keep(figures: Figures, json_file: Path | None, charts: Path | None) -> None:
    """Write the JSON and the charts, those that are wanted."""
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if charts is not None:
        write_charts(figures, charts)


def show_table(runs: Iterable[Figures], console: Console) -> None:
    """Print the figures that count beside what is to be reached."""
    table = Table(title="Figures", title_justify="left", title_style="bold")
    for column in ("bench", "figure"):
        table.add_column(column)
    for column in ("measured", "target"):
        table.add_column(column, justify="right")
    table.add_column("")
    verdicts = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}
    for run in runs:
        for row in rows_of(run):
            table.add_row(row.bench, row.label, row.value, row.target, verdicts[row.met])
        table.add_section()
    console.print(table)


async def _awaited(work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    return await work
