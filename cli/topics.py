"""`paystream topics …`: create the topics, list them, write the wire contract down."""

import asyncio
import difflib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bootstrap.settings import Settings
from domain.errors import PaystreamError
from topics.admin import TopicOutcome, TopicReport, create_topics
from topics.asyncapi import export_asyncapi, render
from topics.catalog import TOPICS
from topics.spec import Cleanup, TopicSpec

EXPORT_COMMAND = "paystream topics export-asyncapi"
SHOWN_DIFFERENCE_LINES = 40
PIPED_WIDTH = 200
"""Columns of a table that goes into a file or a pipe, so that a line of it can be searched for."""

app = typer.Typer(no_args_is_help=True, help="The Kafka topics and their contract.")


@app.command("create")
def create() -> None:
    """Create every topic that is missing; exit 1 when one that is there is not as declared. Changes none."""
    settings = Settings().kafka
    try:
        reports = asyncio.run(
            create_topics(
                settings.bootstrap_servers,
                TOPICS,
                prefix=settings.topic_prefix,
                replication_factor=settings.replication_factor,
            )
        )
    except PaystreamError as error:
        typer.echo(f"Topics not created: {error.message}", err=True)
        raise typer.Exit(1) from error
    for report in reports:
        typer.echo(_line(report))
    if any(report.outcome is TopicOutcome.DIFFERENT for report in reports):
        typer.echo("Some topics are not as declared. Nothing was changed: alter them with Kafka's own tools.", err=True)
        raise typer.Exit(1)


@app.command("list")
def list_topics(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List every topic as declared: key, model, partitions, how long it is kept. Asks no broker."""
    settings = Settings().kafka
    rows = [{"topic": settings.topic(spec), **_described(spec)} for spec in TOPICS]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table()
    for title in rows[0]:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)


@app.command("export-asyncapi")
def export(
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Compare with FILE instead of printing.")
    ] = None,
) -> None:
    """Print the wire contract as AsyncAPI 3.0 JSON."""
    text = render(export_asyncapi())
    if check is None:
        typer.echo(text, nl=False)
        return
    committed = check.read_text(encoding="utf-8") if check.is_file() else ""
    if committed == text:
        typer.echo(f"{check} is the contract of the code.")
        return
    changes = list(difflib.unified_diff(committed.splitlines(), text.splitlines(), str(check), "the code", lineterm=""))
    for line in changes[:SHOWN_DIFFERENCE_LINES]:
        typer.echo(line)
    typer.echo(f"{check} is not the contract of the code. Run: {EXPORT_COMMAND} > {check}", err=True)
    raise typer.Exit(1)


def _line(report: TopicReport) -> str:
    details = f": {', '.join(report.differences)}" if report.differences else ""
    return f"{report.outcome.value:<13} {report.name}{details}"


def _described(spec: TopicSpec) -> dict[str, str | int]:
    kept = "newest of each key" if spec.cleanup is Cleanup.COMPACT else f"{spec.retention_days} days"
    model = "bytes" if spec.model is None else spec.model.__name__
    return {"key": spec.key, "model": model, "partitions": spec.partitions, "kept": kept}
