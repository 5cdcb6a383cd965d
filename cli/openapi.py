"""`paystream docs openapi`: the HTTP API's contract as OpenAPI JSON, made from the routes."""

import difflib
import json
from pathlib import Path
from typing import Annotated

import typer

DOCUMENT_COMMAND = "paystream docs openapi"
SHOWN_DIFFERENCE_LINES = 40


def register(docs: typer.Typer) -> None:
    """Add the command to `paystream docs`."""
    docs.command("openapi")(openapi)


def openapi(
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Compare with FILE instead of printing.")
    ] = None,
) -> None:
    """Print the HTTP API's contract as OpenAPI 3.1 JSON."""
    text = openapi_text()
    if check is None:
        typer.echo(text, nl=False)
        return
    committed = check.read_text(encoding="utf-8") if check.is_file() else ""
    if committed == text:
        typer.echo(f"{check} is the API of the code.")
        return
    changes = list(difflib.unified_diff(committed.splitlines(), text.splitlines(), str(check), "the code", lineterm=""))
    for line in changes[:SHOWN_DIFFERENCE_LINES]:
        typer.echo(line)
    typer.echo(f"{check} is not the API of the code. Run: {DOCUMENT_COMMAND} > {check}", err=True)
    raise typer.Exit(1)


def openapi_text() -> str:
    """The whole document."""
    from api.app import openapi_document

    return json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"
