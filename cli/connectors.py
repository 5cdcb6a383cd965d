"""`paystream connectors …`: the gateways there are, what each can do, and the beginning of a new one."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from cli.installed_gateways import load_installed_gateways
from connectors.base import Capability, Registration
from domain.errors import PaystreamError

PIPED_WIDTH = 200
"""Columns of a table that goes into a file or a pipe, so that a line of it can be searched for."""

LISTED_COUNTRIES = 10
"""Of more, the table has the number."""

app = typer.Typer(no_args_is_help=True, help="Gateways: what there is, what each can do, and how to add one.")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per gateway, each on a line.")]


@app.callback()
def connectors() -> None:
    """Gateways: what there is, what each can do, and how to add one."""
    load_installed_gateways()


@app.command("list")
def list_connectors(*, as_json: AsJson = False) -> None:
    """List every gateway: how its callbacks are proven, what it can do, how many currencies, where."""
    from cli.capability_terms import callbacks_of, short_terms
    from cli.connector_records import summary_record
    from connectors.registry import registrations

    if as_json:
        for registration in registrations():
            typer.echo(json.dumps(summary_record(registration)))
        return
    table = _table("Key", "Name", "Native", "Callbacks", "Capabilities", "Currencies", "Countries")
    for known in registrations():
        table.add_row(
            known.key,
            known.display_name,
            "yes" if known.native else "no",
            callbacks_of(known),
            short_terms(known.capabilities),
            str(len(known.currencies)),
            _few(known.countries),
        )
    _print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The gateway's key, as `list` shows it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show everything about a gateway, with the credentials that an account needs."""
    from cli.connector_records import full_record
    from connectors.registry import get_registration

    try:
        registration = get_registration(name)
    except PaystreamError as error:
        _fail(error.message)
    if as_json:
        typer.echo(json.dumps(full_record(registration)))
        return
    typer.echo(f"{registration.display_name}\n{registration.description}\n")
    _print(_facts(registration))
    _print(_credentials(registration))


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new gateway's key, such as acmepay.")],
    *,
    here: Annotated[bool, typer.Option("--here", help="Put it into this repository, beside the others.")] = False,
    package: Annotated[
        Path | None, typer.Option("--package", metavar="DIR", help="Make a package of its own in DIR.")
    ] = None,
    display_name: Annotated[
        str | None, typer.Option("--display-name", help="What people call the gateway; made from NAME if left out.")
    ] = None,
) -> None:
    """Begin a connector: a small one that works, with its tests, to be changed into the gateway's own.

    It speaks to a gateway that is made up: orders, refunds, status and signed callbacks.
    """
    from cli.scaffold.generate import add_here, make_package, next_steps
    from cli.scaffold.names import Names

    if here == (package is not None):
        _fail("Say where it goes: --here for this repository, or --package DIR for a package of its own.")
    try:
        names = Names.of(name, display_name)
        written = add_here(names, Path.cwd()) if package is None else make_package(names, package)
    except PaystreamError as error:
        _fail(error.message)
    for path in written:
        typer.echo(f"wrote {path}")
    typer.echo(f"\n{next_steps(names, package)}")


def _facts(registration: Registration) -> Table:
    from cli.capability_terms import abilities_of, callbacks_of, lacks_of
    from connectors.registry import package_of

    acknowledgement = registration.acknowledgement
    body = acknowledgement.body.decode(errors="backslashreplace")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in (
        ("key", registration.key),
        ("package", package_of(registration.key)),
        ("native", "yes" if registration.native else "no, through other software"),
        ("callbacks", callbacks_of(registration)),
        ("required headers", ", ".join(registration.required_headers) or "none"),
        ("acknowledgement", f"{acknowledgement.status_code} {acknowledgement.content_type} {body!r}"),
        ("it can", "; ".join(abilities_of(registration))),
        ("it cannot", "; ".join(lacks_of(registration)) or "nothing of what others can is missing"),
        ("keys kept for", _kept_for(registration)),
        ("payment methods", ", ".join(registration.payment_methods)),
        (f"currencies ({len(registration.currencies)})", " ".join(sorted(registration.currencies))),
        (f"countries ({len(registration.countries)})", " ".join(sorted(registration.countries))),
    ):
        table.add_row(title, text)
    return table


def _credentials(registration: Registration) -> Table:
    from connectors.credentials import describe_credentials

    table = _table("Field", "Label", "Required", "Secret", "Default", "Values", "Description", title="Credentials")
    for field in describe_credentials(registration):
        table.add_row(
            field.name,
            field.label,
            "yes" if field.required else "no",
            "yes" if field.secret else "no",
            "" if field.default is None else json.dumps(field.default),
            ", ".join(field.allowed_values) or field.kind,
            field.description,
        )
    return table


def _kept_for(registration: Registration) -> str:
    if not registration.has(Capability.REPEATS_SAFELY):
        return "it does not recognize a repeated call"
    return f"{registration.keys_kept_for.total_seconds() / 3600:g} hours"


def _few(countries: Iterable[str]) -> str:
    listed = sorted(countries)
    return " ".join(listed) if len(listed) <= LISTED_COUNTRIES else str(len(listed))


def _table(*titles: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    for each in titles:
        table.add_column(each, overflow="fold")
    return table


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, markup=False, emoji=False, highlight=False).print(table)


def _fail(message: str) -> NoReturn:
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)
