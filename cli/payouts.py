"""`paystream payouts …`: batches in people's hands, their statements, and the files that banks take."""

import json
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli import bank_accounts, bank_files
from cli.database_work import print_table, run, write_whole
from domain.money import to_decimal_string
from domain.settlement import BatchStatus
from storage.settlement import BatchRow

app = typer.Typer(no_args_is_help=True, help="Payout batches: approve, execute, fail, statements, bank files.")
app.add_typer(bank_files.app, name="bank-file")
app.add_typer(bank_accounts.app, name="bank-account")

By = Annotated[str, typer.Option("--by", help="Your name; it goes into the audit log.")]
Account = Annotated[str, typer.Argument(help="The account that the batches are of.")]
BatchId = Annotated[uuid.UUID, typer.Argument(help="Id of the payout batch.")]
REQUEST = "cli"

_NEXT = {
    BatchStatus.DRAFT: " It needs another person's approval too.",
    BatchStatus.PROCESSING: " Once it is on the bank's statement, complete it with: execute --bank-reference.",
}
"""What is still to be done for a batch of a status."""


class StatementFormat(StrEnum):
    """How a statement is written."""

    CSV = "csv"
    HTML = "html"
    JSON = "json"


@app.command("list")
def list_batches(
    account: Account,
    status: Annotated[BatchStatus | None, typer.Option("--status", help="Only batches of this status.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many at most.")] = 50,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the batches as JSON.")] = False,
) -> None:
    """List payout batches, the newest first."""
    from services.payouts import find_payouts

    equal = {} if status is None else {"status": status}
    batches, _ = run(
        lambda database, _: find_payouts(database, account, equal, limit=limit, after=None, ascending=False)
    )
    if as_json:
        typer.echo(json.dumps([asdict(batch) for batch in batches], default=str, indent=2))
        return
    rows = [
        (
            str(one.id),
            f"{one.recipient.recipient_type}:{one.recipient.recipient_id}",
            _net(one),
            one.status.value,
            one.approved_by or f"needs {one.required_approvals}",
            f"{one.created_at:%Y-%m-%d %H:%M}",
        )
        for one in batches
    ]
    if rows:
        print_table(("Payout batch", "Recipient", "Net", "Status", "Approved by", "Made"), rows)
    else:
        typer.echo("No payout batches.")


@app.command("show")
def show(account: Account, batch_id: BatchId) -> None:
    """Print a batch, with its payments."""
    from services.payouts import get_payout

    batch = run(lambda database, _: get_payout(database, account, batch_id))
    typer.echo(json.dumps(asdict(batch), default=str, indent=2))


@app.command("approve")
def approve(account: Account, batch_id: BatchId, by: By) -> None:
    """Approve a batch, as somebody who did not make it and has not approved it yet."""
    from services.payouts import approve_payout

    batch = run(
        lambda database, _: approve_payout(database, account, batch_id, actor=by, request_id=REQUEST, now=_now())
    )
    _say(batch)


@app.command("execute")
def execute(
    account: Account,
    batch_id: BatchId,
    by: By,
    bank_reference: Annotated[
        str | None, typer.Option("--bank-reference", help="What the bank calls the payment; completes the batch.")
    ] = None,
) -> None:
    """Take an approved batch into transit; with the bank's reference, complete it."""
    from services.payouts import execute_payout

    batch = run(
        lambda database, _: execute_payout(
            database, account, batch_id, actor=by, request_id=REQUEST, now=_now(), bank_reference=bank_reference
        )
    )
    _say(batch)


@app.command("fail")
def fail_(
    account: Account, batch_id: BatchId, by: By, reason: Annotated[str, typer.Option("--reason", help="Why.")]
) -> None:
    """Give a batch up: its entries go into the recipient's next one."""
    from services.payouts import fail_payout

    batch = run(
        lambda database, _: fail_payout(
            database, account, batch_id, reason=reason, actor=by, request_id=REQUEST, now=_now()
        )
    )
    _say(batch)


@app.command("statement")
def statement(
    account: Account,
    batch_id: BatchId,
    statement_format: Annotated[
        StatementFormat, typer.Option("--format", help="csv and json for programs, html for people.")
    ] = StatementFormat.CSV,
    output: Annotated[Path | None, typer.Option("--output", help="Write a file instead of printing.")] = None,
) -> None:
    """Write the statement of a batch: every entry, and what they come to."""
    from bootstrap.settings import Settings
    from services.payout_documents.statement_html import statement_html
    from services.payout_exports import open_statement
    from storage.unit_of_work import Database

    async def pieces(database: Database) -> AsyncIterator[str]:
        if statement_format is StatementFormat.HTML:
            return statement_html(database, account, batch_id)
        found = await open_statement(database, account, batch_id)
        return found.csv() if statement_format is StatementFormat.CSV else found.json()

    async def write(database: Database, _: Settings) -> None:
        if output is not None:
            await write_whole(output, await pieces(database))
            return
        async for piece in await pieces(database):
            sys.stdout.write(piece)

    run(write)
    if output is not None:
        typer.echo(f"{output} written.")


def _say(batch: BatchRow) -> None:
    typer.echo(f"Payout batch {batch.id} of {_net(batch)} is {batch.status}.{_NEXT.get(batch.status, '')}")


def _net(batch: BatchRow) -> str:
    return f"{to_decimal_string(batch.totals.net_minor, batch.recipient.currency)} {batch.recipient.currency}"


def _now() -> datetime:
    return datetime.now(UTC)
