"""Accounts and credentials. Secrets come from a file or standard input, never from an argument, and never print."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bootstrap.settings import Settings
from cli.database_work import fail, run
from cli.installed_gateways import load_installed_gateways
from storage.unit_of_work import Database

accounts = typer.Typer(no_args_is_help=True, help="Tenants and their fees.")
credentials = typer.Typer(no_args_is_help=True, help="Gateway credentials of accounts.")


@accounts.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Id of the account: lower-case letters, digits, - and _.")],
    fee_basis_points: Annotated[int, typer.Option(min=0, max=10_000)] = 0,
    fee_fixed_minor: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Create an account; creating it again changes nothing."""
    from services.accounts import create_account
    from storage.accounts import Account

    account = Account(name, name, fee_basis_points, fee_fixed_minor)
    created = run(lambda database, _: create_account(database, account))
    typer.echo(f"Account {name} created." if created else f"Account {name} is there already; nothing changed.")


@accounts.command("list")
def list_accounts() -> None:
    """List the accounts."""

    async def read(database: Database, _: Settings) -> list[str]:
        async with database.transaction() as transaction:
            return [account.id for account in await transaction.accounts.all()]

    for account in run(read):
        typer.echo(account)


@credentials.callback()
def load_gateways() -> None:
    """Gateway credentials of accounts."""
    load_installed_gateways()


@credentials.command("set")
def set_(
    account: str,
    gateway: str,
    file: Annotated[str, typer.Option("--file", help="JSON file with the credentials; - reads standard input.")] = "-",
) -> None:
    """Check, encrypt and store an account's credentials at a gateway."""
    from bootstrap.wiring import build_key_ring
    from services.accounts import set_credentials

    try:
        values = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"{file}: not readable as JSON ({type(error).__name__})")
    version = run(
        lambda database, settings: set_credentials(database, build_key_ring(settings.keys), account, gateway, values)
    )
    typer.echo(f"Credentials of {account} at {gateway} stored, version {version}.")


@credentials.command("rotate")
def rotate() -> None:
    """Wrap every record with the active key of the ring; safe while everything runs."""
    from bootstrap.wiring import build_key_ring
    from services.accounts import rotate_keys

    count = run(lambda database, settings: rotate_keys(database, build_key_ring(settings.keys)))
    typer.echo(f"{count} records wrapped anew.")
