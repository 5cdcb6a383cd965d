"""`paystream replay`: rebuild the books from raw callbacks and compare, or put callbacks back onto the live topic."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, NoReturn, TypeVar

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from bootstrap.settings import Settings
from cli.moments import read_moment
from domain.errors import PaystreamError
from services.replay.report import NEXT_STEPS, ReplayReport
from services.replay.republish import RepublishReport, republish
from services.replay.run import ReplayPlan, ReplaySource, Report, plan_replay
from services.replay.run import replay as run_replay
from services.replay.scope import ReplayRequest
from storage.shadow import left_behind

DIFFERENT = 1
NO_ANSWER = 2
SHOWN_DIFFERENCES = 50

T = TypeVar("T")


def replay(
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=read_moment, metavar="TIME", help="From the first callback then."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", parser=read_moment, metavar="TIME", help="Until before this time.")
    ] = None,
    payment: Annotated[str | None, typer.Option("--payment", help="Only this payment.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Only this account's payments.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Your name, with --live; it goes with the callbacks.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be replayed.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the schema with the rebuilt books.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Put the callbacks back onto the live topic instead of comparing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Rebuild payments from their raw callbacks in a schema beside the live one, and print where the books differ.

    Exit code 0 when nothing differs, 1 when something does, 2 when the broker or the database does not answer.
    """
    request = ReplayRequest(since=since, until=until, account=account, payment_id=payment)
    if live and not by and not dry_run:
        raise typer.BadParameter("say who you are: callbacks are put back in somebody's name", param_hint="--by")
    if dry_run:
        _print_plan(_run(lambda source, _: plan_replay(source, request)), as_json=as_json)
    elif live:
        _print_published(_run_live(request, by or ""), as_json=as_json)
    else:
        found = _run(lambda source, report: run_replay(source, request, keep=keep, report=report))
        _print_report(found, as_json=as_json)
        if not found.is_empty:
            raise typer.Exit(DIFFERENT)


def _print_plan(plan: ReplayPlan, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(plan.to_dict(), indent=2))
        return
    typer.echo(f"{plan.callback_count:,} raw callbacks would be verified again:")
    for partition, (first, end) in plan.callbacks.items():
        typer.echo(f"  partition {partition}: offsets {first:,} to {end - 1:,}")
    typer.echo(
        f"{plan.payments:,} payments would be rebuilt, from {plan.callback_facts:,} facts of these callbacks."
        f" {plan.answer_facts:,} answers of gateways and {plan.facts_outside_range:,} facts of other callbacks would be"
        " taken from the books."
    )
    for partition, offset in plan.of_payment:
        typer.echo(f"  its callback: partition {partition} offset {offset}")


def _print_published(done: RepublishReport, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=2))
        return
    typer.echo(
        f"{done.published:,} callbacks are on the live topic again; {done.copies:,} earlier copies were left out."
    )


def _print_report(report: ReplayReport, *, as_json: bool) -> None:
    if as_json:
        typer.echo(report.to_json())
        return
    console = Console()
    said = ((name.replace("_", " "), count) for name, count in asdict(report.figures).items() if name != "unproven")
    console.print(", ".join(f"{count:,} {name}" for name, count in said), markup=False, highlight=False)
    if report.figures.unproven:
        codes = ", ".join(f"{count:,} {code}" for code, count in sorted(report.figures.unproven.items()))
        console.print(f"Not proven now: {codes}", markup=False, highlight=False)
    if report.schema is not None:
        console.print(f"The rebuilt books are in the schema {report.schema}; drop it when you are done.")
    if report.is_empty:
        console.print("[green]✓[/green] No difference: the books are what their sources make them.")
    else:
        _print_differences(report, console)


def _print_differences(report: ReplayReport, console: Console) -> None:
    differences = report.differences
    table = Table(title=f"{differences.by_part.total():,} differences", title_justify="left")
    for header in ("Payment", "Part", "What", "Live", "Rebuilt"):
        table.add_column(header, overflow="fold")
    for each in differences.kept[:SHOWN_DIFFERENCES]:
        sides = ("nothing" if side is None else json.dumps(side) for side in (each.live, each.rebuilt))
        table.add_row(*(escape(cell) for cell in (each.payment_id or "nobody's", each.part, each.name, *sides)))
    console.print(table)
    if differences.by_part.total() > SHOWN_DIFFERENCES:
        console.print("There are more: see them with --json, or replay one payment.")
    console.print("What to do next:")
    for part in sorted(differences.by_part):
        console.print(f"- {part}: {NEXT_STEPS[part]}", markup=False, highlight=False, soft_wrap=True)


def _run(work: Callable[[ReplaySource, Report], Awaitable[T]]) -> T:
    from bootstrap.clock import system_clock
    from bootstrap.wiring import build_database, build_gateways

    async def run(settings: Settings, report: Report) -> T:
        async with AsyncExitStack() as stack:
            database = build_database(settings, "replay")
            stack.push_async_callback(database.close)
            gateways = build_gateways(settings, database)
            stack.push_async_callback(gateways.close)
            for name in await left_behind(database):
                typer.echo(f"The schema {name} is left from an earlier replay: drop schema {name} cascade", err=True)
            source = ReplaySource(
                bootstrap_servers=settings.kafka.bootstrap_servers,
                topic_prefix=settings.kafka.topic_prefix,
                database=database,
                gateways=gateways,
                clock=system_clock,
            )
            return await work(source, report)

    return _answered(run)


def _run_live(request: ReplayRequest, actor: str) -> RepublishReport:
    from bootstrap.broker import KafkaBroker

    async def run(settings: Settings, report: Report) -> RepublishReport:
        kafka, broker = settings.kafka, KafkaBroker(settings.kafka)
        try:
            return await republish(
                kafka.bootstrap_servers, kafka.topic_prefix, broker, request, actor=actor, report=report
            )
        finally:
            await broker.close()

    return _answered(run)


def _answered(run: Callable[[Settings, Report], Awaitable[T]]) -> T:
    """Run with progress on the terminal; what does not answer ends the command with what to do."""
    from connectors.registry import load_entry_points

    load_entry_points()
    # The driver logs every failed connection, which the one message below says better.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
            return asyncio.run(_awaited(run(Settings(), _reporter(bars))))
    except KafkaError as error:
        _give_up(f"the broker does not answer: {error}. Is the stack up? Try: paystream dev status")
    except PaystreamError as error:
        _give_up(error.message)
    except (SQLAlchemyError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        _give_up(f"the database cannot be replayed into: {reason}. Is it up and migrated, and may we create schemas?")


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _reporter(bars: Progress) -> Report:
    tasks = {}

    def report(what: str, done: int, total: int | None) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    return report


def _give_up(message: str) -> NoReturn:
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(NO_ANSWER)
