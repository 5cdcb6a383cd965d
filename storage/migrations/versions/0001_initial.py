"""The first schema: accounts, payments, inbox, ledger, settlement, outbox, commands.

Revision ID: 0001
"""

from alembic import op

from storage.scripts import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ACCOUNTS = """
create table accounts (
    id text primary key check (id ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text not null,
    fee_basis_points integer not null default 0 check (fee_basis_points between 0 and 10000),
    fee_fixed_minor bigint not null default 0 check (fee_fixed_minor >= 0),
    created_at timestamptz not null default now()
);
create table gateway_credentials (
    account text not null references accounts (id),
    gateway text not null,
    key_id text not null,
    wrapped_key bytea not null,
    ciphertext bytea not null,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    primary key (account, gateway)
);
"""

PAYMENTS = """
create table payments (
    id text primary key,
    account text not null references accounts (id),
    gateway text not null,
    provider_reference text,
    resource_type text not null,
    resource_id text not null,
    user_id text,
    user_name text,
    description text,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    manual_capture boolean not null default false,
    splits jsonb not null,
    fee_basis_points integer not null,
    fee_fixed_minor bigint not null,
    metadata jsonb not null default '{}',
    status text not null,
    steps jsonb not null default '[]',
    awaiting_approval boolean not null default false,
    authorized_minor bigint not null default 0,
    captured_minor bigint not null default 0,
    refunded_minor bigint not null default 0,
    disputed_minor bigint not null default 0,
    paid_at timestamptz,
    refunded_at timestamptz,
    failed_at timestamptz,
    failure_reason text,
    receipt_url text,
    event_sequence integer not null default 0,
    sync_due_at timestamptz,
    sync_attempts integer not null default 0,
    created_at timestamptz not null,
    updated_at timestamptz not null
) with (fillfactor = 70);
create unique index payments_provider_reference on payments (gateway, account, provider_reference);
create index payments_resource on payments (account, resource_type, resource_id);
create index payments_user on payments (account, user_id) where user_id is not null;
create index payments_status on payments (account, status);
create index payments_paid_at on payments (account, paid_at) where paid_at is not null;
create index payments_sync_due on payments (sync_due_at) where sync_due_at is not null;

-- Every name a gateway uses for a payment: the intent, the order, the charge.
create table payment_references (
    gateway text not null,
    account text not null,
    reference text not null,
    payment_id text not null references payments (id),
    primary key (gateway, account, reference)
);
create index payment_references_payment on payment_references (payment_id);
"""

INBOX = """
-- Each fact exactly once; the primary key is what makes a repeated callback harmless.
create table inbox (
    gateway text not null,
    account text not null,
    gateway_event_id text not null,
    digest text not null,
    kind text not null,
    provider_reference text not null,
    related_references text[] not null default '{}',
    movement_reference text,
    amount_minor bigint,
    currency text,
    claimed_payment_id text,
    payment_id text references payments (id),
    disposition text not null check (disposition in ('applied', 'ignored', 'orphaned')),
    reason text,
    receipt_url text,
    occurred_at timestamptz not null,
    raw_partition integer,
    raw_offset bigint,
    recorded_at timestamptz not null,
    primary key (gateway, account, gateway_event_id)
);
create index inbox_payment on inbox (payment_id) where payment_id is not null;
create index inbox_orphans on inbox (gateway, account, provider_reference) where disposition = 'orphaned';

create table transitions (
    id bigint generated always as identity primary key,
    payment_id text not null references payments (id),
    from_status text not null,
    to_status text not null,
    gateway_event_id text not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null
);
create index transitions_payment on transitions (payment_id);
"""

LEDGER = """
create table ledger_transactions (
    id uuid primary key,
    account text not null references accounts (id),
    payment_id text references payments (id),
    payout_batch_id uuid,
    cause text not null,
    reference text,
    currency text not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null
);
create index ledger_transactions_payment on ledger_transactions (payment_id);

create table ledger_postings (
    transaction_id uuid not null references ledger_transactions (id),
    line smallint not null,
    ledger_account text not null,
    currency text not null,
    amount_minor bigint not null check (amount_minor <> 0),
    primary key (transaction_id, line)
);

create function ledger_must_sum_to_zero() returns trigger language plpgsql as $$
declare
    difference numeric;
begin
    select sum(amount_minor) into difference from ledger_postings
    where transaction_id = new.transaction_id and currency = new.currency;
    if difference <> 0 then
        raise exception 'ledger transaction % is out of balance by % %', new.transaction_id, difference, new.currency
            using errcode = 'check_violation';
    end if;
    return null;
end $$;
create constraint trigger ledger_postings_sum_to_zero after insert on ledger_postings
    deferrable initially deferred for each row execute function ledger_must_sum_to_zero();

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append-only: post a reversing transaction instead' using errcode = 'check_violation';
end $$;
create trigger ledger_transactions_append_only before update or delete or truncate on ledger_transactions
    for each statement execute function ledger_is_append_only();
create trigger ledger_postings_append_only before update or delete or truncate on ledger_postings
    for each statement execute function ledger_is_append_only();
"""

