"""The CSV of transfers: exact amounts, one line each."""

import csv
import io

from domain.bank_accounts import BankAccount
from services.bank_files.transfers_csv import COLUMNS, write
from tests.unit.services.bank_files.payments import DOLLAR_DEBTOR, DUTCH, EURO_DEBTOR, INDIAN, group, order, transfer


def test_every_transfer_is_a_line_with_its_exact_amount() -> None:
    hostile = BankAccount(holder='=HYPERLINK("x")', iban="NL91ABNA0417164300")
    written = write(
        order(
            group(EURO_DEBTOR, "EUR", transfer(1, 123_456, "EUR", DUTCH), transfer(2, 5, "EUR", hostile)),
            group(DOLLAR_DEBTOR, "JPY", transfer(3, 7, "JPY", INDIAN)),
        )
    )
    lines = list(csv.DictReader(io.StringIO(written.decode(), newline="")))
    assert tuple(lines[0]) == COLUMNS
    assert [(line["amount"], line["currency"]) for line in lines] == [
        ("1234.56", "EUR"),
        ("0.05", "EUR"),
        ("7", "JPY"),
    ]
    assert lines[1]["creditor_name"] == "HYPERLINK('x')"
    assert (lines[2]["creditor_iban"], lines[2]["creditor_account_number"]) == ("", "50100012345678")
    assert lines[0]["end_to_end_id"] == f"{1:032x}"
