"""Reconciliation: when commands and payments are looked at again, orphans that are searched for, what cases are about.

Revision ID: 0003
"""

from alembic import op

from storage.scripts import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PAYMENTS = """
-- Since when a payment counts as quiet; null while that is its last change. Each look that changes nothing moves it on,
-- so that a payment that nobody ever finishes is looked at ever more seldom.
alter table payments add column quiet_since timestamptz;
create index payments_quiet on payments (coalesce(quiet_since, updated_at))
    where status in ('pending', 'processing', 'authorized') and provider_reference is not null and sync_due_at is null;
"""

COMMANDS = """
alter table commands add column reconcile_due_at timestamptz;
alter table commands add column reconcile_attempts integer not null default 0;
drop index commands_unknown;
create index commands_open on commands (coalesce(reconcile_due_at, finished_at, started_at)) where state <> 'finished';
"""

ORPHANS = """
-- A gateway's name of a payment that facts wait for and nobody here knows.
create table orphan_searches (
    gateway text not null,
    account text not null,
    reference text not null,
    first_seen_at timestamptz not null,
    attempts integer not null default 0,
    due_at timestamptz not null,
    primary key (gateway, account, reference)
);
create index orphan_searches_due on orphan_searches (due_at);
"""

CASES = """
alter table reconciliation_cases add column gateway text;
alter table reconciliation_cases add column reference text;
drop index reconciliation_cases_open;
create unique index reconciliation_cases_open on reconciliation_cases
    (kind, account, coalesce(payment_id, ''), coalesce(command_id, ''), coalesce(gateway, ''), coalesce(reference, ''))
    where resolved_at is null;
create index reconciliation_cases_payment on reconciliation_cases (payment_id) where resolved_at is null;
create index reconciliation_cases_opened on reconciliation_cases (opened_at);
"""


def upgrade() -> None:
    """Create what reconciliation needs."""
    for script in (PAYMENTS, COMMANDS, ORPHANS, CASES):
        run_script(op.get_bind(), script)


def downgrade() -> None:
    """Cases are a record of what people decided: they are not taken back."""
    raise NotImplementedError("restore a backup instead: this migration holds what was decided about cases")
