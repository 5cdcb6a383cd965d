"""`paystream bench …`: speeds on this machine, as ratios against baselines of the same run."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from bench.runs import Work

DIRECTORY = Path(".paystream")
MINIMUM_CALLBACKS = 200
MINIMUM_PACED_CALLBACKS = 100
SMALLEST_SIZE = 1_000

app = typer.Typer(no_args_is_help=True, help="Measure speed against baselines in the same run.")

Repeat = Annotated[int, typer.Option(min=1, help="How often each side runs; medians are shown.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")]
Charts = Annotated[Path | None, typer.Option("--charts", help="Draw charts as SVG files into this folder.")]


@app.callback()
def bench() -> None:
    """Measure speed against baselines in the same run."""


@app.command("pipeline")
def pipeline(
    callbacks: Annotated[int, typer.Option(min=MINIMUM_CALLBACKS, help="How many callbacks a side works on.")] = 20_000,
    repeat: Repeat = 3,
    json_file: JsonFile = None,
    charts: Charts = None,
) -> None:
    """Measure callbacks to domain events on the embedded stack, beside doing the same plainly."""
    from bench.pipeline import run_benchmark
    from bench.report import show
    from bench.runs import keep

    console = _console()
    with _plain_errors(console):
        report = run_benchmark(DIRECTORY / "bench", callbacks=callbacks, repeats=repeat, console=console)
    show(report, console)
    keep(report.to_json(), json_file, charts)


@app.command("ingress")
def ingress(
    seconds: Annotated[float, typer.Option(min=0.5, help="For how long each side is pressed.")] = 4.0,
    repeat: Repeat = 3,
    json_file: JsonFile = None,
    charts: Charts = None,
) -> None:
    """Measure taking callbacks in, beside a bare 200 and the bare producer, and how quick it is at half its peak."""
    from bench.ingress import measure_ingress

    _run(lambda stack, steps: measure_ingress(stack, steps, seconds=seconds, repeats=repeat), json_file, charts)


@app.command("latency")
def latency(
    callbacks: Annotated[int, typer.Option(min=MINIMUM_PACED_CALLBACKS, help="How many are sent.")] = 6_000,
    rate: Annotated[float | None, typer.Option(min=1, help="Callbacks a second; by default 30 % of the peak.")] = None,
    json_file: JsonFile = None,
    charts: Charts = None,
) -> None:
    """Measure from callback to domain event, at 30 % of the pipeline's peak and when nothing else happens."""
    from bench.latency_under_load import measure_latency_under_load

    _run(
        lambda stack, steps: measure_latency_under_load(stack, steps, callbacks=callbacks, per_second=rate),
        json_file,
        charts,
    )


@app.command("scaling")
def scaling(
    callbacks: Annotated[int, typer.Option(min=MINIMUM_CALLBACKS, help="How many callbacks are taken in.")] = 10_000,
    repeat: Repeat = 3,
    json_file: JsonFile = None,
    charts: Charts = None,
) -> None:
    """Measure what a second worker process adds, on the clock and by processor time."""
    from bench.scaling import measure_scaling

    _run(lambda stack, steps: measure_scaling(stack, steps, callbacks=callbacks, repeats=repeat), json_file, charts)


@app.command("growth")
def growth(
    sizes: Annotated[
        str, typer.Option(help="Numbers of stored payments to measure at; 10 kB of disk for each.")
    ] = "10000,100000,1000000",
    callbacks: Annotated[
        int, typer.Option(min=0, help="How many callbacks memory is watched over; 0 leaves that out.")
    ] = 100_000,
    repeat: Repeat = 5,
    json_file: JsonFile = None,
    charts: Charts = None,
) -> None:
    """Measure what a callback costs as stored payments pile up, and how much memory many callbacks take."""
    from bench.runs import measure_growth_and_memory

    numbers = _sizes(sizes)
    _run(
        lambda stack, steps: measure_growth_and_memory(
            stack, steps, sizes=numbers, callbacks=callbacks, repeats=repeat
        ),
        json_file,
        charts,
    )


@app.command("settlement")
def settlement(
    entries: Annotated[int, typer.Option(min=1_000, help="How many settlement entries a day has.")] = 1_000_000,
    recipients: Annotated[int, typer.Option(min=1, help="How many recipients they are for.")] = 2_000,
    json_file: JsonFile = None,
) -> None:
    """Measure counting a day's entries into windows and closing these into payout batches."""
    from bench.runs import keep
    from bench.settlement import run_settlement_benchmark
    from bench.settlement_report import show
    from domain.schedule import Cadence

    console = _console()
    with _plain_errors(console):
        report = run_settlement_benchmark(
            DIRECTORY / "bench", entries=entries, recipients=recipients, cadence=Cadence.DAILY, console=console
        )
    show(report, console)
    keep({"bench": "settlement", **report.to_json()}, json_file, None)
    if not report.holds:
        raise typer.Exit(1)


@app.command("all")
def everything(
    directory: Annotated[Path, typer.Option(help="Where JSON files and charts are written.")] = DIRECTORY / "figures",
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Small numbers, to see that everything runs.")] = False,
) -> None:
    """Run pipeline, ingress, latency, scaling and growth one after the other; a table at the end."""
    from bench.figures import to_markdown
    from bench.runs import run_all, show_table

    console = _console()
    with _plain_errors(console):
        runs = run_all(DIRECTORY / "bench", directory, console, quick=quick)
    show_table(runs, console)
    table = directory / "table.md"
    table.write_text(to_markdown(runs), encoding="utf-8")
    console.print(f"Figures, charts and {table.name} are in {directory}.")


@app.command("report")
def report(
    files: Annotated[list[Path], typer.Argument(help="JSON files that other commands wrote.", exists=True)],
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="A table for a document.")] = False,
    charts: Charts = None,
) -> None:
    """Show figures that were measured before, beside what is to be reached."""
    from bench.chart import write_charts
    from bench.figures import to_markdown
    from bench.runs import show_table

    runs = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    for path, run in zip(files, runs, strict=True):
        if not isinstance(run, dict) or "bench" not in run:
            raise typer.BadParameter(f"{path} was not written by `paystream bench`")
    if charts is not None:
        for run in runs:
            write_charts(run, charts)
    if markdown:
        print(to_markdown(runs), end="")
    else:
        show_table(runs, _console())


def _run(work: "Work", json_file: Path | None, charts: Path | None) -> None:
    """Run one benchmark, show its figures and keep them."""
    from bench.runs import keep, measure, show_table

    console = _console()
    with _plain_errors(console):
        figures = measure(DIRECTORY / "bench", console, work)
    show_table([figures], console)
    keep(figures, json_file, charts)


def _sizes(text: str) -> list[int]:
    """Read numbers that commas part."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) >= SMALLEST_SIZE for part in parts):
        raise typer.BadParameter(f"numbers from {SMALLEST_SIZE:,} on, parted by commas", param_hint="--sizes")
    return sorted({int(part) for part in parts})


def _console() -> Console:
    # The driver warns of every new topic whose leader is not there at the first attempt.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console()
    if not console.is_terminal:
        console.width = 140
    return console


@contextmanager
def _plain_errors(console: Console) -> Iterator[None]:
    from devstack.errors import StackFailed

    try:
        yield
    except StackFailed as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(2) from error
