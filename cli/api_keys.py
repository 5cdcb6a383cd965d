"""Keys of the HTTP API. The first one is made here; a secret is printed once, alone, on standard output."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from bootstrap.clock import system_clock
from bootstrap.settings import Settings
from domain.errors import PaystreamError
from services.api_keys import Scope
from storage.api_keys import ApiKey
from storage.unit_of_work import Database

app = typer.Typer(no_args_is_help=True, help="Keys of the HTTP API.")

T = TypeVar("T")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for; people find it by this.")],
    account: Annotated[list[str], typer.Option("--account", help="An account; several for an operator's key.")],
    scope: Annotated[list[Scope], typer.Option("--scope", help="What the key may do; may be given several times.")],
    *,
    operator: Annotated[bool, typer.Option("--operator", help="An operator's key: it may be for several accounts.")] = (
        False
    ),
    expires_in_days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Never, when left out.")] = None,
    by: Annotated[str, typer.Option("--by", help="Who makes it; it goes into the audit log.")] = "cli",
) -> None:
    """Make a key and print it, once: standard output gets the key alone, everything else goes to standard error."""
    from services.api_keys import create_key, prefix_of

    now = system_clock()
    made = _with_database(
        lambda database: create_key(
            database,
            name=name,
            accounts=account,
            scopes=set(scope),
            actor=by,
            now=now,
            kind="operator" if operator else "merchant",
            expires_at=None if expires_in_days is None else now + timedelta(days=expires_in_days),
        )
    )
    typer.echo(f"Key {prefix_of(made.key)}… for {', '.join(made.key.accounts)}: it is shown this once.", err=True)
    typer.echo(made.secret.get_secret_value())


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Option("--account", help="Only keys that are valid for this account.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the keys as JSON.")] = False,
) -> None:
    """List keys, the newest first. What they are used with is stored nowhere."""
    from services.api_keys import list_keys

    keys = _with_database(lambda database: list_keys(database, account))
    if as_json:
        typer.echo(json.dumps([_shown(key) for key in keys], indent=2))
        return
    if not keys:
        typer.echo("No keys.")
        return
    table = Table()
    for header in ("Key", "Name", "Accounts", "Scopes", "Expires", "Last used", "Revoked"):
        table.add_column(header, overflow="fold")
    for key in keys:
        shown = _shown(key)
        table.add_row(
            str(shown["prefix"]),
            key.name,
            ", ".join(key.accounts),
            ", ".join(key.scopes),
            *(str(shown[name] or "") for name in ("expires_at", "last_used_at", "revoked_at")),
        )
    Console().print(table)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The 16 characters after ps_live_ or ps_test_.")],
    by: Annotated[str, typer.Option("--by", help="Who revokes it; it goes into the audit log.")] = "cli",
) -> None:
    """Revoke a key: from now on nobody gets in with it."""
    from services.api_keys import prefix_of, revoke_key

    key = _with_database(lambda database: revoke_key(database, key_id, actor=by, now=system_clock()))
    typer.echo(f"Key {prefix_of(key)} is revoked since {_time(key.revoked_at)}.")


def _shown(key: ApiKey) -> dict[str, object]:
    from services.api_keys import prefix_of

    return {
        "id": key.id,
        "prefix": prefix_of(key),
        "name": key.name,
        "kind": key.kind,
        "mode": key.mode,
        "accounts": list(key.accounts),
        "scopes": list(key.scopes),
        "created_by": key.created_by,
        "created_at": _time(key.created_at),
        "expires_at": _time(key.expires_at),
        "last_used_at": _time(key.last_used_at),
        "revoked_at": _time(key.revoked_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


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
        reason = getattr(error, "orig", None) or error
        _fail(f"the database does not answer: {reason}. Is the stack up and migrated? Try: paystream dev status")


def _fail(message: str) -> NoReturn:
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)
