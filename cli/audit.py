"""`paystream audit`: recompute every invariant and show what holds."""

import asyncio
import logging
from typing import Annotated, NoReturn

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from bootstrap.settings import Settings
from domain.errors import NotFound
from services.audit.report import AuditReport, CheckResult
from services.audit.run import audit as run_audit
from services.audit.run import audit_database

VIOLATED = 1
NO_ANSWER = 2


def audit(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    database_only: Annotated[bool, typer.Option("--database-only", help="Leave the topics out.")] = False,
) -> None:
    """Recompute every invariant from the tables and the topics, while nothing is under way.

    Exit code 0 when all hold, 1 when one does not, 2 when the database or the broker does not answer.
    """
    report = _run(Settings(), database_only=database_only)
    if as_json:
        typer.echo(report.to_json())
    else:
        print_report(report, Console())
    if not report.holds:
        raise typer.Exit(VIOLATED)


def print_report(report: AuditReport, console: Console) -> None:
    """Show a line per check with a tick or a cross, then the figures, then what is wrong and with what."""
    table = Table(title="Audit", title_justify="left")
    for header in ("", "Check", "Examined", "What holds"):
        table.add_column(header, justify="right" if header == "Examined" else "left")
    for check in report.checks:
        mark = "[green]✓[/green]" if check.holds else "[red]✗[/red]"
        table.add_row(mark, check.name, f"{check.examined:,}", check.description)
    console.print(table)
    for check in report.checks:
        _print_details(check, console)
    console.print("Every invariant holds." if report.holds else "[red]Not every invariant holds.[/red]")


def _print_details(check: CheckResult, console: Console) -> None:
    if check.figures:
        said = ", ".join(f"{name} {count:,}" for name, count in check.figures.items())
        console.print(f"{check.name}: {said}", markup=False, highlight=False)
    if check.holds:
        return
    console.print(f"[red]✗[/red] {check.name}: {check.violation_count:,} found")
    for violation in check.violations:
        console.print(f"  {violation.subject}: {violation.message}", markup=False, highlight=False, soft_wrap=True)
    if check.violation_count > len(check.violations):
        console.print(f"  and {check.violation_count - len(check.violations):,} more")


def _run(settings: Settings, *, database_only: bool) -> AuditReport:
    from bootstrap.wiring import build_database

    async def run() -> AuditReport:
        database = build_database(settings, "audit")
        try:
            if database_only:
                return await audit_database(database)
            return await run_audit(database, settings.kafka.bootstrap_servers, settings.kafka.topic_prefix)
        finally:
            await database.close()

    # The driver logs every failed connection, which the one message below says better.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(run())
    except KafkaError as error:
        _give_up(f"the broker at {settings.kafka.bootstrap_servers} does not answer: {error}")
    except NotFound as error:
        _give_up(f"{error.message}. Create the topics with: paystream topics create")
    except (SQLAlchemyError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        _give_up(f"the database cannot be audited: {reason}. Is it up and migrated? Try: paystream migrate")


def _give_up(message: str) -> NoReturn:
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(NO_ANSWER)
