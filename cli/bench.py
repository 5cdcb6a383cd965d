"""`paystream bench …`: speeds on this machine, as ratios against baselines of the same run."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DIRECTORY = Path(".paystream")
MINIMUM_CALLBACKS = 200

app = typer.Typer(no_args_is_help=True, help="Measure speed against baselines in the same run.")


@app.callback()
def bench() -> None:
    """Measure speed against baselines in the same run."""


@app.command("pipeline")
def pipeline(
    callbacks: Annotated[int, typer.Option(min=MINIMUM_CALLBACKS, help="How many callbacks a side works on.")] = 20_000,
    repeat: Annotated[int, typer.Option(min=1, help="How often each side runs; medians are shown.")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
) -> None:
    """Measure callbacks to domain events on the embedded stack, beside doing the same plainly."""
    from bench.pipeline import run_benchmark
    from bench.report import show
    from devstack.errors import StackFailed

    # The driver warns of every new topic whose leader is not there at the first attempt.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console()
    if not console.is_terminal:
        console.width = 140
    try:
        report = run_benchmark(DIRECTORY / "bench", callbacks=callbacks, repeats=repeat, console=console)
    except StackFailed as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(2) from error
    show(report, console)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
