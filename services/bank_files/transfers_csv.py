"""A plain CSV of transfers, for banks whose upload takes a table."""

import csv
import io

from domain.bank_accounts import LONGEST_NAME
from domain.bank_text import bank_name, transliterate
from domain.money import to_decimal_string
from services.bank_files.orders import PaymentOrder

COLUMNS = (
    "end_to_end_id",
    "execution_date",
    "amount",
    "currency",
    "debtor_account",
    "creditor_name",
    "creditor_iban",
    "creditor_bic",
    "creditor_clearing_system",
    "creditor_bank_code",
    "creditor_account_number",
    "remittance",
)


def write(order: PaymentOrder) -> bytes:
    """Write a payment order as UTF-8 CSV with a header line (RFC 4180); amounts are exact decimal strings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for group in order.groups:
        debtor = group.debtor.account
        for transfer in group.transfers:
            creditor = transfer.creditor
            writer.writerow(
                (
                    transfer.end_to_end_id,
                    order.execution_date.isoformat(),
                    to_decimal_string(transfer.amount_minor, transfer.currency),
                    transfer.currency,
                    debtor.iban or debtor.number,
                    bank_name(creditor.holder, LONGEST_NAME),
                    creditor.iban,
                    creditor.bic,
                    creditor.clearing_system,
                    creditor.bank_code,
                    creditor.number,
                    transliterate(transfer.remittance),
                )
            )
    return text.getvalue().encode()
