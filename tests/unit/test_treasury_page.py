"""What the page for treasury shows is what the program takes."""

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from domain.bank_accounts import CLEARING_SYSTEMS
from domain.matching import BreakKind
from domain.reconciliation_books import COUNTER_ACCOUNTS
from services.bank_account_details import read_bank_account, read_debtor_account
from services.bank_files.formats import BankFileFormat
from services.statement_matching.parsers.csv_mapping import read_mapping

PAGE = (Path(__file__).parents[2] / "docs" / "treasury.md").read_text(encoding="utf-8")


def test_every_command_of_the_page_is_there() -> None:
    known = set(re.findall(r"paystream ((?:payouts|reconciliation)(?: bank-file| bank-account)? [a-z-]+)", PAGE))
    assert len(known) > 8
    for command in known:
        result = CliRunner().invoke(app, [*command.split(), "--help"])
        assert result.exit_code == 0, command


def test_the_details_and_the_mapping_of_the_page_are_taken() -> None:
    recipient, debtor = re.findall(r"echo '(.*?)'", PAGE)
    assert read_bank_account(json.loads(recipient)).masked == "DE…3000"
    assert read_debtor_account(json.loads(debtor)).account.masked == "FR…2606"
    (mapping,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert read_mapping(json.loads(mapping)).decimal_separator == ","


def test_the_page_names_what_there_is() -> None:
    for name in (*BreakKind, *COUNTER_ACCOUNTS, *BankFileFormat):
        assert f"`{name}`" in PAGE
    assert set(re.findall(r"`([A-Z]{5})`", PAGE)) <= set(CLEARING_SYSTEMS)
