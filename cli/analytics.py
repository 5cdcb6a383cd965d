"""`paystream analytics …`: topics as files for analysts."""

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from bootstrap.settings import Settings
from cli.database_work import fail
from domain.errors import PaystreamError
from services.analytics_export.export import ExportFormat, ExportReport, export_topics, topics_named

app = typer.Typer(no_args_is_help=True, help="Topics as files for analysts: Parquet, DuckDB, JSON lines.")


@app.callback()
def analytics() -> None:
    """Topics as files for analysts: Parquet, DuckDB, JSON lines."""


@app.command("export")
def export(
    directory: Annotated[Path, typer.Argument(file_okay=False, help="Where the export is, or is to be.")],
    export_format: Annotated[
        ExportFormat, typer.Option("--format", help="The same directory takes one format only.")
    ] = ExportFormat.PARQUET,
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help="Only this topic; may be given several times.")
    ] = None,
) -> None:
    """Write the settlement topics and the payment events, from where the last export into the directory ended.

    The first export begins with the oldest record there is. It can be stopped at any time and begun again.
    """
    settings = Settings().kafka
    # The driver logs every failed connection, which the one message below says better.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        report = asyncio.run(
            export_topics(
                settings.bootstrap_servers, settings.topic_prefix, export_format, directory, topics_named(topic or [])
            )
        )
    except KafkaError as error:
        fail(f"the broker at {settings.bootstrap_servers} does not answer: {error}")
    except PaystreamError as error:
        fail(error.message)
    except OSError as error:
        fail(f"{directory} cannot be written: {error}")
    _say(report)


def _say(report: ExportReport) -> None:
    for name, count in report.written.items():
        typer.echo(f"{name}: {count} records")
    for name, count in report.expired.items():
        typer.secho(f"{name}: {count} offsets had expired before they were exported", err=True, fg=typer.colors.YELLOW)
