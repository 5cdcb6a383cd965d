"""Rules of settlement per account: schedules, fees, reserves, thresholds; and what is kept of them.

Revision ID: 0008
"""

from alembic import op

from storage.scripts import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

RULES = """
-- An account's windows follow the schedule that counts at their time; a new one begins where a window ends, so that no
-- instant is in two. What counts is never changed; what has not begun may be dropped.
create table settlement_schedules (
    account text not null references accounts (id),
    effective_from timestamptz not null,
    cadence text not null check (cadence in ('fixed', 'hourly', 'daily', 'weekly')),
    size_seconds integer check (size_seconds > 0),
    time_zone text not null default 'UTC',
    cut_off time not null default '00:00',
    weekday smallint check (weekday between 0 and 6),
    grace_seconds integer check (grace_seconds >= 0),
    is_default boolean not null default false,
    set_by text not null,
    set_at timestamptz not null,
    primary key (account, effective_from),
    check ((cadence = 'fixed') = (size_seconds is not null)),
    check ((cadence = 'weekly') = (weekday is not null))
);

-- Null is any gateway, method or currency. A schedule counts until a newer one of the same scope does.
create table fee_schedules (
    id uuid primary key,
    account text not null references accounts (id),
    gateway text,
    method text,
    currency text check (currency ~ '^[A-Z]{3}$'),
    effective_from timestamptz not null,
    basis_points integer not null check (basis_points between 0 and 10000),
    fixed_minor bigint not null check (fixed_minor >= 0),
    min_minor bigint not null default 0 check (min_minor >= 0),
    max_minor bigint check (max_minor >= min_minor),
    on_refund text not null default 'kept' check (on_refund in ('kept', 'returned')),
    tiers jsonb not null default '[]',
    is_withdrawn boolean not null default false,
    set_by text not null,
    set_at timestamptz not null
);
create unique index fee_schedules_scope on fee_schedules
    (account, coalesce(gateway, ''), coalesce(method, ''), coalesce(currency, ''), effective_from);

-- What an account's captures came to in a month of UTC: it chooses the tier of a fee.
create table captured_volumes (
    account text not null references accounts (id),
    currency text not null,
    month date not null,
    captured_minor bigint not null,
    primary key (account, currency, month)
) with (fillfactor = 50);

-- `*` is any recipient type or any recipient.
create table reserve_rules (
    account text not null references accounts (id),
    recipient_type text not null,
    recipient_id text not null,
    basis_points integer not null check (basis_points between 0 and 9999),
    days integer not null check (days between 1 and 3650),
    set_by text not null,
    set_at timestamptz not null,
    primary key (account, recipient_type, recipient_id),
    check (recipient_type <> '*' or recipient_id = '*')
);

create table payout_thresholds (
    account text not null references accounts (id),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    auto_approve_minor bigint check (auto_approve_minor >= 0),
    second_approval_minor bigint check (second_approval_minor >= 0),
    minimum_payout_minor bigint not null default 0 check (minimum_payout_minor >= 0),
    set_by text not null,
    set_at timestamptz not null,
    primary key (account, currency)
);
"""

PAYMENTS = """
alter table payments add column fee_min_minor bigint not null default 0 check (fee_min_minor >= 0);
alter table payments add column fee_max_minor bigint check (fee_max_minor >= fee_min_minor);
alter table payments add column fee_on_refund text not null default 'kept'
    check (fee_on_refund in ('kept', 'returned'));
"""

RESERVE = """
alter table payout_batches add column reserve_held_minor bigint not null default 0 check (reserve_held_minor >= 0);
alter table payout_batches add column reserve_released_minor bigint not null default 0
    check (reserve_released_minor >= 0);
alter table payout_batches drop constraint payout_batches_check;
alter table payout_batches add constraint payout_batches_adds_up
    check (net_minor = gross_minor - fee_minor - reserve_held_minor + reserve_released_minor);

-- What a batch held back. It is released once, by a batch that did not fail; void, when its own batch failed.
create table reserve_holds (
    id uuid primary key,
    account text not null references accounts (id),
    recipient_type text not null,
    recipient_id text not null,
    currency text not null,
    amount_minor bigint not null check (amount_minor > 0),
    payout_batch_id uuid not null references payout_batches (id),
    held_at timestamptz not null,
    release_at timestamptz not null,
    voided_at timestamptz,
    released_batch_id uuid references payout_batches (id),
    check (voided_at is null or released_batch_id is null)
);
create index reserve_holds_waiting on reserve_holds (account, recipient_type, recipient_id, currency, release_at)
    where released_batch_id is null and voided_at is null;
create unique index reserve_holds_batch on reserve_holds (payout_batch_id);
create index reserve_holds_released on reserve_holds (released_batch_id) where released_batch_id is not null;

-- Which holds a batch released, also after it has failed and given them back.
create table reserve_releases (
    payout_batch_id uuid not null references payout_batches (id),
    hold_id uuid not null references reserve_holds (id),
    primary key (payout_batch_id, hold_id)
);
"""

WINDOWS = """
alter table settlement_entries add column window_start timestamptz;
alter table settlement_windows add column closes_at timestamptz;
alter table settlement_windows add column captures_minor bigint not null default 0;
alter table settlement_windows add column refunds_minor bigint not null default 0;
alter table settlement_windows add column disputes_minor bigint not null default 0;
alter table settlement_windows add column reversals_minor bigint not null default 0;
alter table settlement_windows add column capture_count bigint not null default 0;
alter table settlement_windows add column refund_count bigint not null default 0;
alter table settlement_windows add column dispute_count bigint not null default 0;
alter table settlement_windows add column reversal_count bigint not null default 0;
alter table settlement_windows add column first_event_at timestamptz;
alter table settlement_windows add column last_event_at timestamptz;
alter table settlement_windows add column watermark timestamptz;
alter table settlement_windows add column changed_at timestamptz not null default clock_timestamp();
"""

