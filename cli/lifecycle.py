"""`paystream docs …`: documents that are made from the code, and the check that they still are what it says."""

import difflib
from pathlib import Path
from typing import Annotated

import typer

SHOWN_DIFFERENCE_LINES = 40

app = typer.Typer(no_args_is_help=True, help="Documents made from the code.")


@app.callback()
def docs() -> None:
    """Documents made from the code."""


@app.command("lifecycle")
def lifecycle(
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Compare with FILE instead of printing.")
    ] = None,
) -> None:
    """Print the lifecycle of a payment as Markdown: states, facts, operations, commands, events, anomalies."""
    from services.lifecycle_document import DOCUMENT_COMMAND

    text = lifecycle_text()
    if check is None:
        typer.echo(text, nl=False)
        return
    committed = check.read_text(encoding="utf-8") if check.is_file() else ""
    if committed == text:
        typer.echo(f"{check} is the lifecycle of the code.")
        return
    changes = list(difflib.unified_diff(committed.splitlines(), text.splitlines(), str(check), "the code", lineterm=""))
    for line in changes[:SHOWN_DIFFERENCE_LINES]:
        typer.echo(line)
    typer.echo(f"{check} is not the lifecycle of the code. Run: {DOCUMENT_COMMAND} > {check}", err=True)
    raise typer.Exit(1)


def lifecycle_text() -> str:
    """The document, with what the handlers of commands need."""
    from services.commands.capabilities import CAPABILITIES, asks_gateway
    from services.lifecycle_document import CommandNeeds, render_lifecycle

    return render_lifecycle({kind: CommandNeeds(needed, asks_gateway(kind)) for kind, needed in CAPABILITIES.items()})
