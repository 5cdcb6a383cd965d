"""Payout batches are approved by people, executed, completed, or failed; a failed one gives its entries back.

Revision ID: 0006
"""

from alembic import op

from storage.scripts import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PAYOUTS = """
alter table payout_batches add column required_approvals smallint not null default 1
    check (required_approvals between 0 and 2);
alter table payout_batches add column executed_by text;
alter table payout_batches add column executed_at timestamptz;
alter table payout_batches add column failed_by text;
alter table payout_batches add column failed_at timestamptz;
alter table payout_batches add column failure_reason text;
alter table payout_batches add constraint payout_batches_paid
    check (status <> 'completed' or bank_reference is not null);

create table payout_approvals (
    payout_batch_id uuid not null references payout_batches (id),
    approved_by text not null,
    approved_at timestamptz not null,
    primary key (payout_batch_id, approved_by)
);

-- Which entries a batch was made of, also after it has failed and given them back.
create table payout_batch_entries (
    payout_batch_id uuid not null references payout_batches (id),
    entry_id uuid not null references settlement_entries (id),
    primary key (payout_batch_id, entry_id)
);
insert into payout_batch_entries
    select payout_batch_id, id from settlement_entries where payout_batch_id is not null;
create index payout_batch_entries_entry on payout_batch_entries (entry_id);

alter table settlement_entries add column released_at timestamptz;
create index settlement_entries_released on settlement_entries (account, recipient_type, recipient_id, currency)
    where released_at is not null and payout_batch_id is null;
"""

TENANCY = """
alter table payout_approvals enable row level security;
create policy tenant on payout_approvals to paystream_tenant
    using (exists (select 1 from payout_batches where payout_batches.id = payout_batch_id))
    with check (exists (select 1 from payout_batches where payout_batches.id = payout_batch_id));
grant select, insert on payout_approvals to paystream_tenant;
alter table payout_batch_entries enable row level security;
create policy tenant on payout_batch_entries to paystream_tenant
    using (exists (select 1 from payout_batches where payout_batches.id = payout_batch_id))
    with check (exists (select 1 from payout_batches where payout_batches.id = payout_batch_id));
grant select, insert on payout_batch_entries to paystream_tenant;
"""


def upgrade() -> None:
    """Create what payouts need."""
    for script in (PAYOUTS, TENANCY):
        run_script(op.get_bind(), script)


def downgrade() -> None:
    """Who approved what is a record: it is not taken back."""
    raise NotImplementedError("restore a backup instead: this migration holds who approved and executed payouts")
