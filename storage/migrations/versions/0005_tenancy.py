"""Tenancy in the database, and what the HTTP API keeps: keys, answers to repeat, options.

The HTTP API does its work as the role `paystream_tenant`, which sees and writes only rows of the accounts that its
transaction names in `paystream.accounts`. The agents work for all accounts, as the owner of the tables.

Revision ID: 0005
"""

from alembic import op

from storage.scripts import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROLE = """
do $$ begin
    if not exists (select from pg_roles where rolname = 'paystream_tenant') then
        create role paystream_tenant nologin;
    end if;
    if not pg_has_role(current_user, 'paystream_tenant', 'set') then
        execute format('grant paystream_tenant to %I', current_user);
    end if;
exception
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then
        raise exception 'the role paystream_tenant is missing; have a superuser run:'
            ' create role paystream_tenant nologin; grant paystream_tenant to %;', current_user;
end $$;
grant usage on schema public to paystream_tenant;
create function paystream_accounts() returns text[] language sql stable as $$
    select string_to_array(nullif(current_setting('paystream.accounts', true), ''), ',')
$$;
"""

KEYS = """
-- A key is shown once and stored as a digest. An operator's key names several accounts, a merchant's exactly one.
create table api_keys (
    id text primary key check (id ~ '^[a-z0-9]{16}$'),
    digest bytea not null check (length(digest) = 32),
    name text not null,
    kind text not null check (kind in ('merchant', 'operator')),
    mode text not null check (mode in ('live', 'test')),
    accounts text[] not null check (cardinality(accounts) > 0 and (kind = 'operator' or cardinality(accounts) = 1)),
    scopes text[] not null,
    created_by text not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz
);
create index api_keys_accounts on api_keys using gin (accounts);
-- Apart from the keys, because every change of a key is recorded and a use is none.
create table api_key_uses (
    id text primary key references api_keys (id),
    last_used_at timestamptz not null
);

-- What was answered to a POST with an idempotency key, to be answered again byte for byte. It is sealed, because an
-- answer may hold what is shown only once.
create table api_answers (
    account text not null references accounts (id),
    idempotency_key text not null,
    fingerprint bytea not null,
    started_at timestamptz not null,
    key_id text,
    wrapped_key bytea,
    ciphertext bytea,
    primary key (account, idempotency_key)
);
create index api_answers_started on api_answers (started_at);

-- What of a gateway an account offers to its payers, in which order.
create table payment_options (
    account text not null references accounts (id),
    gateway text not null,
    enabled boolean not null default true,
    priority integer not null default 100 check (priority between 0 and 10000),
    payment_methods text[],
    countries text[],
    currencies text[],
    min_amount_minor bigint check (min_amount_minor >= 0),
    max_amount_minor bigint check (max_amount_minor >= 0),
    display_name text,
    settings jsonb not null default '{}',
    updated_at timestamptz not null,
    primary key (account, gateway)
);

alter table accounts add column mode text not null default 'live' check (mode in ('live', 'test'));

-- The page where a payer begins: an unguessable token, stored as a digest, stands for a payment.
create table checkout_pages (
    digest bytea primary key check (length(digest) = 32),
    account text not null references accounts (id),
    payment_id text not null references payments (id),
    return_url text,
    created_at timestamptz not null,
    expires_at timestamptz not null
);
create index checkout_pages_payment on checkout_pages (payment_id);
"""

LISTING = """
create index payments_created on payments (account, created_at desc, id desc);
create index payments_gateway on payments (account, gateway, created_at desc);
create index refunds_created on refunds (account, created_at desc, reference desc);
create index disputes_created on disputes (account, created_at desc, reference desc);
create index payout_batches_created on payout_batches (account, created_at desc, id desc);
create index ledger_transactions_recorded on ledger_transactions (account, recorded_at desc, id desc);
create index audit_log_account on audit_log (account, id desc);
"""

CREDENTIALS = """
-- Whoever keeps connectors learns at once that an account's credentials have changed.
create function tell_credentials_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify(
        'paystream_credentials',
        coalesce(new.account, old.account) || ':' || coalesce(new.gateway, old.gateway)
    );
    return null;
end $$;
create trigger gateway_credentials_changed after insert or update or delete on gateway_credentials
    for each row execute function tell_credentials_changed();
"""

