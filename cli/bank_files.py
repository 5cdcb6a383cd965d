"""`paystream payouts bank-file …`: files that banks take, each made of approved batches."""

import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from bootstrap.settings import Settings
from cli.database_work import fail, print_table, run, write_private
from domain.money import to_decimal_string
from domain.settlement import BatchStatus
from services.bank_files.export import BankFile
from services.bank_files.formats import BankFileFormat
from storage.unit_of_work import Database

app = typer.Typer(no_args_is_help=True, help="Files that a bank takes, each made of approved batches.")

By = Annotated[str, typer.Option("--by", help="Your name; it goes into the audit log.")]
Account = Annotated[str, typer.Argument(help="The account that the batches are of.")]
FileId = Annotated[uuid.UUID, typer.Argument(help="Id of the bank file.")]
Directory = Annotated[Path, typer.Option("--directory", exists=True, file_okay=False, help="Where it is written.")]
REQUEST = "cli"


@app.command("make")
def make_bank_file(
    account: Account,
    by: By,
    directory: Directory,
    batch_ids: Annotated[list[uuid.UUID] | None, typer.Argument(help="Approved batches.")] = None,
    file_format: Annotated[
        BankFileFormat, typer.Option("--format", help="ISO 20022, ACH, or a table for banks that take one.")
    ] = BankFileFormat.PAIN_001,
    day: Annotated[
        datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="When the bank pays; today if left out.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every approved batch of the account.")] = False,
) -> None:
    """Execute approved batches and write the file that pays them."""
    from bootstrap.wiring import build_key_ring
    from services.bank_files.export import export_bank_file

    if every == bool(batch_ids):
        fail("Name the batches, or give --all.")

    async def make(database: Database, settings: Settings) -> BankFile:
        return await export_bank_file(
            database,
            build_key_ring(settings.keys),
            account,
            batch_ids or await _approved(database, account),
            file_format,
            execution_date=_now().date() if day is None else date(day.year, day.month, day.day),
            actor=by,
            request_id=REQUEST,
            now=_now(),
        )

    _write(run(make), directory)


@app.command("read")
def read_bank_file_again(account: Account, file_id: FileId, directory: Directory) -> None:
    """Write a file again, byte for byte as it was made."""
    from bootstrap.wiring import build_key_ring
    from services.bank_files.export import read_bank_file

    found = run(lambda database, settings: read_bank_file(database, build_key_ring(settings.keys), account, file_id))
    _write(found, directory)


@app.command("list")
def list_files(account: Account) -> None:
    """List the files of an account, the newest first."""
    from services.bank_files.export import list_bank_files

    files = run(lambda database, _: list_bank_files(database, account))
    rows = [
        (
            str(file.id),
            file.format,
            str(file.transfer_count),
            ", ".join(f"{to_decimal_string(sum_, currency)} {currency}" for currency, sum_ in file.totals.items()),
            f"{file.created_at:%Y-%m-%d %H:%M} by {file.created_by}",
            "" if file.cancelled_by is None else f"cancelled by {file.cancelled_by}: {file.cancel_reason}",
            file.digest.hex()[:16],
        )
        for file in files
    ]
    if rows:
        print_table(("Bank file", "Format", "Payments", "Totals", "Made", "Cancelled", "SHA-256"), rows)
    else:
        typer.echo("No bank files.")


@app.command("cancel")
def cancel_file(
    account: Account, file_id: FileId, by: By, reason: Annotated[str, typer.Option("--reason", help="Why.")]
) -> None:
    """Say that a file never went to the bank: its batches may go into another."""
    from services.bank_files.export import cancel_bank_file

    run(
        lambda database, _: cancel_bank_file(
            database, account, file_id, reason=reason, actor=by, request_id=REQUEST, now=_now()
        )
    )
    typer.echo(f"Bank file {file_id} cancelled by {by}.")


def _write(found: BankFile, directory: Path) -> None:
    path = directory / found.name
    write_private(path, found.content)
    typer.echo(f"{path} written: bank file {found.row.id}, {found.row.transfer_count} payments.")


async def _approved(database: Database, account: str) -> list[uuid.UUID]:
    from services.payouts import find_payouts

    ids: list[uuid.UUID] = []
    after = None
    while True:
        page, after = await find_payouts(
            database, account, {"status": BatchStatus.APPROVED}, limit=500, after=after, ascending=True
        )
        ids += [batch.id for batch in page]
        if after is None:
            return ids


def _now() -> datetime:
    return datetime.now(UTC)
