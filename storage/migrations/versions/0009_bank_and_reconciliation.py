"""Bank accounts and bank files; statements of gateways and banks, what they match, and what does not match.

Revision ID: 0009
"""

from alembic import op

from storage.scripts import run_script

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BANK_ACCOUNTS = """
-- Where recipients are paid. The details are sealed; people see `masked`. New details are used once a second person
-- has confirmed them, because changing them is how payouts are stolen.
create table recipient_bank_accounts (
    account text not null references accounts (id),
    recipient_type text not null check (recipient_type in ('tenant', 'partner')),
    recipient_id text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    masked text not null,
    key_id text not null,
    wrapped_key bytea not null,
    ciphertext bytea not null,
    version integer not null default 1,
    set_by text not null,
    set_at timestamptz not null,
    confirmed_by text,
    confirmed_at timestamptz,
    primary key (account, recipient_type, recipient_id, currency),
    check (confirmed_by <> set_by),
    check ((confirmed_by is null) = (confirmed_at is null))
);
-- What payouts are paid from.
create table debtor_bank_accounts (
    account text not null references accounts (id),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    masked text not null,
    key_id text not null,
    wrapped_key bytea not null,
    ciphertext bytea not null,
    version integer not null default 1,
    set_by text not null,
    set_at timestamptz not null,
    primary key (account, currency)
);
"""

BANK_FILES = """
-- Every bank file that was made, with what is in it, sealed: it can be had again, and it cannot be denied.
create table bank_files (
    id uuid primary key,
    account text not null references accounts (id),
    format text not null,
    digest bytea not null check (length(digest) = 32),
    transfer_count integer not null check (transfer_count > 0),
    totals jsonb not null,
    execution_date date not null,
    key_id text not null,
    wrapped_key bytea not null,
    ciphertext bytea not null,
    created_by text not null,
    created_at timestamptz not null,
    cancelled_by text,
    cancelled_at timestamptz,
    cancel_reason text,
    check (num_nulls(cancelled_by, cancelled_at, cancel_reason) in (0, 3))
);
create index bank_files_created on bank_files (account, created_at desc, id desc);

-- Which batches a file pays. A batch is in one file that stands, whatever anybody's program does.
create table bank_file_batches (
    bank_file_id uuid not null references bank_files (id),
    payout_batch_id uuid not null references payout_batches (id),
    account text not null references accounts (id),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    stands boolean not null default true,
    primary key (bank_file_id, payout_batch_id)
);
create unique index bank_file_batches_once on bank_file_batches (payout_batch_id) where stands;
"""

STATEMENTS = """
-- What gateways and banks say of the money, file by file. The same file counts once, and so does a line that is in
-- several files; the same reference with other content is a line of its own, for a person to see.
create table statement_reports (
    id uuid primary key,
    account text not null references accounts (id),
    side text not null check (side in ('gateway', 'bank')),
    source text not null,
    format text not null,
    file_name text not null,
    digest bytea not null check (length(digest) = 32),
    line_count integer not null,
    new_line_count integer not null,
    imported_by text not null,
    imported_at timestamptz not null
);
create unique index statement_reports_file on statement_reports (account, side, source, digest);
create index statement_reports_imported on statement_reports (account, imported_at desc, id desc);
create table statement_lines (
    id uuid primary key,
    account text not null references accounts (id),
    report_id uuid not null references statement_reports (id),
    side text not null check (side in ('gateway', 'bank')),
    source text not null,
    line_number integer not null,
    reference text not null,
    fingerprint text not null,
    kind text not null,
    names text[] not null,
    gross_minor bigint not null,
    fee_minor bigint not null,
    net_minor bigint not null,
    currency text not null,
    occurred_at timestamptz not null,
    payout_reference text,
    payout_at timestamptz,
    description text,
    check (net_minor = gross_minor - fee_minor)
);
create unique index statement_lines_once on statement_lines (account, side, source, reference, fingerprint);
create index statement_lines_occurred on statement_lines (account, side, source, occurred_at);
create index statement_lines_payout on statement_lines (account, source, payout_reference) where kind = 'payout';
"""