# Tables whose rows name their account.
BY_ACCOUNT = (
    "api_answers", "audit_log", "checkout_pages", "commands", "disputes", "gateway_credentials", "inbox", "invoices",
    "ledger_transactions", "mandates", "orphan_searches", "payment_links", "payment_methods", "payment_options",
    "payment_references", "payments", "payout_batches", "reconciliation_cases", "refunds", "settlement_entries",
    "settlement_windows",
)  # fmt: skip
# Tables whose rows belong to a payment, and those that belong to something else.
BY_PAYMENT = ("manual_payments", "payment_events", "transitions")
READ_ONLY = frozenset({"audit_log"})


def policies() -> str:
    """Row-level security of every table, and what the tenant role may do there."""
    mine = "account = any(paystream_accounts())"
    rules = dict.fromkeys(BY_ACCOUNT, mine)
    rules["accounts"] = "id = any(paystream_accounts())"
    rules["api_keys"] = "accounts <@ paystream_accounts()"
    rules["api_key_uses"] = "exists (select 1 from api_keys where api_keys.id = api_key_uses.id)"
    rules |= dict.fromkeys(BY_PAYMENT, "exists (select 1 from payments where payments.id = payment_id)")
    rules["ledger_postings"] = (
        "exists (select 1 from ledger_transactions where ledger_transactions.id = transaction_id)"
    )
    scripts = []
    for table, rule in sorted(rules.items()):
        rights = "select" if table in READ_ONLY else "select, insert, update, delete"
        scripts.append(
            f"alter table {table} enable row level security;"
            f"create policy tenant on {table} to paystream_tenant using ({rule}) with check ({rule});"
            f"grant {rights} on {table} to paystream_tenant;"
        )
    scripts.append(
        # What is to be published may be added by everybody and read by nobody but the relay.
        "alter table outbox enable row level security;"
        "create policy tenant on outbox for insert to paystream_tenant with check (true);"
        "grant insert on outbox to paystream_tenant;"
        "revoke truncate on all tables in schema public from paystream_tenant;"
        "grant usage on all sequences in schema public to paystream_tenant;"
    )
    return "\n".join(scripts)


TRIGGERS = """
-- The database's own book-keeping works for the owner, whoever's change it records.
alter function write_audit() security definer;
alter function write_audit() set search_path = pg_catalog, public, pg_temp;
alter function ledger_must_sum_to_zero() security definer;
alter function ledger_must_sum_to_zero() set search_path = pg_catalog, public, pg_temp;
create or replace function audit_account(subject_type text, row_as_json jsonb) returns text language sql stable as $$
    select case
        when subject_type = 'account' then row_as_json ->> 'id'
        when subject_type = 'api_key' and row_as_json ->> 'kind' = 'merchant' then row_as_json #>> '{accounts,0}'
        when subject_type = 'api_key' then null
        when row_as_json ? 'account' then row_as_json ->> 'account'
        else (select account from payments where id = row_as_json ->> 'payment_id')
    end
$$;
"""


def audit_triggers() -> str:
    """Record every change of keys and options."""
    events = {
        "insert": "referencing new table as new_rows",
        "update": "referencing old table as old_rows new table as new_rows",
        "delete": "referencing old table as old_rows",
        "truncate": "",
    }
    subjects = (("api_keys", "api_key", "id", "digest"), ("payment_options", "payment_option", "account,gateway", ""))
    return "\n".join(
        f"create trigger {table}_audit_{event} after {event} on {table} {tables}"
        f" for each statement execute function write_audit('{subject}', '{key}', '{hidden}');"
        for table, subject, key, hidden in subjects
        for event, tables in events.items()
    )


def upgrade() -> None:
    """Create the second wall."""
    for script in (ROLE, KEYS, LISTING, CREDENTIALS, TRIGGERS, audit_triggers(), policies()):
        run_script(op.get_bind(), script)


def downgrade() -> None:
    """Keys were given out: they are not taken back unseen."""
    raise NotImplementedError("restore a backup instead: this migration holds the keys of the HTTP API")