# What is there already: windows of one size in UTC, and a grace that nobody wrote down.
BACKFILL = """
update settlement_entries as entry set window_start = counted_in.window_start from settlement_windows as counted_in
    where entry.counted and entry.occurred_at >= counted_in.window_start and entry.occurred_at < counted_in.window_end
    and (entry.account, entry.recipient_type, entry.recipient_id, entry.currency)
        = (counted_in.account, counted_in.recipient_type, counted_in.recipient_id, counted_in.currency);
update settlement_windows set closes_at = window_end + interval '1 hour';
update settlement_windows as known set
    captures_minor = sums.captures_minor, refunds_minor = sums.refunds_minor, disputes_minor = sums.disputes_minor,
    reversals_minor = sums.reversals_minor, capture_count = sums.capture_count, refund_count = sums.refund_count,
    dispute_count = sums.dispute_count, reversal_count = sums.reversal_count,
    first_event_at = sums.first_event_at, last_event_at = sums.last_event_at
from (
    select account, recipient_type, recipient_id, currency, window_start,
        coalesce(sum(gross_minor) filter (where cause = 'capture'), 0) as captures_minor,
        coalesce(sum(gross_minor) filter (where cause = 'refund'), 0) as refunds_minor,
        coalesce(sum(gross_minor) filter (where cause = 'dispute_lost'), 0) as disputes_minor,
        coalesce(sum(gross_minor) filter (where cause = 'reversal'), 0) as reversals_minor,
        count(*) filter (where cause = 'capture') as capture_count,
        count(*) filter (where cause = 'refund') as refund_count,
        count(*) filter (where cause = 'dispute_lost') as dispute_count,
        count(*) filter (where cause = 'reversal') as reversal_count,
        min(occurred_at) as first_event_at, max(occurred_at) as last_event_at
    from settlement_entries where counted group by 1, 2, 3, 4, 5) as sums
where (known.account, known.recipient_type, known.recipient_id, known.currency, known.window_start)
    = (sums.account, sums.recipient_type, sums.recipient_id, sums.currency, sums.window_start);
insert into settlement_schedules (account, effective_from, cadence, size_seconds, is_default, set_by, set_at)
    select distinct on (account) account, '1900-01-01 00:00:00+00', 'fixed',
        extract(epoch from window_end - window_start)::integer, true, 'migration', now()
    from settlement_windows order by account, window_start desc;
insert into captured_volumes (account, currency, month, captured_minor)
    select account, currency, date_trunc('month', occurred_at at time zone 'UTC')::date, sum(gross_minor)
    from settlement_entries where counted and cause = 'capture' group by 1, 2, 3;
"""

INDEXES = """
alter table settlement_entries add constraint settlement_entries_counted_in_a_window
    check (counted = (window_start is not null));
alter table settlement_windows alter column closes_at set not null;
drop index settlement_windows_open;
create index settlement_windows_open on settlement_windows (closes_at) where closed_at is null;
create index settlement_windows_open_of on settlement_windows (account, recipient_type, recipient_id, currency)
    where closed_at is null;
create index settlement_windows_changed on settlement_windows (changed_at);
"""

READ_BY_TENANTS = (
    "captured_volumes", "fee_schedules", "payout_thresholds", "reserve_holds", "reserve_rules", "settlement_schedules",
)  # fmt: skip


def policies() -> str:
    """Rules are read inside a scope and set outside of one; a batch that fails gives its holds back inside."""
    mine = "account = any(paystream_accounts())"
    scripts = [
        f"alter table {table} enable row level security;"
        f"create policy tenant on {table} to paystream_tenant using ({mine}) with check ({mine});"
        f"grant select on {table} to paystream_tenant;"
        for table in READ_BY_TENANTS
    ]
    scripts.append(
        "grant update (voided_at, released_batch_id) on reserve_holds to paystream_tenant;"
        "alter table reserve_releases enable row level security;"
        "create policy tenant on reserve_releases to paystream_tenant"
        " using (exists (select 1 from payout_batches where payout_batches.id = payout_batch_id));"
        "grant select on reserve_releases to paystream_tenant;"
    )
    return "\n".join(scripts)


AUDITED = (
    ("settlement_schedules", "settlement_schedule", "account,effective_from"),
    ("fee_schedules", "fee_schedule", "id"),
    ("reserve_rules", "reserve_rule", "account,recipient_type,recipient_id"),
    ("payout_thresholds", "payout_threshold", "account,currency"),
)
_EVENTS = {
    "insert": "referencing new table as new_rows",
    "update": "referencing old table as old_rows new table as new_rows",
    "delete": "referencing old table as old_rows",
    "truncate": "",
}


def audit_triggers() -> str:
    """Record every change of a rule."""
    return "\n".join(
        f"create trigger {table}_audit_{event} after {event} on {table} {tables}"
        f" for each statement execute function write_audit('{subject}', '{key}', '');"
        for table, subject, key in AUDITED
        for event, tables in _EVENTS.items()
    )


def upgrade() -> None:
    """Create the rules, and give what is there the columns that they fill."""
    for script in (RULES, PAYMENTS, RESERVE, WINDOWS, BACKFILL, INDEXES, policies(), audit_triggers()):
        run_script(op.get_bind(), script)


def downgrade() -> None:
    """Money was held back and windows were cut by these rules: they are not taken back."""
    raise NotImplementedError("restore a backup instead: this migration holds what was agreed and what is held back")
