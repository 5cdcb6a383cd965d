"""`paystream chaos`: faults on purpose on the embedded stack, and a verdict."""

import json
import logging
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DIRECTORY = Path(".paystream")
WRONG, NOT_RUN = 1, 2


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(chaos)


def chaos(
    minutes: Annotated[float, typer.Option(min=0.2, help="How long faults are injected.")] = 2.0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same schedule.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file, and charts beside it.")
    ] = None,
    directory: Annotated[Path | None, typer.Option(help="Where data and logs go.")] = None,
    rest_seconds: Annotated[float, typer.Option(min=10, help="How long to wait for rest after the last fault.")] = 180,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the schedule and do nothing.")] = False,
) -> None:
    """Kill, pause, cut off and starve every part of the stack while payments run; then prove that nothing is wrong.

    Exit code 0 when nothing was lost or doubled, 1 when something is wrong, 2 when the stack did not come up.
    """
    from bench.chart import write_charts
    from chaos.schedule import make_schedule

    if dry_run:
        for fault in make_schedule(seed, minutes):
            typer.echo(str(fault))
        return
    from chaos.report import show
    from chaos.rest import NotAtRest
    from chaos.run import run_chaos
    from devstack.errors import StackFailed

    # Broken connections are what this is about: the driver need not log each.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    console, started = Console(), time.monotonic()
    if not console.is_terminal:
        console.width = 160
    place = directory or DIRECTORY / "chaos" / f"seed-{seed}"

    def announce(message: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/]  ", end="")
        console.print(message, markup=False, highlight=False, soft_wrap=True)

    try:
        report = run_chaos(place, minutes=minutes, seed=seed, rest_seconds=rest_seconds, announce=announce)
    except StackFailed as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        console.print(f"Data and logs are kept in {place}.")
        raise typer.Exit(WRONG if isinstance(error, NotAtRest) else NOT_RUN) from error
    show(report, console)
    if json_file is not None:
        figures = {"bench": json_file.stem, **report.to_json()}
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        write_charts(figures, json_file.parent)
    if not report.holds:
        console.print(
            f"Data and logs are kept in {place}. Next: look the ids above up in {place}/logs, and run the same seed"
            f" again: paystream chaos --minutes {minutes:g} --seed {seed}"
        )
        raise typer.Exit(WRONG)
