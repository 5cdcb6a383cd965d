"""`paystream payouts bank-account …`: where recipients are paid, and what payouts are paid from.

Account numbers come from a file or standard input, never from an argument, and never print.
"""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.database_work import print_table, read_json, run
from domain.settlement import Recipient
from services.bank_account_details import read_bank_account, read_debtor_account

app = typer.Typer(no_args_is_help=True, help="Bank accounts of recipients, and those that payouts are paid from.")


class RecipientType(StrEnum):
    """Who is paid."""

    TENANT = "tenant"
    PARTNER = "partner"


Account = Annotated[str, typer.Argument(help="The account that pays.")]
Kind = Annotated[RecipientType, typer.Argument(help="The account's tenant, or a partner that has parts of payments.")]
RecipientId = Annotated[str, typer.Argument(help="Id of the tenant or partner, as the payments' splits name it.")]
Currency = Annotated[str, typer.Argument(help="The currency, such as EUR.")]
By = Annotated[str, typer.Option("--by", help="Your name; it goes into the audit log.")]
File = Annotated[str, typer.Option("--file", help="JSON file with the details; - reads standard input.")]
Version = Annotated[int, typer.Option("--version", min=1, help="The version that you have checked.")]
REQUEST = "cli"


@app.command("set")
def set_recipient(
    account: Account, recipient_type: Kind, recipient_id: RecipientId, currency: Currency, by: By, file: File = "-"
) -> None:
    """Seal and store where a recipient is paid; it is used once somebody else has confirmed it.

    The details are {"holder": …, "iban": …}, or {"holder": …, "number": …, "clearing_system": …, "bank_code": …}.
    """
    from bootstrap.wiring import build_key_ring
    from services.bank_accounts import set_recipient_account

    recipient, values = Recipient(account, recipient_type, recipient_id, currency), _details(file)
    version = run(
        lambda database, settings: set_recipient_account(
            database,
            build_key_ring(settings.keys),
            recipient,
            read_bank_account(values),
            actor=by,
            request_id=REQUEST,
            now=datetime.now(UTC),
        )
    )
    typer.echo(
        f"Bank account of {recipient.key} stored, version {version}. Somebody else has to confirm it:"
        f" paystream payouts bank-account confirm {account} {recipient_type} {recipient_id} {currency}"
        f" --version {version} --by NAME"
    )


@app.command("confirm")
def confirm(
    account: Account, recipient_type: Kind, recipient_id: RecipientId, currency: Currency, by: By, version: Version
) -> None:
    """Confirm a recipient's bank account, as somebody who did not set it."""
    from services.bank_accounts import confirm_recipient_account

    recipient = Recipient(account, recipient_type, recipient_id, currency)
    run(
        lambda database, _: confirm_recipient_account(
            database, recipient, version, actor=by, request_id=REQUEST, now=datetime.now(UTC)
        )
    )
    typer.echo(f"Bank account of {recipient.key} confirmed by {by}.")


@app.command("set-debtor")
def set_debtor(account: Account, currency: Currency, by: By, file: File = "-") -> None:
    """Seal and store what an account's payouts in a currency are paid from.

    The details are {"account": …} with an account as for `set`; "company_id" and "bank_name" are for ACH files.
    """
    from bootstrap.wiring import build_key_ring
    from services.bank_accounts import set_debtor_account

    values = _details(file)
    version = run(
        lambda database, settings: set_debtor_account(
            database,
            build_key_ring(settings.keys),
            account,
            currency,
            read_debtor_account(values),
            actor=by,
            request_id=REQUEST,
            now=datetime.now(UTC),
        )
    )
    typer.echo(f"Account to pay {currency} from stored for {account}, version {version}.")


@app.command("list")
def list_accounts(account: Account) -> None:
    """List the bank accounts of an account, masked."""
    from services.bank_accounts import list_bank_accounts

    recipients, debtors = run(lambda database, _: list_bank_accounts(database, account))
    rows = [("pays from", one.currency, one.masked, str(one.version), f"set by {one.set_by}") for one in debtors] + [
        (
            f"{one.recipient.recipient_type} {one.recipient.recipient_id}",
            one.recipient.currency,
            one.masked,
            str(one.version),
            f"set by {one.set_by}, "
            + ("to be confirmed" if one.confirmed_by is None else f"confirmed by {one.confirmed_by}"),
        )
        for one in recipients
    ]
    if rows:
        print_table(("Whose", "Currency", "Account", "Version", "By"), rows)
    else:
        typer.echo("No bank accounts.")


def _details(file: str) -> dict[str, Any]:
    """Read the details; whoever sits at a terminal is told that they are waited for."""
    if file == "-" and sys.stdin.isatty():
        typer.echo("Type or paste the details as JSON, and end with Ctrl-D.", err=True)
    return read_json(file)
