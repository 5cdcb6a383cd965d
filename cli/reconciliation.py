"""`paystream reconciliation …`: import statements, match them with the books, look at breaks and resolve them."""

import json
import re
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.database_work import fail, print_table, read_json, run
from domain.matching import BreakKind, ExpectedFee
from domain.money import to_decimal_string
from domain.reconciliation_books import COUNTER_ACCOUNTS
from domain.statement_lines import Side
from services.statement_matching.importing import ReportFormat
from storage.reconciliation_results import BreakRow

app = typer.Typer(no_args_is_help=True, help="Statements of gateways and banks, and what they say otherwise.")

Account = Annotated[str, typer.Argument(help="The account whose books are compared.")]
By = Annotated[str, typer.Option("--by", help="Your name; it goes into the audit log.")]
REQUEST = "cli"

_TOLERANCE = re.compile(r"([A-Z]{3})=([0-9]{1,12})")
_FEE = re.compile(r"([a-z0-9_-]+)=([0-9]{1,5})(?:\+([0-9]{1,12}))?(?:~([0-9]{1,12}))?")


@app.command("import")
def import_(
    account: Account,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The statement.")],
    report_format: Annotated[ReportFormat, typer.Option("--format", help="What the file is; csv needs a --mapping.")],
    by: By,
    gateway: Annotated[str | None, typer.Option("--gateway", help="Key of the gateway whose report it is.")] = None,
    bank: Annotated[str | None, typer.Option("--bank", help="Your name for the account at the bank.")] = None,
    mapping: Annotated[
        str | None, typer.Option("--mapping", help="JSON file that says what a CSV's columns mean.")
    ] = None,
) -> None:
    """Import a statement: all of it or nothing, and the same file only once."""
    from services.statement_matching.importing import import_statement

    if (gateway is None) == (bank is None):
        fail("Give either --gateway or --bank.")
    imported = run(
        lambda database, _: import_statement(
            database,
            account,
            Side.BANK if gateway is None else Side.GATEWAY,
            gateway or bank or "",
            report_format,
            file.read_bytes(),
            file_name=file.name,
            mapping=None if mapping is None else read_json(mapping),
            actor=by,
            request_id=REQUEST,
            now=datetime.now(UTC),
        )
    )
    report = imported.report
    if imported.is_new:
        typer.echo(f"{file} imported: {report.line_count} lines, {report.new_line_count} of them new.")
    else:
        typer.echo(f"{file} was imported at {report.imported_at.isoformat()} by {report.imported_by}; nothing changed.")


@app.command("match")
def match(
    account: Account,
    tolerance: Annotated[
        list[str] | None, typer.Option("--tolerance", help="CUR=MINOR: what is no difference, in minor units.")
    ] = None,
    fee: Annotated[
        list[str] | None,
        typer.Option("--fee", help="GATEWAY=BASIS_POINTS[+FIXED_MINOR][~TOLERANCE_MINOR]: what a gateway charges."),
    ] = None,
    gateway_days: Annotated[
        int, typer.Option("--gateway-days", min=0, max=60, help="How many days later gateways may tell of money.")
    ] = 3,
    bank_days: Annotated[
        int, typer.Option("--bank-days", min=0, max=60, help="How many days later banks may tell of money.")
    ] = 5,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare the books with every statement imported so far. Running it again changes nothing."""
    from services.statement_matching.matching import MatchingRules, match_statements

    rules = MatchingRules(
        minor_by_currency=dict(map(_read_tolerance, tolerance or [])),
        fees=dict(map(_read_fee, fee or [])),
        gateway_days=gateway_days,
        bank_days=bank_days,
    )
    report = run(lambda database, _: match_statements(database, account, rules, now=datetime.now(UTC)))
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
        return
    typer.echo(f"{report.matched} matched, {report.waiting} wait for a statement that tells of them.")
    typer.echo(
        f"{sum(report.breaks.values())} breaks are open: {report.opened} new, {report.closed} closed themselves."
    )
    for kind, count in sorted(report.breaks.items()):
        typer.echo(f"  {kind}: {count}")
    if report.breaks:
        typer.echo(f"Look at them with: paystream reconciliation breaks {account}")


@app.command("breaks")
def breaks(
    account: Account,
    kind: Annotated[BreakKind | None, typer.Option("--kind", help="Only breaks of this kind.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many at most.")] = 100,
    *,
    with_resolved: Annotated[bool, typer.Option("--all", help="Show resolved breaks too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the breaks as JSON.")] = False,
) -> None:
    """List the breaks, the oldest first."""
    from services.statement_matching.breaks import find_breaks

    found, _ = run(
        lambda database, _: find_breaks(database, account, kind=kind, with_resolved=with_resolved, limit=limit)
    )
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], default=str, indent=2))
    elif found:
        rows = [
            (str(one.id), one.kind.value, _difference(one), one.detail, one.resolved_by or "", one.resolution or "")
            for one in found
        ]
        print_table(("Break", "Kind", "Difference", "What differs", "Resolved by", "Resolution"), rows)
    else:
        typer.echo("No breaks.")


@app.command("resolve")
def resolve(
    account: Account,
    break_id: Annotated[uuid.UUID, typer.Argument(help="Id of the break, as `breaks` shows it.")],
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="What you found and did.")],
    adjust: Annotated[
        str | None,
        typer.Option("--adjust", help=f"Post the difference against one of {', '.join(COUNTER_ACCOUNTS)}."),
    ] = None,
) -> None:
    """Resolve a break; with --adjust, post what makes the books agree."""
    from services.statement_matching.breaks import resolve_break

    resolved = run(
        lambda database, _: resolve_break(
            database,
            account,
            break_id,
            reason=reason,
            counter_account=adjust,
            actor=by,
            request_id=REQUEST,
            now=datetime.now(UTC),
        )
    )
    posted = "" if resolved.ledger_transaction_id is None else f"; posted as {resolved.ledger_transaction_id}"
    typer.echo(f"Break {resolved.id} resolved by {resolved.resolved_by}{posted}.")


def _difference(found: BreakRow) -> str:
    if found.kind is BreakKind.CURRENCY:
        return "two currencies"
    apart = (found.actual_minor or 0) - (found.expected_minor or 0)
    amount = found.fee_minor if found.kind is BreakKind.FEE else apart
    return f"{to_decimal_string(amount, found.currency)} {found.currency}"


def _read_tolerance(text: str) -> tuple[str, int]:
    found = _TOLERANCE.fullmatch(text)
    if found is None:
        fail(f"{text!r} is no tolerance such as EUR=2")
    return found[1], int(found[2])


def _read_fee(text: str) -> tuple[str, ExpectedFee]:
    found = _FEE.fullmatch(text)
    if found is None:
        fail(f"{text!r} is no fee such as stripe=290+30 or stripe=290+30~1")
    return found[1], ExpectedFee(
        basis_points=int(found[2]), fixed_minor=int(found[3] or 0), tolerance_minor=int(found[4] or 0)
    )
