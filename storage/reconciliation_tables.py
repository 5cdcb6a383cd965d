"""SQLAlchemy Core's view of the tables of bank accounts, bank files, statements and what they match."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Date, Integer, LargeBinary, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from storage.table_shapes import MOMENT, describe

_SEALED = {"key_id": Text, "wrapped_key": LargeBinary, "ciphertext": LargeBinary}
_STATED = {"masked": Text, **_SEALED, "version": Integer, "set_by": Text, "set_at": MOMENT}

RECIPIENT_BANK_ACCOUNTS = describe(
    "recipient_bank_accounts",
    "account recipient_type recipient_id currency",
    {"account": Text, "recipient_type": Text, "recipient_id": Text, "currency": Text, **_STATED},
    {"confirmed_by": Text, "confirmed_at": MOMENT},
)
DEBTOR_BANK_ACCOUNTS = describe(
    "debtor_bank_accounts", "account currency", {"account": Text, "currency": Text, **_STATED}
)
BANK_FILES = describe(
    "bank_files",
    "id",
    {
        "id": Uuid,
        "account": Text,
        "format": Text,
        "digest": LargeBinary,
        "transfer_count": Integer,
        "totals": JSONB,
        "execution_date": Date,
        **_SEALED,
        "created_by": Text,
        "created_at": MOMENT,
    },
    {"cancelled_by": Text, "cancelled_at": MOMENT, "cancel_reason": Text},
)
BANK_FILE_BATCHES = describe(
    "bank_file_batches",
    "bank_file_id payout_batch_id",
    {
        "bank_file_id": Uuid,
        "payout_batch_id": Uuid,
        "account": Text,
        "amount_minor": BigInteger,
        "currency": Text,
        "stands": Boolean,
    },
)
STATEMENT_REPORTS = describe(
    "statement_reports",
    "id",
    {
        "id": Uuid,
        "account": Text,
        "side": Text,
        "source": Text,
        "format": Text,
        "file_name": Text,
        "digest": LargeBinary,
        "line_count": Integer,
        "new_line_count": Integer,
        "imported_by": Text,
        "imported_at": MOMENT,
    },
)
STATEMENT_LINES = describe(
    "statement_lines",
    "id",
    {
        "id": Uuid,
        "account": Text,
        "report_id": Uuid,
        "side": Text,
        "source": Text,
        "line_number": Integer,
        "reference": Text,
        "fingerprint": Text,
        "kind": Text,
        "names": ARRAY(Text),
        "gross_minor": BigInteger,
        "fee_minor": BigInteger,
        "net_minor": BigInteger,
        "currency": Text,
        "occurred_at": MOMENT,
    },
    {"payout_reference": Text, "payout_at": MOMENT, "description": Text},
)
RECONCILIATION_MATCHES = describe(
    "reconciliation_matches",
    "id",
    {
        "id": Uuid,
        "account": Text,
        "stage": Text,
        "currency": Text,
        "expected_minor": BigInteger,
        "actual_minor": BigInteger,
        "fee_minor": BigInteger,
        "matched_at": MOMENT,
    },
    {"ledger_transaction_id": Uuid},
)
RECONCILIATION_BREAKS = describe(
    "reconciliation_breaks",
    "id",
    {
        "id": Uuid,
        "account": Text,
        "stage": Text,
        "kind": Text,
        "currency": Text,
        "fee_minor": BigInteger,
        "detail": Text,
        "items": ARRAY(Text),
        "occurred_at": MOMENT,
        "opened_at": MOMENT,
    },
    {
        "gateway": Text,
        "expected_minor": BigInteger,
        "actual_minor": BigInteger,
        "resolved_at": MOMENT,
        "resolved_by": Text,
        "resolution": Text,
        "ledger_transaction_id": Uuid,
    },
)
RECONCILIATION_ITEMS = describe(
    "reconciliation_items",
    "account item",
    {"account": Text, "item": Text},
    {"match_id": Uuid, "break_id": Uuid, "name": Text, "kind": Text},
)