SETTLEMENT = """
create table payout_batches (
    id uuid primary key,
    account text not null references accounts (id),
    recipient_type text not null,
    recipient_id text not null,
    currency text not null,
    gross_minor bigint not null,
    fee_minor bigint not null,
    net_minor bigint not null check (net_minor > 0),
    entry_count integer not null,
    payment_count integer not null,
    period_start timestamptz not null,
    period_end timestamptz not null,
    status text not null,
    created_by text not null,
    approved_by text,
    approved_at timestamptz,
    bank_reference text,
    paid_at timestamptz,
    created_at timestamptz not null,
    check (net_minor = gross_minor - fee_minor)
);
create index payout_batches_recipient on payout_batches (account, recipient_type, recipient_id, currency);

create table settlement_entries (
    id uuid primary key,
    account text not null references accounts (id),
    recipient_type text not null,
    recipient_id text not null,
    currency text not null,
    payment_id text not null references payments (id),
    gateway text not null,
    cause text not null,
    gross_minor bigint not null,
    fee_minor bigint not null,
    net_minor bigint not null,
    occurred_at timestamptz not null,
    counted boolean not null default false,
    payout_batch_id uuid references payout_batches (id),
    recorded_at timestamptz not null,
    check (net_minor = gross_minor - fee_minor)
) with (fillfactor = 80);
create index settlement_entries_unclaimed on settlement_entries
    (account, recipient_type, recipient_id, currency, occurred_at) where payout_batch_id is null;
create index settlement_entries_uncounted on settlement_entries (occurred_at) where not counted;
create index settlement_entries_batch on settlement_entries (payout_batch_id) where payout_batch_id is not null;
create index settlement_entries_payment on settlement_entries (payment_id);

create table settlement_windows (
    account text not null references accounts (id),
    recipient_type text not null,
    recipient_id text not null,
    currency text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    gross_minor bigint not null default 0,
    fee_minor bigint not null default 0,
    net_minor bigint not null default 0,
    entry_count bigint not null default 0,
    sequence bigint not null default 0,
    closed_at timestamptz,
    payout_batch_id uuid references payout_batches (id),
    primary key (account, recipient_type, recipient_id, currency, window_start)
) with (fillfactor = 70);
create index settlement_windows_open on settlement_windows (window_end) where closed_at is null;
"""

OUTBOX = """
-- The columns of Debezium's outbox router; aggregatetype is the topic, aggregateid the key.
create table outbox (
    id bigint generated always as identity primary key,
    transaction_id xid8 not null default pg_current_xact_id(),
    shard smallint not null,
    aggregatetype text not null,
    aggregateid text not null,
    type text not null,
    payload text not null,
    headers jsonb not null,
    created_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
create index outbox_commit_order on outbox (transaction_id, id);

-- The relay's position: the sequence numbers of `pending_ids` are fixed before they are published.
create table relay_shards (
    shard smallint primary key,
    last_sequence bigint not null default 0,
    pending_ids bigint[] not null default '{}'
) with (fillfactor = 50);
insert into relay_shards (shard) select generate_series(0, 7);
"""

COMMANDS = """
create table commands (
    id text primary key,
    account text not null,
    payment_id text not null,
    kind text not null,
    digest text not null,
    content jsonb not null,
    state text not null check (state in ('started', 'unknown', 'finished')),
    amount_minor bigint,
    result jsonb,
    started_at timestamptz not null,
    finished_at timestamptz
);
create index commands_payment on commands (payment_id);
create index commands_open_refunds on commands (payment_id) where kind = 'refund' and state <> 'finished';
"""


def upgrade() -> None:
    """Create everything."""
    for script in (ACCOUNTS, PAYMENTS, INBOX, LEDGER, SETTLEMENT, OUTBOX, COMMANDS):
        run_script(op.get_bind(), script)


def downgrade() -> None:
    """There is nothing before the first schema."""
    raise NotImplementedError("the first schema cannot be taken back: drop the database instead")
