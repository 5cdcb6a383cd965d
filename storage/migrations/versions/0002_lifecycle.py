"""The whole lifecycle: refunds, disputes, manual payments, mandates, saved methods, links, events, cases, audit log.

Revision ID: 0002
"""

from alembic import op

from storage.scripts import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COMMANDS = """
alter table commands rename column payment_id to subject_id;
alter table commands add column actor text not null default 'upstream';
alter index commands_payment rename to commands_subject;
alter table payments add column changed_by text not null default 'unknown';
alter table payments add column request_id text;
alter table inbox add column evidence_due_at timestamptz;
create index commands_unknown on commands (started_at) where state = 'unknown';
"""

MOVEMENTS = """
create table refunds (
    gateway text not null,
    account text not null,
    reference text not null,
    payment_id text not null references payments (id),
    status text not null check (status in ('pending', 'succeeded', 'failed')),
    amount_minor bigint not null,
    currency text not null,
    reason text,
    changed_by text not null default 'unknown',
    request_id text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (gateway, account, reference)
);
create index refunds_payment on refunds (payment_id);

create table disputes (
    gateway text not null,
    account text not null,
    reference text not null,
    payment_id text not null references payments (id),
    status text not null check (status in ('opened', 'won', 'lost')),
    amount_minor bigint not null,
    currency text not null,
    reason text,
    evidence_due_at timestamptz,
    changed_by text not null default 'unknown',
    request_id text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (gateway, account, reference)
);
create index disputes_payment on disputes (payment_id);

create table payment_events (
    payment_id text not null references payments (id),
    sequence integer not null,
    event_id text not null,
    type text not null,
    payload jsonb not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    primary key (payment_id, sequence)
);
"""

MANUAL = """
create table invoices (
    account text not null references accounts (id),
    id text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    created_at timestamptz not null,
    primary key (account, id)
);
create table manual_payments (
    payment_id text primary key references payments (id),
    method text not null,
    transaction_reference text not null,
    notes text,
    submitted_by text not null,
    submitted_at timestamptz not null,
    decided_by text,
    decided_at timestamptz,
    check (decided_by <> submitted_by)
);
"""

VAULT = """
create table mandates (
    id text primary key,
    account text not null references accounts (id),
    gateway text not null,
    customer_id text not null,
    currency text not null,
    max_amount_minor bigint,
    status text not null check (status in ('started', 'pending', 'active', 'failed', 'revoked')),
    provider_reference text,
    customer_reference text,
    payment_method_reference text,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index mandates_customer on mandates (account, customer_id);

create table payment_methods (
    id text primary key,
    account text not null references accounts (id),
    gateway text not null,
    customer_id text not null,
    status text not null check (status in ('started', 'active')),
    provider_reference text,
    customer_reference text,
    kind text,
    brand text,
    last_four text check (last_four ~ '^[0-9]{4}$'),
    expires text,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index payment_methods_customer on payment_methods (account, customer_id);

create table payment_links (
    payment_id text primary key references payments (id),
    account text not null references accounts (id),
    gateway text not null,
    status text not null check (status in ('started', 'active', 'cancelled')),
    reusable boolean not null,
    expires_at timestamptz,
    provider_reference text,
    url text,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
"""

CASES = """
-- What no machine can decide: a person looks at it and says what was done.
create table reconciliation_cases (
    id uuid primary key,
    account text not null references accounts (id),
    payment_id text,
    command_id text,
    kind text not null,
    detail text not null,
    opened_at timestamptz not null,
    resolved_at timestamptz,
    resolved_by text,
    resolution text
);
create unique index reconciliation_cases_open on reconciliation_cases
    (kind, coalesce(payment_id, ''), coalesce(command_id, '')) where resolved_at is null;
"""

