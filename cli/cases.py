"""Cases: what reconciliation could not decide, and what people decide about it."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from bootstrap.settings import Settings
from domain.errors import PaystreamError
from storage.cases import Case
from storage.unit_of_work import Database

app = typer.Typer(no_args_is_help=True, help="Cases that a person has to decide.")

T = TypeVar("T")


class Outcome(StrEnum):
    """What a person found out about a command."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


@app.command("list")
def list_cases(
    *,
    with_resolved: Annotated[bool, typer.Option("--all", help="Show resolved cases too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cases as JSON.")] = False,
) -> None:
    """List the open cases, the oldest first."""

    async def read(database: Database) -> list[Case]:
        async with database.transaction() as transaction:
            return await transaction.cases.find(with_resolved=with_resolved)

    cases = _with_database(read)
    if as_json:
        typer.echo(json.dumps([asdict(case) for case in cases], default=str, indent=2))
        return
    if not cases:
        typer.echo("No cases.")
        return
    table = Table()
    for header in ("Case", "Opened", "Account", "Kind", "About", "Resolved by"):
        table.add_column(header, overflow="fold")
    for case in cases:
        about = case.command_id or case.payment_id or f"{case.gateway} {case.reference}"
        opened = case.opened_at.isoformat(timespec="seconds")
        table.add_row(str(case.id), opened, case.account, case.kind, about, case.resolved_by or "")
    Console().print(table)


@app.command("show")
def show(case_id: uuid.UUID) -> None:
    """Print a case, with the command and the payment it is about."""

    async def read(database: Database) -> dict[str, object] | None:
        async with database.transaction() as transaction:
            case = await transaction.cases.get(case_id)
            if case is None:
                return None
            command = None if case.command_id is None else await transaction.commands.lock(case.command_id)
            payment = None if case.payment_id is None else await transaction.payments.get(case.payment_id)
        return {
            **asdict(case),
            "command": None
            if command is None
            else {"kind": command.kind, "state": command.state, "amount_minor": command.amount_minor},
            "payment": None
            if payment is None
            else {"status": payment.status, "provider_reference": payment.provider_reference},
        }

    found = _with_database(read)
    if found is None:
        _fail(f"There is no case {case_id}.")
    typer.echo(json.dumps(found, default=str, indent=2))


@app.command("resolve")
def resolve(
    case_id: uuid.UUID,
    by: Annotated[str, typer.Option("--by", help="Your name; it goes into the audit log.")],
    resolution: Annotated[str, typer.Option("--resolution", help="What you found and did.")],
    outcome: Annotated[
        Outcome | None, typer.Option("--outcome", help="What came of the command; gives it its final result.")
    ] = None,
) -> None:
    """Close a case. Without an outcome the machine looks at the matter again from the beginning."""
    from bootstrap.clock import system_clock
    from services.reconcile.cases import CaseDesk

    case = _with_database(
        lambda database: CaseDesk(database, system_clock).resolve(
            case_id, by=by, resolution=resolution, outcome=None if outcome is None else outcome.value
        )
    )
    typer.echo(f"Case {case.id} resolved by {case.resolved_by}.")


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
    except OSError as error:
        _fail(f"the database does not answer: {error}. Is the stack up? Try: paystream dev status")


def _fail(message: str) -> NoReturn:
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)
