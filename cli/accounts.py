"""Accounts and credentials. Secrets come from a file or standard input, never from an argument, and never print."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from bootstrap.settings import Settings
from cli.installed_gateways import load_installed_gateways
from domain.errors import PaystreamError
from storage.unit_of_work import Database

accounts = typer.Typer(no_args_is_help=True, help="Tenants and their fees.")
credentials = typer.Typer(no_args_is_help=True, help="Gateway credentials of accounts.")

T = TypeVar("T")


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
    created = _with_database(lambda database, _: create_account(database, account))
    typer.echo(f"Account {name} created." if created else f"Account {name} is there already; nothing changed.")


@accounts.command("list")
def list_accounts() -> None:
    """List the accounts."""

    async def read(database: Database, _: Settings) -> list[str]:
        async with database.transaction() as transaction:
            return [account.id for account in await transaction.accounts.all()]

    for account in _with_database(read):
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
        _fail(f"{file}: not readable as JSON ({type(error).__name__})")
    version = _with_database(
        lambda database, settings: set_credentials(database, build_key_ring(settings.keys), account, gateway, values)
    )
    typer.echo(f"Credentials of {account} at {gateway} stored, version {version}.")


@credentials.command("rotate")
def rotate() -> None:
    """Wrap every record with the active key of the ring; safe while everything runs."""
    from bootstrap.wiring import build_key_ring
    from services.accounts import rotate_keys

    count = _with_database(lambda database, settings: rotate_keys(database, build_key_ring(settings.keys)))
    typer.echo(f"{count} records wrapped anew.")


def _with_database(work: Callable[[Database, Settings], Awaitable[T]]) -> T:
    from bootstrap.wiring import build_database

    async def run() -> T:
        settings = Settings()
        database = build_database(settings, "cli")
        try:
            return await work(database, settings)
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