AUDIT = """
create table audit_log (
    id bigint generated always as identity primary key,
    account text,
    actor text not null,
    action text not null,
    subject_type text not null,
    subject_id text not null,
    before jsonb,
    after jsonb,
    request_id text,
    recorded_at timestamptz not null default clock_timestamp()
);
create index audit_log_subject on audit_log (subject_type, subject_id);

create function audit_log_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only' using errcode = 'check_violation';
end $$;
create trigger audit_log_append_only before update or delete or truncate on audit_log
    for each statement execute function audit_log_is_append_only();
-- Also where a session says that it replays another database's changes.
alter table audit_log enable always trigger audit_log_append_only;
revoke update, delete, truncate on audit_log from public, current_user;

-- Every write of the tables below is recorded by the database itself, so that no code can forget to. One statement
-- writes all of a batch's records. Arguments: the subject's type, the columns of its key, what is never to be shown:
-- columns, and with a dot the members of JSON columns.
create function audit_changes(old_row jsonb, new_row jsonb) returns jsonb language sql immutable as $$
    select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(new_row)
    where old_row is null or old_row -> key is distinct from value
$$;
create function audit_shown(row_as_json jsonb, hidden text[]) returns jsonb language plpgsql immutable as $$
declare
    path text;
begin
    foreach path in array hidden loop
        row_as_json := row_as_json #- string_to_array(path, '.');
    end loop;
    return row_as_json;
end $$;
create function audit_key(row_as_json jsonb, columns text[]) returns text language sql immutable as $$
    select string_agg(row_as_json ->> name, ':' order by position)
    from unnest(columns) with ordinality as listed (name, position)
$$;
create function audit_account(subject_type text, row_as_json jsonb) returns text language sql stable as $$
    select case
        when subject_type = 'account' then row_as_json ->> 'id'
        when row_as_json ? 'account' then row_as_json ->> 'account'
        else (select account from payments where id = row_as_json ->> 'payment_id')
    end
$$;
create function write_audit() returns trigger language plpgsql as $$
declare
    key_columns text[] := string_to_array(tg_argv[1], ',');
    hidden text[] := string_to_array(coalesce(tg_argv[2], ''), ',');
    actor text := coalesce(nullif(current_setting('paystream.actor', true), ''), 'database:' || current_user);
    request text := nullif(current_setting('paystream.request_id', true), '');
begin
    if tg_op = 'INSERT' then
        insert into audit_log (account, actor, action, subject_type, subject_id, before, after, request_id)
        select audit_account(tg_argv[0], now_json), coalesce(nullif(now_json ->> 'changed_by', 'unknown'), actor),
               'insert', tg_argv[0], audit_key(now_json, key_columns), null, audit_shown(now_json, hidden),
               coalesce(now_json ->> 'request_id', request)
        from (select to_jsonb(new_rows) as now_json from new_rows) as changed;
    elsif tg_op = 'UPDATE' then
        -- A row names who changed it only when the statement wrote that name; else it is a former change's. A row
        -- whose key was changed has no partner and is recorded as gone under the one and new under the other.
        insert into audit_log (account, actor, action, subject_type, subject_id, before, after, request_id)
        select audit_account(tg_argv[0], coalesce(now_json, then_json)),
               case when named_now then now_json ->> 'changed_by' else actor end, 'update', tg_argv[0],
               audit_key(coalesce(now_json, then_json), key_columns),
               audit_shown(audit_changes(now_json, then_json), hidden),
               audit_shown(audit_changes(then_json, now_json), hidden),
               case when named_now then now_json ->> 'request_id' else request end
        from (
            select now_json, then_json,
                   now_json ? 'changed_by' and then_json is not null
                   and (now_json ->> 'changed_by', now_json ->> 'request_id')
                       is distinct from (then_json ->> 'changed_by', then_json ->> 'request_id') as named_now
            from (select to_jsonb(new_rows) as now_json from new_rows) as present
            full join (select to_jsonb(old_rows) as then_json from old_rows) as previous
                on audit_key(now_json, key_columns) = audit_key(then_json, key_columns)
        ) as changed
        where now_json is distinct from then_json;
    elsif tg_op = 'DELETE' then
        insert into audit_log (account, actor, action, subject_type, subject_id, before, after, request_id)
        select audit_account(tg_argv[0], then_json), actor, 'delete', tg_argv[0], audit_key(then_json, key_columns),
               audit_shown(then_json, hidden), null, request
        from (select to_jsonb(old_rows) as then_json from old_rows) as changed;
    else
        insert into audit_log (actor, action, subject_type, subject_id, request_id)
        values (actor, 'truncate', tg_argv[0], '*', request);
    end if;
    return null;
end $$;
"""

COMMAND_SECRETS = "content.payment_method_token,content.token,content.parameters,result.client_parameters"
"""What a customer's browser may hold and a log may not: one-time tokens, signed redirects, client secrets."""

AUDITED = (
    ("accounts", "account", "id", ""),
    ("gateway_credentials", "gateway_credentials", "account,gateway", "ciphertext,wrapped_key"),
    ("payments", "payment", "id", ""),
    ("commands", "command", "id", COMMAND_SECRETS),
    ("refunds", "refund", "gateway,account,reference", ""),
    ("disputes", "dispute", "gateway,account,reference", ""),
    ("invoices", "invoice", "account,id", ""),
    ("manual_payments", "manual_payment", "payment_id", ""),
    ("mandates", "mandate", "id", ""),
    ("payment_methods", "payment_method", "id", ""),
    ("payment_links", "payment_link", "payment_id", ""),
    ("payout_batches", "payout_batch", "id", ""),
    ("reconciliation_cases", "reconciliation_case", "id", ""),
)
_EVENTS = (
    ("insert", "referencing new table as new_rows"),
    ("update", "referencing old table as old_rows new table as new_rows"),
    ("delete", "referencing old table as old_rows"),
    ("truncate", ""),
)


def audit_triggers() -> str:
    """The triggers of every audited table."""
    return "\n".join(
        f"create trigger {table}_audit_{event} after {event} on {table} {tables}"
        f" for each statement execute function write_audit('{subject}', '{key}', '{hidden}');"
        for table, subject, key, hidden in AUDITED
        for event, tables in _EVENTS
    )


def upgrade() -> None:
    """Create what the whole lifecycle needs."""
    for script in (COMMANDS, MOVEMENTS, MANUAL, VAULT, CASES, AUDIT, audit_triggers()):
        run_script(op.get_bind(), script)


def downgrade() -> None:
    """Money was recorded in these tables: they are not taken back."""
    raise NotImplementedError("restore a backup instead: the tables of this migration hold money movements")
