"""`paystream docs gateways`: docs/gateways.md and the README's table, made from the registrations of this house."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.capability_terms import abilities_of, callbacks_of, lacks_of, short_terms
from connectors.base import Capability, Registration
from connectors.credentials import CredentialField, describe_credentials
from connectors.registry import HOUSE_PACKAGE, package_of, registrations
from domain.money import EXPONENTS

DOCUMENT_COMMAND = "paystream docs gateways"
SHOWN_DIFFERENCE_LINES = 40
LONGEST_LIST = 60
"""Longer lists of countries are counted; `paystream connectors show` has them all."""

TITLES = ("Gateway", "Key", "Callbacks", "Can", "Currencies")

_BEGINNING = f"""\
# Gateways

Made from the code by `{DOCUMENT_COMMAND}`; `make check` compares the two. `paystream connectors list` and `show` tell
the same on the command line, as JSON lines with `--json`, and of gateways from other packages too. How to add one:
[adding-a-connector.md](adding-a-connector.md).

- **signed** callbacks prove what they say of money, and count as the gateway's word. A **hint** proves too little for
  that: it only has the payment read back, and what is read counts. **none**: nobody calls back.
- What a gateway lacks is refused with `capability_missing` before anybody is asked.
- A secret is never shown again once it is stored. All credentials are stored encrypted.
- Paystream knows {len(EXPONENTS)} currencies, those of ISO 4217 with an exponent. Amounts are integers of their minor
  units everywhere.
"""


def register(docs: typer.Typer) -> None:
    """Add the command to `paystream docs`."""
    docs.command("gateways")(gateways)


def gateways(
    *,
    table: Annotated[bool, typer.Option("--table", help="Print the table of the README alone.")] = False,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Compare with FILE instead of printing.")
    ] = None,
) -> None:
    """Print what every gateway can do and needs, as Markdown."""
    text = summary_table() if table else gateways_text()
    if check is None:
        typer.echo(text, nl=False)
        return
    committed = check.read_text(encoding="utf-8") if check.is_file() else ""
    if committed == text:
        typer.echo(f"{check} is what the registrations say.")
        return
    said = difflib.unified_diff(committed.splitlines(), text.splitlines(), str(check), "the code", lineterm="")
    for line in list(said)[:SHOWN_DIFFERENCE_LINES]:
        typer.echo(line)
    typer.echo(f"{check} is not what the registrations say. Run: {DOCUMENT_COMMAND} > {check}", err=True)
    raise typer.Exit(1)


def gateways_text() -> str:
    """The whole document."""
    parts = [_BEGINNING, summary_table(), *(_section(registration) for registration in of_the_house())]
    return "\n".join(parts)


def summary_table() -> str:
    """One row for each gateway."""
    rows = [
        (
            registration.display_name,
            f"`{registration.key}`",
            callbacks_of(registration),
            short_terms(registration.capabilities),
            str(len(registration.currencies)),
        )
        for registration in of_the_house()
    ]
    return _table(TITLES, rows)


def of_the_house() -> list[Registration]:
    """The gateways that come with Paystream itself, by key; what else is installed is no part of the document."""
    return [registration for registration in registrations() if package_of(registration.key) == HOUSE_PACKAGE]


def _section(registration: Registration) -> str:
    lines = [f"- **{title}**: {text}" for title, text in _facts(registration)]
    fields = [_row(field) for field in describe_credentials(registration)]
    credentials = _table(("Field", "What it is", "Required", "Secret", "Default or values"), fields)
    heading = f"## {registration.display_name} (`{registration.key}`)\n\n{registration.description}\n"
    return "\n".join([heading, *lines, "", credentials])


def _facts(registration: Registration) -> Iterator[tuple[str, str]]:
    if not registration.native:
        yield "Through", "other software, which speaks to the gateways behind it"
    yield "Callbacks", _callbacks(registration)
    yield "Can", "; ".join(abilities_of(registration))
    if registration.has(Capability.VERIFIES_WEBHOOKS):
        yield "Cannot", "; ".join(lacks_of(registration)) or "nothing is missing that another gateway has"
        yield "Repeated calls", _repeats(registration)
    yield "Payment methods", _code(registration.payment_methods)
    yield f"Currencies ({len(registration.currencies)})", _currencies(registration)
    yield f"Countries ({len(registration.countries)})", _countries(registration)


def _callbacks(registration: Registration) -> str:
    kind = callbacks_of(registration)
    if kind == "none":
        return kind
    headers = registration.required_headers
    door = f"; refused at the door without {_code(headers)}" if headers else ""
    acknowledgement = registration.acknowledgement
    body = acknowledgement.body.decode(errors="backslashreplace")
    said = f" and `{body}`" if body else " and no body"
    return f"{kind}{door}; acknowledged with {acknowledgement.status_code}{said}"


def _repeats(registration: Registration) -> str:
    if not registration.has(Capability.REPEATS_SAFELY):
        return "not recognized, so a call of unknown outcome is never sent again"
    return f"recognized by their idempotency key for {registration.keys_kept_for.total_seconds() / 3600:g} hours"


def _currencies(registration: Registration) -> str:
    missing = EXPONENTS.keys() - registration.currencies
    if not missing:
        return "every one that Paystream knows"
    if len(missing) < len(registration.currencies):
        return f"every one that Paystream knows but {' '.join(sorted(missing))}"
    return " ".join(sorted(registration.currencies))


def _countries(registration: Registration) -> str:
    if len(registration.countries) > LONGEST_LIST:
        return f"`paystream connectors show {registration.key}` lists them"
    return " ".join(sorted(registration.countries))


def _row(field: CredentialField) -> tuple[str, ...]:
    values = _code(field.allowed_values) or ("`true`, `false`" if field.kind == "boolean" else "")
    default = "" if field.default is None else f"`{str(field.default).lower()}`"
    if isinstance(field.default, str):
        default = f"`{field.default}`"
    told = " of ".join(part for part in (default, values) if part)
    description = f"{field.label}. {field.description}"
    return f"`{field.name}`", description, _yes(field.required), _yes(field.secret), told


def _yes(holds: bool) -> str:
    return "yes" if holds else ""


def _code(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    ruled = [titles, tuple("---" for _ in titles), *rows]
    return "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in ruled)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