RECONCILIATION = """
create table reconciliation_matches (
    id uuid primary key,
    account text not null references accounts (id),
    stage text not null check (stage in ('movement', 'gateway_payout', 'payout')),
    currency text not null,
    expected_minor bigint not null,
    actual_minor bigint not null,
    fee_minor bigint not null default 0,
    ledger_transaction_id uuid references ledger_transactions (id),
    matched_at timestamptz not null
);
create table reconciliation_breaks (
    id uuid primary key,
    account text not null references accounts (id),
    stage text not null check (stage in ('movement', 'gateway_payout', 'payout')),
    kind text not null
        check (kind in ('missing_here', 'missing_there', 'amount', 'fee', 'currency', 'duplicate')),
    gateway text,
    currency text not null,
    expected_minor bigint,
    actual_minor bigint,
    fee_minor bigint not null default 0,
    detail text not null,
    items text[] not null,
    occurred_at timestamptz not null,
    opened_at timestamptz not null,
    resolved_at timestamptz,
    resolved_by text,
    resolution text,
    ledger_transaction_id uuid references ledger_transactions (id),
    check (num_nulls(resolved_at, resolved_by, resolution) in (0, 3))
);
create index reconciliation_breaks_open on reconciliation_breaks (account, occurred_at, id) where resolved_at is null;
create index reconciliation_breaks_opened on reconciliation_breaks (account, opened_at desc, id desc);

-- What is settled or in question: each of our movements and payouts, and each line, is in one match or one break.
create table reconciliation_items (
    account text not null references accounts (id),
    item text not null,
    match_id uuid references reconciliation_matches (id),
    break_id uuid references reconciliation_breaks (id),
    name text,
    kind text,
    primary key (account, item),
    check (num_nulls(match_id, break_id) = 1)
);
create index reconciliation_items_break on reconciliation_items (break_id) where break_id is not null;
create index reconciliation_items_name on reconciliation_items (account, kind, name) where name is not null;
"""

# Tables whose rows name their account, and what the tenant role may do with them.
RIGHTS = {
    "recipient_bank_accounts": "select, insert, update, delete",
    "debtor_bank_accounts": "select, insert, update, delete",
    "bank_files": "select, insert, update",
    "bank_file_batches": "select, insert, update",
    "statement_reports": "select, insert, update",
    "statement_lines": "select, insert",
    "reconciliation_matches": "select, insert",
    "reconciliation_breaks": "select, insert, update",
    "reconciliation_items": "select, insert, update, delete",
}
AUDITED = (
    (
        "recipient_bank_accounts",
        "recipient_bank_account",
        "account,recipient_type,recipient_id,currency",
        "ciphertext,wrapped_key",
    ),
    ("debtor_bank_accounts", "debtor_bank_account", "account,currency", "ciphertext,wrapped_key"),
    ("bank_files", "bank_file", "id", "ciphertext,wrapped_key"),
    ("bank_file_batches", "bank_file_batch", "bank_file_id,payout_batch_id", ""),
    ("statement_reports", "statement_report", "id", ""),
    ("reconciliation_breaks", "reconciliation_break", "id", ""),
)
_EVENTS = {
    "insert": "referencing new table as new_rows",
    "update": "referencing old table as old_rows new table as new_rows",
    "delete": "referencing old table as old_rows",
    "truncate": "",
}


def tenancy() -> str:
    """Row-level security of every table."""
    mine = "account = any(paystream_accounts())"
    return "\n".join(
        f"alter table {table} enable row level security;"
        f"create policy tenant on {table} to paystream_tenant using ({mine}) with check ({mine});"
        f"grant {rights} on {table} to paystream_tenant;"
        for table, rights in RIGHTS.items()
    )


def audit_triggers() -> str:
    """Record every change of what people decide."""
    return "\n".join(
        f"create trigger {table}_audit_{event} after {event} on {table} {tables}"
        f" for each statement execute function write_audit('{subject}', '{key}', '{hidden}');"
        for table, subject, key, hidden in AUDITED
        for event, tables in _EVENTS.items()
    )


def upgrade() -> None:
    """Create what payouts to banks and statements from them need."""
    for script in (BANK_ACCOUNTS, BANK_FILES, STATEMENTS, RECONCILIATION, tenancy(), audit_triggers()):
        run_script(op.get_bind(), script)


def downgrade() -> None:
    """Files went to banks, and people resolved breaks: that is not taken back."""
    raise NotImplementedError("restore a backup instead: this migration holds what was sent to banks")
