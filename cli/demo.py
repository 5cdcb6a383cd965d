"""`paystream demo` and `paystream up`: the whole of it on this machine."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DIRECTORY = Path(".paystream")
PIPED_WIDTH = 100
FEWEST_PAYMENTS = 20
"""So many live every story once; fewer would leave out what the demo promises to show."""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(demo)
    app.command()(up)


def demo(
    payments: Annotated[int, typer.Option(min=FEWEST_PAYMENTS, help="How many payments to live.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same plan.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
) -> None:
    """Live payments of two gateways end to end, pay them out, reconcile, and prove that the books are right.

    Files go to .paystream/demo/files. Exit code 0 when all holds, 1 when something does not, 2 when it cannot run.
    """
    from devstack.demo.run import run_demo
    from devstack.demo.summary import show, to_json
    from devstack.errors import StackFailed

    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    try:
        figures = run_demo(DIRECTORY / "demo", payments=payments, seed=seed, console=console)
    except StackFailed as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(2) from error
    show(figures, console)
    if json_file is not None:
        json_file.write_text(json.dumps(to_json(figures), indent=2, default=str) + "\n", encoding="utf-8")
    raise typer.Exit(0 if figures.holds else 1)


def up() -> None:
    """Keep the whole stack running on fixed ports, with local gateways and an account to try it with."""
    from devstack.errors import StackFailed
    from devstack.up import stay_up

    try:
        stay_up(DIRECTORY / "up", typer.echo)
    except StackFailed as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        typer.echo("Stopped.")
