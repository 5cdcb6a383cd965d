"""`paystream payments timeline` and `paystream audit-log`: what happened to a payment, and who changed what."""

import asyncio
import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from bootstrap.settings import Settings
from domain.errors import NotFound, PaystreamError
from storage.unit_of_work import Database

PIPED_WIDTH = 200
"""Columns of a table that goes into a file or a pipe, so that a line of it can be searched for."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

T = TypeVar("T")


def register(app: typer.Typer, payments: typer.Typer) -> None:
    """Add the commands to the application and to its commands about payments."""
    payments.command("timeline")(show_timeline)
    app.command("audit-log")(show_audit_log)


def show_timeline(payment_id: str, *, as_json: AsJson = False) -> None:
    """Show everything recorded of a payment, in order: callbacks, facts, ledger, events, commands, settlement."""
    from services.timeline import TimelineEntry, timeline

    async def read(database: Database) -> tuple[TimelineEntry, ...]:
        async with database.transaction() as transaction:
            payment = await transaction.payments.get(payment_id)
        if payment is None:
            raise NotFound(f"there is no payment {payment_id!r}", field="payment_id")
        return await timeline(database, payment.terms.account, payment_id)

    entries = _with_database(read)
    if as_json:
        _print_json([dataclasses.asdict(entry) for entry in entries])
        return
    table = Table("Recorded", "Kind", "What", title=f"Payment {payment_id}", title_justify="left")
    for entry in entries:
        table.add_row(_moment(entry.at), entry.kind.replace("_", " "), _plain(entry.title))
    _console().print(table)


def show_audit_log(
    *,
    subject: Annotated[
        str | None, typer.Option(metavar="TYPE:ID", help="One subject: payment:p1, command:c1 …")
    ] = None,
    account: Annotated[str | None, typer.Option(help="One account's subjects.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, the newest.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Show who changed what: every write of accounts, credentials, payments, commands, refunds and payouts."""
    from storage.audit_log import AuditRecord

    subject_type, colon, subject_id = (subject or "").partition(":")
    if subject is not None and not (subject_type and colon and subject_id):
        _fail(f"{subject!r} is no subject: write its type, a colon and its id, such as payment:p1")

    async def read(database: Database) -> list[AuditRecord]:
        async with database.snapshot() as transaction:
            return await transaction.audit_log.find(
                subject_type=subject_type or None, subject_id=subject_id or None, account=account, limit=limit
            )

    records = _with_database(read)
    if as_json:
        _print_json([dataclasses.asdict(record) for record in records])
        return
    table = Table(
        "Recorded", "Actor", "Request", "Action", "Subject", "Changes", title="Audit log", title_justify="left"
    )
    for record in records:
        subject_name = f"{record.subject_type}:{record.subject_id}"
        told = (
            record.actor,
            record.request_id or "",
            record.action,
            subject_name,
            _changes(record.before, record.after),
        )
        table.add_row(_moment(record.recorded_at), *map(_plain, told))
    _console().print(table)


def _changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """The columns of an update, each with its old and new value; of a whole row, the columns that say something."""
    if before is not None and after is not None:
        return "; ".join(f"{name}: {_short(before.get(name))} → {_short(after[name])}" for name in sorted(after))
    row = before or after or {}
    return "; ".join(
        f"{name}: {_short(value)}" for name, value in sorted(row.items()) if value not in (None, "", [], {})
    )


def _short(value: object, most: int = 60) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}…"


def _moment(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="milliseconds")


def _plain(text: str) -> str:
    """Recorded text may hold square brackets, which are markup to the console."""
    from rich.markup import escape

    return escape(text)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def _print_json(rows: list[dict[str, Any]]) -> None:
    typer.echo(json.dumps(rows, indent=2, ensure_ascii=False, default=str))


def _with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    from bootstrap.wiring import build_database

    async def run() -> T:
        database = build_database(Settings(), "cli")
        try:
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except PaystreamError as error:
        _fail(error.message)
    except (SQLAlchemyError, OSError) as error:
        _fail(f"the database cannot be read: {getattr(error, 'orig', None) or error}. Is it up and migrated?")


def _fail(message: str) -> NoReturn:
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)
