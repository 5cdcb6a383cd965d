"""The long-running processes, one command each, and the migration that goes before them."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import typer

from bootstrap.logging import configure_logging
from bootstrap.settings import Settings

SCHEMA_SECONDS = 10.0
SCHEMA_EXIT_CODE = 78
"""`EX_CONFIG` of sysexits: starting again without doing something first does not help."""


def register(app: typer.Typer) -> None:
    """Add the process commands to the application."""
    app.command()(ingress)
    app.command()(api)
    app.command()(worker)
    app.command()(settle)
    app.command()(relay)
    app.command()(migrate)


def ingress() -> None:
    """Take callbacks over HTTP and put them on Kafka."""
    from bootstrap.account_directory import DatabaseAccountDirectory
    from bootstrap.wiring import build_database
    from webhook_ingress.server import run

    settings = _start("ingress")
    run(settings, DatabaseAccountDirectory(build_database(settings, "ingress")))


def api() -> None:
    """Serve the HTTP API for merchants and operators."""
    settings = _start("api")
    from api.server import run

    _require_schema(settings)
    run(settings)


def worker(
    without_relay: bool = typer.Option(False, "--without-relay", help="Leave the outbox to a separate relay process."),
) -> None:
    """Verify callbacks, apply facts, run commands, and relay the outbox."""
    settings = _start("worker")
    from agents.worker import run_worker

    _require_schema(settings)
    run_worker(settings, with_relay=not without_relay)


def settle() -> None:
    """Count settlement entries, close windows, make payout batches."""
    settings = _start("settle")
    from agents.settle_app import run_settle

    _require_schema(settings)
    run_settle(settings)


def relay() -> None:
    """Relay the outbox to Kafka, and nothing else."""
    settings = _start("relay")
    from agents.worker import run_relay

    _require_schema(settings)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run_relay(settings))


def migrate() -> None:
    """Bring the database to the newest schema and create every topic."""
    from storage.migrate import migrate as migrate_database
    from topics.admin import TopicOutcome, create_topics
    from topics.catalog import TOPICS

    settings = _start("migrate")

    async def run() -> list[str]:
        await migrate_database(settings.database_url)
        reports = await create_topics(
            settings.kafka.bootstrap_servers,
            TOPICS,
            prefix=settings.kafka.topic_prefix,
            replication_factor=settings.kafka.replication_factor,
        )
        return [
            f"{report.name}: {', '.join(report.differences)}"
            for report in reports
            if report.outcome is TopicOutcome.DIFFERENT
        ]

    if differing := asyncio.run(run()):
        typer.secho("These topics are not as declared, and the relay counts on it:", err=True, fg=typer.colors.RED)
        typer.echo("\n".join(differing), err=True)
        raise typer.Exit(1)
    typer.echo(f"The database has the newest schema; {len(TOPICS)} topics are there.")


def _start(process: str) -> Settings:
    settings = Settings()
    configure_logging(settings.log, process)
    return settings


def _require_schema(settings: Settings) -> None:
    """Stop with what to do where this version does not work with the database's schema.

    A database that does not answer is waited for by the process itself, which is not ready meanwhile. The ingress does
    not ask at all: it reads nothing but the list of accounts, and must take callbacks whatever is being migrated.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from bootstrap.wiring import build_database
    from domain.errors import Unavailable
    from storage.schema_version import require_schema

    async def check() -> None:
        database = build_database(settings, "start")
        try:
            async with asyncio.timeout(SCHEMA_SECONDS):
                await require_schema(database)
        finally:
            await database.close()

    # In a thread of its own: Faust wants an event loop that nobody has closed in this one.
    with ThreadPoolExecutor(max_workers=1) as executor:
        looking = executor.submit(asyncio.run, check())
    try:
        looking.result()
    except Unavailable as error:
        typer.secho(error.message, err=True, fg=typer.colors.RED)
        raise typer.Exit(SCHEMA_EXIT_CODE) from error
    except (OSError, TimeoutError, SQLAlchemyError) as error:
        typer.echo(f"The database does not answer yet ({type(error).__name__}); its schema is not checked.", err=True)
